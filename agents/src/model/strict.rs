//! Reads what a model wrote: one JSON document, exactly as its schema says, or nothing.
//!
//! Refused are text around the document, keys that are there twice, anything the schema does not name, characters that
//! are not seen (controls, directions, zero width, tags), and more bytes than any answer needs.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Bytes of an answer at most.
const TEXT_BYTES: usize = 64 << 10;
/// Characters of a problem that is told.
pub(crate) const PROBLEM_CHARS: usize = 200;

/// Why a text is not used: a sentence, for a repair and for the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(String);

impl Unfit {
    /// Says why.
    pub(crate) fn new(problem: &str) -> Self {
        Unfit(problem.chars().filter(|c| !hidden(*c)).take(PROBLEM_CHARS).collect())
    }
}

/// The document of a text.
///
/// # Errors
/// It is not exactly one document that the schema allows.
pub(crate) fn read(text: &str, schema: &Value) -> Result<Value, Unfit> {
    if TEXT_BYTES < text.len() {
        return Err(Unfit::new("the answer is too long"));
    }
    let Strict(value) = serde_json::from_str(text).map_err(|error| Unfit::new(&error.to_string()))?;
    let schema = jsonschema::validator_for(schema).map_err(|error| Unfit::new(&error.to_string()))?;
    schema.validate(&value).map_err(|error| Unfit::new(&error.to_string()))?;
    Ok(value)
}

/// Characters that a reader does not see or that change the order in which others are seen.
pub(crate) fn hidden(c: char) -> bool {
    let ranges = [
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{115f}'..='\u{1160}',
        '\u{17b4}'..='\u{17b5}',
        '\u{180b}'..='\u{180f}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{3164}'..='\u{3164}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{feff}'..='\u{feff}',
        '\u{fff0}'..='\u{fffb}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    c.is_control() || ranges.iter().any(|range| range.contains(&c))
}

/// A value in which no key is there twice and everything can be seen.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visible).map(Strict)
    }
}

struct Visible;

fn visible<E: Error>(text: String) -> Result<String, E> {
    if text.chars().any(hidden) { Err(E::custom("a character that cannot be seen")) } else { Ok(text) }
}

impl<'de> Visitor<'de> for Visible {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        visible(text.to_owned()).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let Strict(value) = entries.next_value()?;
            if values.insert(visible(key)?, value).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": false, "required": ["a"],
                "properties": { "a": { "type": "string", "maxLength": 5 }, "n": { "type": "array" } } })
    }

    #[test]
    fn one_document_by_the_schema_is_read() {
        assert_eq!(
            read(" {\"a\": \"x\", \"n\": [1, -1, 0.5, null, true]}\n", &schema()).unwrap()["n"][1],
            -1
        );
    }

    #[test]
    fn anything_else_is_refused() {
        let deep = format!("{{\"a\":\"x\",\"n\":{}{}}}", "[".repeat(500), "]".repeat(500));
        let long = format!("{{\"a\":\"x\"{}}}", " ".repeat(10 << 20));
        for text in [
            "",
            "no",
            "{\"a\": \"x\"} and more",
            "```json\n{\"a\": \"x\"}\n```",
            "{\"a\": \"x\", \"a\": \"y\"}",
            "{\"a\": \"x\", \"n\": [{\"b\": 1, \"b\": 1}]}",
            "{\"a\": \"x\", \"extra\": 1}",
            "{\"A\": \"x\"}",
            "{\"a\": \"x",
            "{\"a\": \"xxxxxx\"}",
            "{\"a\": \"x\\u0007\"}",
            "{\"a\": \"x\\u202e\"}",
            "{\"a\": \"x\u{e0041}\"}",
            "[\"a\"]",
            &deep,
            &long,
        ] {
            assert!(read(text, &schema()).is_err(), "{}", text.chars().take(60).collect::<String>());
        }
    }
}
