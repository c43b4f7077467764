//! Reading JSON of unknown shape: what is absent or of another type is empty.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ITEMS_MAX;
use crate::time::EventTime;

fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, field| &value[*field])
}

/// A text, or "".
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    at(value, path).as_str().unwrap_or_default()
}

/// A whole number, or 0.
pub(crate) fn int(value: &Value, path: &[&str]) -> i64 {
    at(value, path).as_i64().unwrap_or(0)
}

/// An RFC 3339 time, or none.
pub(crate) fn time(value: &Value, path: &[&str]) -> Option<EventTime> {
    EventTime::parse(text(value, path)).ok()
}

/// The items of a list, at most [`ITEMS_MAX`].
pub(crate) fn items<'a>(value: &'a Value, path: &[&str]) -> impl Iterator<Item = &'a Value> + use<'a> {
    list(at(value, path)).iter().take(ITEMS_MAX)
}

/// A list, or none.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A list of texts.
pub(crate) fn strings(value: &Value, path: &[&str]) -> Vec<String> {
    items(value, path).filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A map of texts and numbers, as text.
pub(crate) fn entries(value: &Value, path: &[&str]) -> BTreeMap<String, String> {
    let Some(map) = at(value, path).as_object() else { return BTreeMap::new() };
    let entry = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Some((name.clone(), text.clone())),
        Value::Number(number) => Some((name.clone(), number.to_string())),
        Value::Bool(flag) => Some((name.clone(), flag.to_string())),
        _ => None,
    };
    map.iter().take(ITEMS_MAX).filter_map(entry).collect()
}
