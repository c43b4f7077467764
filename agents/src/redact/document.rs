//! Secrets in a document: in its strings and keys, by the names of fields, by a sibling that names them, and cut in
//! pieces over siblings.

use serde_json::{Map, Value};

use super::key::{self, Says};
use super::rules;

/// Levels that are looked at; what lies deeper is left out.
const LEVELS: usize = 128;
/// Keys whose value is the name of a sibling.
const NAMING: [&str; 6] = ["name", "key", "header", "field", "variable", "parameter"];
/// Keys of such siblings.
const NAMED: [&str; 3] = ["value", "val", "default"];
/// Bytes of neighbors that are read together.
const PIECE_BYTES: usize = 512;

/// The document without secrets.
pub(super) fn redacted(document: &Value) -> Value {
    at_level(document, LEVELS)
}

fn at_level(value: &Value, levels: usize) -> Value {
    let Some(levels) = levels.checked_sub(1) else { return hidden("depth") };
    match value {
        Value::String(text) => Value::String(super::text(text)),
        Value::Number(number) if rules::is_card(&number.to_string()) => hidden("card"),
        Value::Array(items) => array(items, levels),
        Value::Object(fields) => object(fields, levels),
        other => other.clone(),
    }
}

fn hidden(kind: &str) -> Value {
    Value::String(format!("[redacted:{kind}]"))
}

fn array(items: &[Value], levels: usize) -> Value {
    let pieces = in_pieces(items.iter());
    let mut redacted = Vec::with_capacity(items.len());
    let mut announced = false;
    for (item, piece) in items.iter().zip(pieces) {
        // Arguments of a command: a name, then its value.
        let secret = announced && item.as_str().is_some_and(|text| !key::hides_nothing(text));
        redacted.push(if secret || piece { hidden("argument") } else { at_level(item, levels) });
        let flag = item.as_str().and_then(|text| text.strip_prefix("--"));
        announced = flag.is_some_and(|name| !name.contains('=') && key::says(name).is_some());
    }
    Value::Array(redacted)
}

fn object(fields: &Map<String, Value>, levels: usize) -> Value {
    let pieces = in_pieces(fields.values());
    let lower = |name: &str| name.to_ascii_lowercase();
    let naming = fields.iter().find(|(name, _)| NAMING.contains(&lower(name).as_str()));
    let named = naming.and_then(|(_, value)| value.as_str()).and_then(key::says);
    let mut redacted = Map::new();
    for ((name, value), piece) in fields.iter().zip(pieces) {
        let says = key::says(name).or_else(|| named.filter(|_| NAMED.contains(&lower(name).as_str())));
        let secret = says.is_some_and(|says| is_secret(name, says, value));
        let value = if secret || piece { hidden("field") } else { at_level(value, levels) };
        let name = super::text(name);
        let mut free = name.clone();
        for number in 2.. {
            if !redacted.contains_key(&free) {
                break;
            }
            free = format!("{name} {number}");
        }
        redacted.insert(free, value);
    }
    Value::Object(redacted)
}

fn is_secret(name: &str, says: Says, value: &Value) -> bool {
    match value {
        Value::String(text) if key::hides_nothing(text) => false,
        Value::String(text) => match says {
            Says::Surely => true,
            Says::Perhaps => {
                6 <= text.len() && (!name.eq_ignore_ascii_case("auth") || key::looks_secret(text))
            }
        },
        Value::Number(number) => says == Says::Surely || 6 <= number.to_string().len(),
        // A list or an object under such a name is looked at by itself: a Secret of Kubernetes has one called `secret`.
        _ => false,
    }
}

/// Which neighbors hold a piece of a secret of known form that only all of them together show.
fn in_pieces<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<bool> {
    let texts: Vec<Option<&str>> =
        values.map(|value| value.as_str().filter(|text| text.len() <= PIECE_BYTES)).collect();
    let mut joined = String::new();
    let mut ends = Vec::with_capacity(texts.len());
    for text in &texts {
        // What is no short string separates.
        joined.push_str(text.unwrap_or("\n"));
        ends.push(joined.len());
    }
    let mut spans = Vec::new();
    rules::find(&joined, &mut spans);
    spans.retain(|span| !matches!(span.kind, "email" | "card" | "url_password" | "basic" | "bearer"));
    let mut pieces = vec![false; texts.len()];
    for span in spans {
        let first = ends.partition_point(|end| *end <= span.start);
        let last = ends.partition_point(|end| *end < span.end);
        if first < last {
            pieces.iter_mut().take(last + 1).skip(first).for_each(|piece| *piece = true);
        }
    }
    pieces
}
