//! Arguments: what a tool takes, compiled once, and whether a document is that.
//!
//! Schemas may come from servers outside. So: nothing is fetched, patterns run in linear time, a reference stays within
//! its document and never leads back to itself.

use std::collections::BTreeMap;
use std::io;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Bytes of the arguments of one call.
pub(crate) const ARGUMENTS_BYTES: usize = 16 << 10;
/// Bytes of one schema.
const SCHEMA_BYTES: usize = 64 << 10;
/// Values in one schema, with what is behind a reference counted as often as it is referred to.
const SCHEMA_VALUES: usize = 20_000;
/// References behind one another.
const DEEP: usize = 16;
/// Keys whose texts name schemas elsewhere.
const REFUSED: [&str; 6] = ["$ref", "$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor"];
/// Characters that are told of a mismatch.
const TOLD: usize = 300;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Arguments(Validator);

impl Arguments {
    /// Compiles the schema of a tool.
    ///
    /// # Errors
    /// Why it cannot be one, as a sentence.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        if !fits(schema, SCHEMA_BYTES) {
            return Err(format!("a schema of more than {SCHEMA_BYTES} bytes"));
        }
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err("a schema whose type is not object".to_owned());
        }
        let (size, _) = References::default().cost(schema, schema)?;
        if size > SCHEMA_VALUES {
            return Err(format!("a schema of more than {SCHEMA_VALUES} values, references followed"));
        }
        let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex());
        options.offline().build(schema).map(Arguments).map_err(|error| told(&error.to_string()))
    }

    /// Checks arguments.
    ///
    /// # Errors
    /// What does not fit and where, as a sentence.
    pub(crate) fn check(&self, arguments: &Value) -> Result<(), String> {
        if !fits(arguments, ARGUMENTS_BYTES) {
            return Err(format!("more than {ARGUMENTS_BYTES} bytes"));
        }
        self.0.validate(arguments).map_err(|error| {
            let at = error.instance_path().to_string();
            told(&if at.is_empty() { error.to_string() } else { format!("{at}: {error}") })
        })
    }
}

/// What following references costs, by reference. A document is checked against all of it, in the worst case.
#[derive(Default)]
struct References<'a> {
    /// Values, with those behind references counted each time they are referred to; and how deep they lie.
    costs: BTreeMap<&'a str, (usize, usize)>,
    above: Vec<&'a str>,
}

impl<'a> References<'a> {
    /// The cost of a part of a schema.
    fn cost(&mut self, whole: &'a Value, part: &'a Value) -> Result<(usize, usize), String> {
        let (mut size, mut depth) = (1_usize, 0);
        let mut add = |(more, deep): (usize, usize)| {
            size = size.saturating_add(more);
            depth = depth.max(deep);
        };
        match part {
            Value::Object(members) => {
                for (key, value) in members {
                    add(match (key.as_str(), value) {
                        ("$ref", Value::String(target)) if target.starts_with("#/") => {
                            self.follow(whole, target)?
                        }
                        (key, Value::String(_)) if REFUSED.contains(&key) => {
                            return Err(format!("a schema with {key}, other than a reference to #/…"));
                        }
                        _ => self.cost(whole, value)?,
                    });
                }
            }
            Value::Array(items) => {
                for item in items {
                    add(self.cost(whole, item)?);
                }
            }
            _ => {}
        }
        Ok((size, depth))
    }

    fn follow(&mut self, whole: &'a Value, target: &'a str) -> Result<(usize, usize), String> {
        if let Some(known) = self.costs.get(target) {
            return Ok(*known);
        }
        if self.above.contains(&target) || self.above.len() >= DEEP {
            return Err("a schema whose references lead back to themselves, or too deep".to_owned());
        }
        let part = whole.pointer(&target[1..]).ok_or("a schema with a reference to nothing")?;
        self.above.push(target);
        let (size, depth) = self.cost(whole, part)?;
        self.above.pop();
        if depth >= DEEP {
            return Err("a schema whose references lead too deep".to_owned());
        }
        self.costs.insert(target, (size, depth + 1));
        Ok((size, depth + 1))
    }
}

/// Whether a document takes no more than so many bytes, without writing it anywhere.
pub(crate) fn fits(document: &Value, bytes: usize) -> bool {
    struct Room(usize);
    impl io::Write for Room {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Room(bytes), document).is_ok()
}

/// The beginning of a text, on one line.
pub(crate) fn told(text: &str) -> String {
    text.chars().take(TOLD).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_what_the_schema_says() {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["service"],
            "properties": {
                "service": {"type": "string", "maxLength": 20, "pattern": "^[a-z]+$"},
                "limit": {"$ref": "#/$defs/limit"},
            },
            "$defs": {"limit": {"type": "integer", "minimum": 1, "maximum": 100}},
        });
        let arguments = Arguments::compile(&schema).unwrap();
        for good in [json!({"service": "cart"}), json!({"service": "cart", "limit": 100})] {
            assert_eq!(arguments.check(&good), Ok(()));
        }
        for bad in [
            json!({}),
            json!([]),
            json!(null),
            json!("service"),
            json!({"service": 1}),
            json!({"service": "Cart"}),
            json!({"service": "a".repeat(21)}),
            json!({"service": "cart", "limit": 0}),
            json!({"service": "cart", "limit": 1.5}),
            json!({"service": "cart", "tenant": "other"}),
            json!({"service": "a".repeat(ARGUMENTS_BYTES)}),
        ] {
            let told = arguments.check(&bad).expect_err(&bad.to_string());
            assert!(told.chars().count() <= TOLD, "{told}");
        }
    }

    #[test]
    fn schemas_that_could_harm_are_refused() {
        // Each level refers ten times to the next: small to write, 10^12 to check.
        let levels = (0..12).map(|n| {
            let next = format!("#/$defs/{}", n + 1);
            (n.to_string(), json!({"allOf": vec![json!({"$ref": next}); 10]}))
        });
        let mut bomb: serde_json::Map<String, Value> = levels.collect();
        bomb.insert("12".to_owned(), json!({}));
        let bomb = json!({"type": "object", "$ref": "#/$defs/0", "$defs": bomb});
        let chain =
            (0..40).map(|n| (format!("{:02}", 99 - n), json!({"$ref": format!("#/$defs/{:02}", 98 - n)})));
        let mut chain: serde_json::Map<String, Value> = chain.collect();
        chain.insert("59".to_owned(), json!({}));
        let chain = json!({"type": "object", "$defs": chain});
        for bad in [
            bomb,
            chain,
            json!(true),
            json!({"type": "string"}),
            json!({"type": "object", "$ref": "#"}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}),
            json!({"type": "object", "$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/schema"}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
            json!({"type": "object", "properties": {"a": {"pattern": "(a)\\1"}}}),
            json!({"type": "object", "properties": 7}),
            json!({"type": "object", "description": "x".repeat(SCHEMA_BYTES)}),
        ] {
            assert!(Arguments::compile(&bad).is_err(), "{bad}");
        }
        assert!(fits(&json!({}), 2) && !fits(&json!({}), 1));
    }

    #[test]
    fn a_pattern_cannot_take_forever() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}});
        let arguments = Arguments::compile(&schema).unwrap();
        assert!(arguments.check(&json!({"a": format!("{}!", "a".repeat(10_000))})).is_err());
    }
}
