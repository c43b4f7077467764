//! Tables of `kubectl get`, of which only names and ages are taken: that an object exists, and since when.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::times::age_ms;
use crate::time::EventTime;

/// One object for each line, by its first column.
pub(super) fn names(text: &str, kind: &str, namespace: &str, items: &mut Vec<Value>) {
    if !text.trim_start().starts_with("NAME ") {
        return;
    }
    let names = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    items.extend(names.map(|name| json!({"kind": kind, "metadata": {"name": name, "namespace": namespace}})));
}

/// When an object was made, by kind, namespace and name.
pub(super) type Made = BTreeMap<[String; 3], EventTime>;

/// When the objects of a table were made: `describe` does not tell it of claims, quotas, nor of pods without a node. The
/// age stands below its heading, which is not the last of every table.
pub(super) fn made(text: &str, kind: &str, namespace: &str, arrived: EventTime, known: &mut Made) {
    let Some(column) = text.lines().next().and_then(|header| header.find(" AGE")) else { return };
    for line in text.lines().skip(1) {
        let name = line.split_whitespace().next();
        let age = line.get(column + 1..).and_then(|rest| age_ms(rest.split_whitespace().next()?));
        if let (Some(name), Some(age)) = (name, age) {
            let key = [kind, namespace, name].map(str::to_owned);
            known.insert(key, arrived.plus_ms(-age));
        }
    }
}

/// Fills in when objects were made, where their own text does not say: no later than the first Event about them. The
/// commands of a transcript run one after the other, so that of two ages the one that was read later tells an earlier time.
pub(super) fn fill_in(items: &mut [Value], known: &Made) {
    let said = first_said(items);
    for item in items.iter_mut().filter(|item| item["metadata"]["creationTimestamp"].is_null()) {
        let key = key(&item["kind"], &item["metadata"]);
        if let Some(made) = known.get(&key) {
            let made = said.get(&key).map_or(*made, |said| *made.min(said));
            item["metadata"]["creationTimestamp"] = Value::from(made.to_string());
        }
    }
}

/// When the first Event about an object was, by the key of the object.
fn first_said(items: &[Value]) -> Made {
    let mut first = Made::new();
    for event in items.iter().filter(|item| item["kind"] == "Event") {
        let about = &event["involvedObject"];
        let Some(at) = event["firstTimestamp"].as_str().and_then(|text| EventTime::parse(text).ok()) else {
            continue;
        };
        first.entry(key(&about["kind"], about)).and_modify(|known| *known = at.min(*known)).or_insert(at);
    }
    first
}

fn key(kind: &Value, object: &Value) -> [String; 3] {
    [kind, &object["namespace"], &object["name"]].map(|part| part.as_str().unwrap_or_default().to_owned())
}
