//! House rules that a program can check.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut open: Vec<PathBuf> =
        ["schemas", "dataflow", "sinks", "query-api", "agents", "deploy", "bench", "tests"]
            .iter()
            .map(|name| root().join(name))
            .collect();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    assert!(100 < found.len());
    found
}

#[test]
fn every_file_says_what_it_is_for_and_stays_small() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} has no header", path.display());
        assert!(
            text.lines().count() <= 420,
            "{} has {} lines; split it",
            path.display(),
            text.lines().count()
        );
        assert!(path.file_name().is_some_and(|name| name != "mod.rs"), "{}", path.display());
    }
}

#[test]
fn every_test_is_one_that_is_run() {
    // `cargo verify` runs those of libraries and of this binary.
    for (path, text) in sources() {
        let of_program = path.ends_with("src/main.rs") || path.to_string_lossy().contains("/src/bin/");
        assert!(!of_program || !text.contains("#[test]"), "{} has a test", path.display());
        let in_words = text.lines().any(|line| line.trim_start().starts_with("/// ```"));
        assert!(!in_words, "{} has a test in its documentation", path.display());
    }
}

#[test]
fn the_star_is_kept() {
    let manifest = |name: &str| std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
    let depends = |name: &str, on: &str| {
        manifest(name)
            .lines()
            .any(|line| line.starts_with(&format!("{on}.")) || line.starts_with(&format!("{on} ")))
    };
    let siblings = ["dataflow", "sinks", "query-api", "agents"];
    for name in siblings {
        for other in siblings.iter().filter(|other| **other != name) {
            assert!(!depends(name, other), "{name} imports {other}");
        }
        assert!(!depends("schemas", name), "schemas imports {name}");
    }
    for (library, allowed) in [
        // In bench, a peer of the engine is written on them directly.
        ("timely", vec!["dataflow", "bench"]),
        ("differential-dataflow", vec!["dataflow", "bench"]),
        ("axum", vec!["query-api", "deploy", "tests"]),
        ("rdkafka", vec!["dataflow", "sinks", "tests"]),
        ("sqlx", vec!["sinks", "tests"]),
        ("redis", vec!["sinks"]),
    ] {
        for name in ["schemas", "dataflow", "sinks", "query-api", "agents", "deploy", "bench", "tests"] {
            assert!(!depends(name, library) || allowed.contains(&name), "{name} imports {library}");
        }
    }
}

#[test]
fn nothing_names_a_machine_and_no_test_sleeps_or_is_ignored() {
    let forbidden =
        [concat!("#[", "ignore"), concat!("thread::", "sleep"), concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for (path, text) in sources() {
        for word in forbidden {
            assert!(!text.contains(word), "{} contains {word}", path.display());
        }
    }
}
