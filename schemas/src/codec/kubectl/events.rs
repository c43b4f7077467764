//! Event tables: the `Events:` part of `describe`, and `kubectl get events`.

use serde_json::{Value, json};

use super::times::age_ms;
use crate::ids::hash64;
use crate::time::EventTime;

/// One line of a table.
struct Line<'a> {
    age: &'a str,
    kind: &'a str,
    reason: &'a str,
    reporter: &'a str,
    message: &'a str,
}

/// Whether a text is the output of `kubectl get events`.
pub(super) fn is_table(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let header = first.contains("REASON") && first.contains("OBJECT");
    header
        || columns(first).get(1).is_some_and(|kind| matches!(*kind, "Normal" | "Warning"))
            && age_ms(columns(first)[0]).is_some()
}

/// Events of a `get events` table: age, type, reason, object, message.
pub(super) fn get_events(text: &str, namespace: &str, arrived: EventTime, items: &mut Vec<Value>) {
    let header = text.lines().next().unwrap_or_default();
    let with_namespace = header.starts_with("NAMESPACE");
    for line in text.lines().filter(|line| !line.contains("REASON  ") && !line.trim().is_empty()) {
        let mut cells = columns(line);
        let namespace = if with_namespace && !cells.is_empty() { cells.remove(0) } else { namespace };
        let [age, kind, reason, object, message @ ..] = cells.as_slice() else { continue };
        let Some((object_kind, name)) = object.split_once('/') else { continue };
        let message = message.join("  ");
        let line = Line { age, kind, reason, reporter: "", message: &message };
        items.extend(event(&line, singular(object_kind), namespace, name, arrived));
    }
}

/// Events below a described object.
pub(super) fn of_object(block: &[&str], kind: Option<&str>, arrived: EventTime, items: &mut Vec<Value>) {
    let Some(start) = block.iter().position(|line| line.starts_with("Events:")) else { return };
    let field = |name: &str| {
        let line = block.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default()
    };
    let Some(object_kind) = super::describe::kind_of(block, kind) else { return };
    let mut found: Vec<Value> = Vec::new();
    for line in block.iter().skip(start + 1) {
        let cells = columns(line);
        let [kind, reason, age, reporter, message @ ..] = cells.as_slice() else { continue };
        if !matches!(*kind, "Normal" | "Warning") {
            continue;
        }
        let message = message.join("  ");
        let line = Line { age, kind, reason, reporter, message: &message };
        if let Some(event) = event(&line, object_kind, field("Namespace"), field("Name"), arrived) {
            match found.iter_mut().find(|known| known["metadata"] == event["metadata"]) {
                Some(known) => fold(known, &event),
                None => found.push(event),
            }
        }
    }
    items.extend(found);
}

/// The same said several times is one Event with a count: daemons that start again repeat themselves to the letter.
fn fold(known: &mut Value, again: &Value) {
    let count = |event: &Value| event["count"].as_u64().unwrap_or(1);
    known["count"] = Value::from(count(known).saturating_add(count(again)).min(u64::from(u32::MAX)));
    // Both are RFC 3339 in UTC with the same number of digits, which sorts by time.
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    let first = text(known, "firstTimestamp").min(text(again, "firstTimestamp"));
    let last = text(known, "lastTimestamp").max(text(again, "lastTimestamp"));
    known["firstTimestamp"] = Value::from(first);
    known["lastTimestamp"] = Value::from(last);
}

/// Cells are separated by two blanks or more.
fn columns(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

/// `3m12s (x5 over 10m)`: last seen, count, first seen.
fn event(line: &Line<'_>, kind: &str, namespace: &str, name: &str, arrived: EventTime) -> Option<Value> {
    let (age, folded) = line.age.split_once(" (x").map_or((line.age, None), |(age, rest)| (age, Some(rest)));
    let last = arrived.plus_ms(-age_ms(age)?);
    let (count, first) = match folded.and_then(|rest| rest.trim_end_matches(')').split_once(" over ")) {
        Some((count, over)) => {
            (count.parse::<u32>().unwrap_or(1), arrived.plus_ms(-age_ms(over).unwrap_or(0)))
        }
        None => (1, last),
    };
    // Without a uid, what is said of whom tells Events apart.
    let told = hash64(&[line.reason.as_bytes(), line.message.as_bytes()]);
    Some(json!({
        "kind": "Event",
        "metadata": {"name": format!("{name}.{told:016x}"), "namespace": namespace},
        "involvedObject": {"kind": kind, "namespace": namespace, "name": name},
        "reason": line.reason,
        "message": line.message,
        "type": line.kind,
        "count": count,
        "firstTimestamp": first.min(last).to_string(),
        "lastTimestamp": last.to_string(),
        "reportingComponent": line.reporter,
    }))
}

/// The kind of an object as the table spells it.
fn singular(kind: &str) -> &'static str {
    super::describe::kind_by_name(kind).unwrap_or("Unknown")
}
