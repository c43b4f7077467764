//! Arguments: what a tool takes, compiled once, and whether a document is that.
//!
//! Schemas may come from servers outside. So: nothing is fetched, patterns run in linear time, a reference stays within
//! its document and never leads back to itself.

use std::collections::BTreeSet;
use std::io;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Bytes of the arguments of one call.
pub(crate) const ARGUMENTS_BYTES: usize = 16 << 10;
/// Bytes of one schema.
const SCHEMA_BYTES: usize = 64 << 10;
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
        let mut references = Vec::new();
        collect(schema, &mut references)?;
        for reference in references {
            follow(schema, reference, &mut Vec::new())?;
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

/// References of a schema.
fn collect<'a>(schema: &'a Value, into: &mut Vec<&'a str>) -> Result<(), String> {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match (key.as_str(), value) {
                    ("$ref", Value::String(target)) if target.starts_with("#/") => into.push(target),
                    (
                        "$ref" | "$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" | "$dynamicAnchor",
                        Value::String(_),
                    ) => {
                        return Err(format!("a schema with {key}, other than a reference to #/…"));
                    }
                    _ => collect(value, into)?,
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, into)),
        _ => Ok(()),
    }
}

/// Follows a reference and those below it, down to where there are none.
fn follow<'a>(schema: &'a Value, reference: &'a str, above: &mut Vec<&'a str>) -> Result<(), String> {
    if above.contains(&reference) || above.len() > 16 {
        return Err("a schema whose references lead back to themselves, or too deep".to_owned());
    }
    let target = schema.pointer(&reference[1..]).ok_or("a schema with a reference to nothing")?;
    let mut below = Vec::new();
    collect(target, &mut below)?;
    above.push(reference);
    for next in below.into_iter().collect::<BTreeSet<_>>() {
        follow(schema, next, above)?;
    }
    above.pop();
    Ok(())
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
        let deep = (0..40).fold(json!({}), |inner, n| json!({"$defs": {n.to_string(): inner}}));
        for bad in [
            json!(true),
            json!({"type": "string"}),
            json!({"type": "object", "$ref": "#"}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}}),
            json!({"type": "object", "$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1/schema"}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
            json!({"type": "object", "$schema": "http://127.0.0.1/schema"}),
            json!({"type": "object", "properties": {"a": {"pattern": "(a)\\1"}}}),
            json!({"type": "object", "properties": 7}),
            json!({"type": "object", "description": "x".repeat(SCHEMA_BYTES)}),
        ] {
            assert!(Arguments::compile(&bad).is_err(), "{bad}");
        }
        assert!(!fits(&deep, 10) && fits(&json!({}), 2) && !fits(&json!({}), 1));
    }

    #[test]
    fn a_pattern_cannot_take_forever() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}});
        let arguments = Arguments::compile(&schema).unwrap();
        assert!(arguments.check(&json!({"a": format!("{}!", "a".repeat(10_000))})).is_err());
    }
}
