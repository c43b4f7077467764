//! `calibrate LABELS PREDICTIONS...`: fits the confidence table on predictions whose truth is known.
//!
//! Prints the table as YAML for `schemas/data/confidence.yaml`, and to standard error what it does on answers that it was
//! not fitted on. The one program here that opens labels; no prediction is made by it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bench::calibration::{Judged, Table, cross_validated, fit};
use schemas::catalogue::Catalogue;
use serde_json::Value;

const USAGE: &str = "usage: calibrate LABELS_FOLDER PREDICTIONS...";
const FOLDS: u64 = 10;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let Some(labels) = arguments.next() else { bail!(USAGE) };
    let truths = truths(&labels)?;
    let mut judged = Vec::new();
    for file in arguments {
        for line in lines(&file)? {
            judged.extend(judge(&line, &truths));
        }
    }
    if judged.is_empty() {
        bail!("no prediction has a label; {USAGE}");
    }
    let of = |table: &Table, one: &Judged| confidence(table, one);
    let unseen = cross_validated(&judged, FOLDS, of);
    eprintln!(
        "n {}, {FOLDS} folds by truth: ECE {:.3}, precision {:.3} over {} answers of confidence >= 0.85",
        judged.len(),
        unseen.ece,
        unseen.precise.0,
        unseen.precise.1
    );
    let mut out = std::io::stdout().lock();
    for (class, points) in fit(&judged) {
        let points: Vec<String> =
            points.iter().map(|(evidence, value)| format!("[{evidence}, {value}]")).collect();
        writeln!(out, "{class}: [{}]", points.join(", "))?;
    }
    Ok(())
}

/// The product's own reading of a table.
fn confidence(table: &Table, one: &Judged) -> u32 {
    let classes = table.clone();
    let table = schemas::confidence::Confidence::of_points(String::new(), classes);
    one.class.parse().map_or(0, |class| table.of(class, one.evidence))
}

struct Truth {
    group: String,
    healthy: bool,
    level: String,
    strip_version: bool,
    targets: Vec<String>,
}

fn truths(folder: &Path) -> Result<BTreeMap<(String, String), Truth>> {
    let mut truths = BTreeMap::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let file = entry?.path().join("labels.jsonl");
        if !file.is_file() {
            continue;
        }
        for line in lines(&file)? {
            let targets = line["targets"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let targets: Vec<String> = targets.map(str::to_lowercase).collect();
            let truth = Truth {
                group: format!(
                    "{} {} {}",
                    text(&line, "dataset"),
                    targets.join(","),
                    text(&line, "root_cause")
                ),
                healthy: line["healthy"].as_bool().unwrap_or(false),
                level: text(&line, "level").to_owned(),
                strip_version: line["strip_version"].as_bool().unwrap_or(false),
                targets,
            };
            truths.insert((text(&line, "dataset").to_owned(), text(&line, "case").to_owned()), truth);
        }
    }
    Ok(truths)
}

fn lines(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("parse {}", file.display())))
        .collect()
}

fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or("")
}

/// The first answer of a case with a fault; a case without an answer has no confidence to be wrong about.
fn judge(line: &Value, truths: &BTreeMap<(String, String), Truth>) -> Option<Judged> {
    let truth = truths.get(&(text(line, "dataset").to_owned(), text(line, "case").to_owned()))?;
    let first = line["ranking"].get(0)?;
    let kind = Catalogue::built_in().kind(text(first, "kind"))?;
    let named = match truth.level.as_str() {
        "root_cause" => text(first, "root_cause"),
        _ => ["object", "service", "pod", "node"]
            .iter()
            .map(|key| text(first, key))
            .find(|name| !name.is_empty())?,
    };
    let mut named = named.to_lowercase();
    if truth.strip_version {
        named = named.split("-v").next().unwrap_or(&named).to_owned();
    }
    let right = !truth.healthy && truth.targets.contains(&named);
    let evidence = first["evidence"].as_f64()?;
    Some(Judged {
        group: truth.group.clone(),
        class: kind.spec().class.to_string(),
        evidence: (evidence * 1_000.0).round() as u32,
        right,
    })
}
