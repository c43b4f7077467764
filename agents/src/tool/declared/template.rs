//! A text with places for arguments: `{name}`. A brace that is meant is written twice.

use serde_json::{Map, Value};

/// One text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Fixed(String),
    Argument(String),
}

impl Template {
    /// Reads a template.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut fixed = String::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.next_if_eq(&c).is_some() => fixed.push(c),
                '{' => {
                    let name: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
                    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
                    if rest.next().is_none() || name.is_empty() || !name.chars().all(plain) {
                        return Err(format!("{text:?}: {{name}} of letters, digits, '_', '-', '.'"));
                    }
                    pieces.push(Piece::Fixed(std::mem::take(&mut fixed)));
                    pieces.push(Piece::Argument(name));
                }
                '}' => return Err(format!("{text:?}: a brace that was not opened")),
                c => fixed.push(c),
            }
        }
        pieces.push(Piece::Fixed(fixed));
        pieces.retain(|piece| !matches!(piece, Piece::Fixed(text) if text.is_empty()));
        Ok(Template(pieces))
    }

    /// Arguments that it has places for.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Argument(name) => Some(name.as_str()),
            Piece::Fixed(_) => None,
        })
    }

    /// Whether it has no place.
    pub(super) fn is_fixed(&self) -> bool {
        self.names().next().is_none()
    }

    /// The text, or nothing if an argument is absent.
    pub(super) fn fill(&self, arguments: &Map<String, Value>) -> Result<Option<String>, String> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Fixed(fixed) => text.push_str(fixed),
                Piece::Argument(name) => match arguments.get(name) {
                    None | Some(Value::Null) => return Ok(None),
                    Some(Value::String(value)) if value.chars().any(char::is_control) => {
                        return Err(format!("{name}: control characters"));
                    }
                    Some(Value::String(value)) => text.push_str(value),
                    Some(value @ (Value::Bool(_) | Value::Number(_))) => text.push_str(&value.to_string()),
                    Some(Value::Array(_) | Value::Object(_)) => return Err(format!("{name}: not one value")),
                },
            }
        }
        Ok(Some(text))
    }
}

/// Adds the arguments that the texts of a document have places for.
pub(super) fn names_in(document: &Value, into: &mut Vec<String>) -> Result<(), String> {
    match document {
        Value::String(text) => {
            into.extend(Template::parse(text)?.names().map(str::to_owned));
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| names_in(item, into)),
        Value::Object(members) => members.values().try_for_each(|member| names_in(member, into)),
        _ => Ok(()),
    }
}

/// The document with its texts filled. A text that is one place becomes the argument itself, of whatever type; what
/// needs an argument that is absent is left out.
pub(super) fn fill_in(document: &Value, arguments: &Map<String, Value>) -> Result<Option<Value>, String> {
    Ok(match document {
        Value::String(text) => {
            let template = Template::parse(text)?;
            match template.0.as_slice() {
                [Piece::Argument(name)] => arguments.get(name).cloned(),
                _ => template.fill(arguments)?.map(Value::String),
            }
        }
        Value::Array(items) => {
            let items = items.iter().filter_map(|item| fill_in(item, arguments).transpose());
            Some(Value::Array(items.collect::<Result<_, _>>()?))
        }
        Value::Object(members) => {
            let filled = members.iter().filter_map(|(key, value)| {
                fill_in(value, arguments).map(|value| value.map(|value| (key.clone(), value))).transpose()
            });
            Some(Value::Object(filled.collect::<Result<_, String>>()?))
        }
        other => Some(other.clone()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn templates_are_filled_once() {
        let arguments = json!({"a": "x", "n": 7, "b": true, "t": "{a}", "l": [1], "c": "x\ny", "z": null});
        let arguments = arguments.as_object().unwrap();
        for (text, expected) in [
            ("", Ok(Some(""))),
            ("plain", Ok(Some("plain"))),
            ("{a}-{n}-{b}", Ok(Some("x-7-true"))),
            ("{t}", Ok(Some("{a}"))),
            ("{{a}}{a}", Ok(Some("{a}x"))),
            ("{none}", Ok(None)),
            ("{z}", Ok(None)),
            ("{l}", Err("l: not one value")),
            ("{c}", Err("c: control characters")),
        ] {
            let filled = Template::parse(text).unwrap().fill(arguments);
            assert_eq!(filled, expected.map(|text| text.map(str::to_owned)).map_err(str::to_owned), "{text}");
        }
        for bad in ["{", "}", "{}", "{a", "a}", "{a b}", "{a{b}}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn documents_keep_the_types_of_arguments() {
        let document =
            json!({"q": "svc={a}", "limit": "{n}", "list": ["{l}", "{none}"], "none": "{none}", "k": 1});
        let arguments = json!({"a": "x\"y", "n": 7, "l": [1]});
        let filled = fill_in(&document, arguments.as_object().unwrap()).unwrap();
        assert_eq!(filled, Some(json!({"q": "svc=x\"y", "limit": 7, "list": [[1]], "k": 1})));
    }
}
