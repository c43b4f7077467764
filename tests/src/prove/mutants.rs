//! Bugs put in on purpose: for each of them, a check must fail. Otherwise a check that passes says nothing.
//!
//! The product holds none of it. Its sources are copied, every bug is written beside what it replaces, and the copy is built
//! once: `if this bug is on { new } else { old }`, told by the environment. So the bugs come one at a time, and the same
//! program without any must pass the same checks.
//!
//! What does not apply any more, does not compile or does not end is a failure of this check, not a bug that was caught.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cases, Report};

mod operators;
mod protocol;

/// Says which bug is on, if any.
const SWITCH: &str = "KGROOT_MUTANT";
/// How the copy asks.
const ASK: &str = r#"
mod mutant {
    pub(crate) fn is(name: &str) -> bool {
        static NAME: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
        NAME.get_or_init(|| std::env::var("KGROOT_MUTANT").ok()).as_deref() == Some(name)
    }
}
"#;
/// A check that has not ended by then never will.
const ENDS: Duration = Duration::from_secs(3_600);

/// A known bug.
struct Mutant {
    name: &'static str,
    /// Which kind of bug, and what it does here.
    bug: &'static str,
    /// The check that must fail, and how many cases it may need for that.
    check: (&'static str, u64),
    edits: &'static [Edit],
}

/// An expression, or some statements, and what stands there instead.
struct Edit {
    /// Below `dataflow/src`.
    file: &'static str,
    /// Occurs exactly once.
    old: &'static str,
    new: &'static str,
}

fn all() -> Vec<&'static Mutant> {
    protocol::MUTANTS.iter().chain(operators::MUTANTS).collect()
}

/// Whether every bug can still be put in. Quick: nothing is built.
pub fn apply_all() -> Result<(), String> {
    mutate(&all()).map(drop)
}

/// Runs the first `n` bugs, or all there are.
pub fn prove(cases: Cases) -> Report {
    let mutants = all();
    let count = mutants.len().min(usize::try_from(cases.n).unwrap_or(usize::MAX));
    let mutants = &mutants[..count];
    let (failures, figures) = match build(mutants) {
        Ok(binary) => tried(&binary, mutants, cases),
        Err(failure) => (vec![failure], Vec::new()),
    };
    Report { check: "mutants", n: count as u64, failures, figures }
}

type Figures = Vec<(&'static str, Value)>;

fn tried(binary: &Path, mutants: &[&Mutant], cases: Cases) -> (Vec<String>, Figures) {
    let mut failures = Vec::new();
    let mut most: BTreeMap<&str, u64> = BTreeMap::new();
    for (check, n) in mutants.iter().map(|mutant| mutant.check) {
        let known = most.entry(check).or_default();
        *known = n.max(*known);
    }
    for (check, n) in most {
        match run(binary, None, (check, n), cases.seed) {
            Ok(Ended::Passed) => {}
            Ok(Ended::Failed(_, words)) => failures.push(format!("{check} without any bug fails: {words}")),
            Err(failure) => failures.push(format!("{check} without any bug: {failure}")),
        }
    }
    let mut needed: BTreeMap<&str, u64> = BTreeMap::new();
    for mutant in mutants {
        let Mutant { name, bug, check, .. } = mutant;
        match run(binary, Some(name), *check, cases.seed) {
            Ok(Ended::Failed(count, words)) => {
                eprintln!("{name}: caught by {} after {count}: {}", check.0, short(&words));
                needed.insert(name, count);
            }
            Ok(Ended::Passed) => failures.push(format!("{name} ({bug}): {} {} passes", check.0, check.1)),
            Err(failure) => failures.push(format!("{name}: {failure}")),
        }
    }
    let mut sorted: Vec<u64> = needed.values().copied().collect();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len().saturating_sub(1) / 2);
    let figures = vec![
        ("caught", json!(needed.len())),
        ("cases_needed_median", json!(median)),
        ("cases_needed_most", json!(sorted.last())),
        ("cases_needed", json!(needed)),
    ];
    (failures, figures)
}

/// How a check ended.
enum Ended {
    Passed,
    /// After so many cases, with its first words.
    Failed(u64, String),
}

