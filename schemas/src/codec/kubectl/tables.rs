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

/// Fills in when objects were made, where their own text does not say.
pub(super) fn fill_in(items: &mut [Value], known: &Made) {
    for item in items.iter_mut().filter(|item| item["metadata"]["creationTimestamp"].is_null()) {
        let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &item["metadata"];
        let key = [part(&item["kind"]), part(&metadata["namespace"]), part(&metadata["name"])];
        if let Some(made) = known.get(&key) {
            item["metadata"]["creationTimestamp"] = Value::from(made.to_string());
        }
    }
}
