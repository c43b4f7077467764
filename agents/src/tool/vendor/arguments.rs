//! Arguments of the built-in tools: names of things and times, as schemas and as values.

use schemas::time::EventTime;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::summary;
use crate::tool::ToolError;

/// Characters of a name at most: what Kubernetes allows.
const NAME: usize = 253;
/// Of a full name: kind, namespace and name.
const FULL_NAME: usize = 600;
/// A window is at most so long: 31 days.
const WINDOW_MS: i64 = 31 * 86_400_000;

/// Reads arguments into their type.
pub(super) fn read<T: DeserializeOwned>(arguments: &Value) -> Result<T, ToolError> {
    T::deserialize(arguments).map_err(|error| refused(&error.to_string()))
}

/// What is wrong with arguments, as an error.
pub(super) fn refused(what: &str) -> ToolError {
    ToolError::Arguments(summary::line(what, summary::NAME))
}

/// What a question is about. At least one of them is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Entity {
    pub(super) namespace: Option<String>,
    pub(super) service: Option<String>,
    pub(super) pod: Option<String>,
}

impl Entity {
    /// The names that are given, in a fixed order.
    pub(super) fn names(&self) -> [Option<&str>; 3] {
        [self.namespace.as_deref(), self.service.as_deref(), self.pod.as_deref()]
    }

    /// Checks the names, also whether there is one.
    pub(super) fn check(&self) -> Result<(), ToolError> {
        if self.names().iter().all(Option::is_none) {
            return Err(refused("name a namespace, a service or a pod"));
        }
        self.names().into_iter().flatten().try_for_each(check_name)
    }
}

/// Any name that is shorter than the limit and has no control characters.
pub(super) fn check_name(name: &str) -> Result<(), ToolError> {
    if name.is_empty() || NAME < name.chars().count() {
        return Err(refused(&format!("a name has 1 to {NAME} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(refused("a name has no control characters"));
    }
    Ok(())
}

/// A name that becomes a part of a path: letters, digits, `-`, `_` and `.`, and neither `.` nor with `..`.
pub(super) fn check_segment(name: &str, most: usize) -> Result<(), ToolError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fits = !name.is_empty() && name.len() <= most && name.chars().all(plain);
    if fits && name != "." && !name.contains("..") {
        return Ok(());
    }
    Err(refused(&format!(
        "{:?} is not a name of at most {most} letters, digits, - _ .",
        summary::line(name, 60)
    )))
}

/// From one time to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Window {
    pub(super) from: EventTime,
    pub(super) to: EventTime,
}

impl Window {
    /// Checks the order and the length.
    pub(super) fn check(self) -> Result<(), ToolError> {
        match self.length_ms() {
            ..=0 => Err(refused("from is not before to")),
            length if WINDOW_MS < length => Err(refused("from and to are more than 31 days apart")),
            _ => Ok(()),
        }
    }

    /// Milliseconds from one end to the other.
    pub(super) fn length_ms(self) -> i64 {
        self.to.ms_since(self.from)
    }
}

/// The schema of an object with these properties only.
pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

/// The schema of an object with these properties, an entity and a window.
pub(super) fn about(required: &[&str], properties: Value) -> Value {
    let mut all = json!({ "from": time("start of the window"), "to": time("end of the window") });
    if let (Value::Object(all), Value::Object(more)) = (&mut all, properties) {
        all.extend(more);
    }
    of_entity(&[&["from", "to"], required].concat(), all)
}

/// The schema of an object with an entity, and what comes after a time.
pub(super) fn about_after() -> Value {
    of_entity(&["after", "to"], json!({ "after": time("where it begins"), "to": time("end of the window") }))
}

fn of_entity(required: &[&str], mut properties: Value) -> Value {
    properties["namespace"] = name("Kubernetes namespace");
    properties["service"] = name("name of a service");
    properties["pod"] = name("name of a pod");
    object(required, properties)
}

/// The schema of a name.
pub(super) fn name(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": NAME, "description": description })
}

/// The schema of the full name of a thing.
pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": FULL_NAME, "description": description })
}

/// The schema of a time.
pub(super) fn time(description: &str) -> Value {
    let description = format!("{description}, RFC 3339");
    json!({ "type": "string", "format": "date-time", "minLength": 20, "maxLength": 40, "description": description })
}

/// The schema of a text with a pattern.
pub(super) fn pattern(description: &str, pattern: &str, most: usize) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": pattern, "description": description })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, to: &str) -> Result<(), ToolError> {
        read::<Window>(&json!({"from": from, "to": to}))?.check()
    }

    #[test]
    fn windows_are_ordered_and_bounded() {
        assert_eq!(window("2026-03-01T09:00:00Z", "2026-03-01T09:00:01Z"), Ok(()));
        assert!(window("2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z").is_err());
        assert!(window("2026-03-01T09:00:00Z", "2026-04-01T09:00:00.001Z").is_err());
        assert!(window("yesterday", "2026-03-01T09:00:00Z").is_err());
        assert!(window("0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn names_are_bounded_and_at_least_one_is_given() {
        assert!(Entity::default().check().is_err());
        let named = |name: String| Entity { pod: Some(name), ..Entity::default() }.check();
        assert_eq!(named("ä".repeat(253)), Ok(()));
        assert!(named("a".repeat(254)).is_err());
        assert!(named(String::new()).is_err());
        assert!(named("a\nb".to_owned()).is_err());
    }

    #[test]
    fn segments_never_leave_their_place() {
        for good in ["checkout", "a.b-c_d", "v1.2.3", ".github"] {
            assert_eq!(check_segment(good, 20), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a..b", "a/b", "a%2f", "a?b", "a b", "ä", "a\n", &"a".repeat(21)] {
            assert!(check_segment(bad, 20).is_err(), "{bad:?}");
        }
    }
}