/// Runs a check of the copy up to its first failure.
fn run(binary: &Path, on: Option<&str>, (check, n): (&str, u64), seed: u64) -> Result<Ended, String> {
    let mut command = Command::new(binary);
    command.args([check, "--n", &n.to_string(), "--seed", &seed.to_string(), "--first"]);
    command.env_remove(SWITCH).envs(on.map(|name| (SWITCH, name)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", binary.display()))?;
    let words = collect(child.stderr.take());
    let document = collect(child.stdout.take());
    let Ok(document) = document.recv_timeout(ENDS) else {
        let _gone = child.kill();
        return Err(format!("{check} {n} did not end"));
    };
    let status = child.wait().map_err(|error| error.to_string())?;
    let words = words.recv().unwrap_or_default();
    let last: Value = serde_json::from_str(document.lines().last().unwrap_or_default()).unwrap_or_default();
    let count = last["points"].as_u64().or(last["n"].as_u64());
    match (status.code(), count) {
        (Some(0), Some(_)) => Ok(Ended::Passed),
        (Some(1), Some(count)) => Ok(Ended::Failed(count, words)),
        // Not an answer of the check: out of memory, no such check.
        _ => Err(format!("{check} {n} ended with {status}: {}", short(&words))),
    }
}

/// All that a pipe says, once it is over.
fn collect(pipe: Option<impl Read + Send + 'static>) -> std::sync::mpsc::Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks has said all that it will.
        let _read = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        let _taken = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

fn short(words: &str) -> String {
    let seed = words.lines().find(|line| line.starts_with("seed ") || line.contains(" bit "));
    seed.or(words.lines().last()).unwrap_or_default().chars().take(160).collect()
}

/// Copies the sources, writes the bugs into the copy and builds it; gives its `prove`.
fn build(mutants: &[&Mutant]) -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let above = program.ancestors().nth(2).ok_or("the program is in no target folder")?.join("mutants");
    let tree = above.join("tree");
    copy(&tree, &mutate(mutants)?)?;
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "-q", "--locked", "-p", "tests", "--bin", "prove"]).current_dir(&tree);
    command.env("CARGO_TARGET_DIR", above.join("target"));
    // Built once and never debugged.
    command.envs([("CARGO_INCREMENTAL", "0"), ("CARGO_PROFILE_DEV_DEBUG", "0")]);
    let built = command.output().map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err(format!("the copy does not build:\n{}", String::from_utf8_lossy(&built.stderr)));
    }
    Ok(above.join("target/debug/prove"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Files of the engine with all bugs in them, each off until it is asked for.
fn mutate(mutants: &[&Mutant]) -> Result<BTreeMap<PathBuf, String>, String> {
    let mut edits: BTreeMap<&str, Vec<(&str, &Edit)>> = BTreeMap::new();
    for mutant in mutants {
        for edit in mutant.edits {
            edits.entry(edit.file).or_default().push((mutant.name, edit));
        }
    }
    let mut files = BTreeMap::new();
    for file in edits.keys().copied().chain(["lib.rs"]) {
        let path = Path::new("dataflow/src").join(file);
        let read = fs::read_to_string(root().join(&path));
        let text = read.map_err(|error| format!("{}: {error}", path.display()))?;
        let mut text = apply(&text, edits.get(file).map_or(&[], Vec::as_slice))?;
        if file == "lib.rs" {
            text.push_str(ASK);
        }
        files.insert(path, text);
    }
    Ok(files)
}

/// A file with bugs beside what they replace.
fn apply(text: &str, edits: &[(&str, &Edit)]) -> Result<String, String> {
    let mut places = Vec::new();
    for (name, edit) in edits {
        let found: Vec<usize> = text.match_indices(edit.old).map(|(at, _)| at).collect();
        match found.as_slice() {
            [at] => places.push((*at, *name, *edit)),
            _ => return Err(format!("{name} no longer applies: {} has it {} times", edit.file, found.len())),
        }
    }
    places.sort_by_key(|(at, ..)| *at);
    let (mut written, mut until) = (String::new(), 0);
    for (at, name, Edit { file, old, new }) in places {
        if at < until {
            return Err(format!("{name} is in the place of another one, in {file}"));
        }
        written.push_str(&text[until..at]);
        written.push_str(&format!("{{ if crate::mutant::is(\"{name}\") {{ {new} }} else {{ {old} }} }}"));
        until = at + old.len();
    }
    written.push_str(&text[until..]);
    Ok(written)
}

/// Brings the copy up to date; what is as it was keeps its time, so that it is not built again.
fn copy(tree: &Path, mutated: &BTreeMap<PathBuf, String>) -> Result<(), String> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    let listed = listed.map_err(|error| format!("git: {error}"))?;
    let names = String::from_utf8_lossy(&listed.stdout).into_owned();
    let names: BTreeSet<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    for name in names {
        let from = root().join(name);
        // What was removed is still listed until that is committed.
        if !from.is_file() {
            continue;
        }
        let failed = |error: std::io::Error| format!("{name}: {error}");
        let bytes = match mutated.get(Path::new(name)) {
            Some(text) => text.clone().into_bytes(),
            None => fs::read(&from).map_err(failed)?,
        };
        let to = tree.join(name);
        if fs::read(&to).is_ok_and(|before| before == bytes) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&to, bytes).map_err(failed)?;
    }
    Ok(())
}
