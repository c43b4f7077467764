//! PromQL from a template: names of things become label values, whatever they contain.
//!
//! A template is a query with `{namespace}`, `{service}`, `{pod}`, `{pods}` inside double-quoted strings and `{interval}`
//! outside of them. After `=~` or `!~` a name is escaped as a regular expression too, and a name that was not given
//! matches everything; elsewhere it has to be given. `{pods}` is the pod, or else whatever pod is named after the service.

use super::arguments::{Entity, refused};
use crate::tool::ToolError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Namespace,
    Service,
    Pod,
    Pods,
}

const FIELDS: [(&str, Field); 4] = [
    ("{namespace}", Field::Namespace),
    ("{service}", Field::Service),
    ("{pod}", Field::Pod),
    ("{pods}", Field::Pods),
];
const INTERVAL: &str = "{interval}";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value { field: Field, regex: bool },
    Interval,
}

/// A query with places for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

impl Template {
    /// Reads a template; what is wrong with it is told to the author of the configuration.
    pub(super) fn parse(template: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        // Inside a string: its quote, and whether it is a regular expression.
        let mut string: Option<(char, bool)> = None;
        let mut rest = template;
        while let Some(character) = rest.chars().next() {
            if let Some((part, length)) = placeholder(rest, string)? {
                parts.push(Part::Text(std::mem::take(&mut text)));
                parts.push(part);
                rest = &rest[length..];
                continue;
            }
            let mut length = character.len_utf8();
            match (string, character) {
                (None, '"' | '\'' | '`') => {
                    let before = text.trim_end();
                    string = Some((character, before.ends_with("=~") || before.ends_with("!~")));
                }
                (None, '#') => return Err("a query has no comments".to_owned()),
                (Some((quote, _)), _) if quote == character => string = None,
                (Some((quote, _)), '\\') if quote != '`' => {
                    length += rest[length..].chars().next().map_or(0, char::len_utf8);
                }
                _ => {}
            }
            text.push_str(&rest[..length]);
            rest = &rest[length..];
        }
        if string.is_some() {
            return Err("a string of the query does not end".to_owned());
        }
        parts.push(Part::Text(text));
        Ok(Template(parts))
    }

    /// The query for an entity, its rates over so many seconds.
    pub(super) fn fill(&self, entity: &Entity, interval_seconds: i64) -> Result<String, ToolError> {
        if !self.0.iter().any(|part| matches!(part, Part::Value { field, .. } if given(entity, *field))) {
            return Err(refused("this measure is not known by what was named; name its service or its pod"));
        }
        self.write(entity, interval_seconds)
    }

    /// The query for an entity, also if that says nothing.
    pub(super) fn write(&self, entity: &Entity, interval_seconds: i64) -> Result<String, ToolError> {
        let mut query = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => query.push_str(text),
                Part::Interval => query.push_str(&format!("{interval_seconds}s")),
                Part::Value { field, regex } => query.push_str(&value(entity, *field, *regex)?),
            }
        }
        Ok(query)
    }
}

/// The placeholder that a text starts with, and its length.
fn placeholder(text: &str, string: Option<(char, bool)>) -> Result<Option<(Part, usize)>, String> {
    if text.starts_with(INTERVAL) {
        return match string {
            None => Ok(Some((Part::Interval, INTERVAL.len()))),
            Some(_) => Err(format!("{INTERVAL} belongs outside of strings")),
        };
    }
    let Some((name, field)) = FIELDS.iter().find(|(name, _)| text.starts_with(name)) else { return Ok(None) };
    match string {
        Some(('"', regex)) if regex || *field != Field::Pods => {
            Ok(Some((Part::Value { field: *field, regex }, name.len())))
        }
        Some(('"', _)) => Err(format!("{name} belongs after =~ or !~")),
        _ => Err(format!("{name} belongs between double quotes")),
    }
}

fn given(entity: &Entity, field: Field) -> bool {
    match field {
        Field::Namespace => entity.namespace.is_some(),
        Field::Service => entity.service.is_some(),
        Field::Pod => entity.pod.is_some(),
        Field::Pods => entity.pod.is_some() || entity.service.is_some(),
    }
}

/// What a placeholder becomes between double quotes.
fn value(entity: &Entity, field: Field, regex: bool) -> Result<String, ToolError> {
    let name = match field {
        Field::Namespace => &entity.namespace,
        Field::Service => &entity.service,
        Field::Pod | Field::Pods => &entity.pod,
    };
    let expression = match (name, &entity.service) {
        (Some(name), _) if regex => regex::escape(name),
        (Some(name), _) => name.clone(),
        (None, Some(service)) if field == Field::Pods => format!("{}(-.*)?", regex::escape(service)),
        (None, _) if regex => ".*".to_owned(),
        (None, _) => {
            return Err(refused(&format!("this measure needs a {}", format!("{field:?}").to_lowercase())));
        }
    };
    Ok(escape(&expression))
}

/// A text as the inside of a double-quoted string.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> Entity {
        Entity { service: Some(name.to_owned()), ..Entity::default() }
    }

    fn filled(template: &str, entity: &Entity) -> String {
        Template::parse(template).unwrap().fill(entity, 300).unwrap()
    }

    #[test]
    fn names_become_label_values() {
        let query = r#"rate(x{service="{service}",namespace=~"{namespace}"}[{interval}])"#;
        let expected = r#"rate(x{service="checkout",namespace=~".*"}[300s])"#;
        assert_eq!(filled(query, &service("checkout")), expected);
    }

    #[test]
    fn no_name_leaves_its_quotes() {
        let hostile = r#"a"} or vector(1) # \ {pod} '`"#;
        let expected = r#"x{s="a\"} or vector(1) # \\ {pod} '`"}"#;
        assert_eq!(filled(r#"x{s="{service}"}"#, &service(hostile)), expected);
        assert_eq!(filled(r#"x{s=~"{service}"}"#, &service(".*|a\\")), r#"x{s=~"\\.\\*\\|a\\\\"}"#);
    }

    #[test]
    fn pods_are_named_after_their_service() {
        let query = r#"x{pod=~"{pods}"}"#;
        assert_eq!(filled(query, &service("a.b")), r#"x{pod=~"a\\.b(-.*)?"}"#);
        let pod = Entity { pod: Some("a-1".to_owned()), ..service("a") };
        assert_eq!(filled(query, &pod), r#"x{pod=~"a\\-1"}"#);
    }

    #[test]
    fn a_query_about_nothing_that_was_named_is_refused() {
        let namespace = Entity { namespace: Some("shop".to_owned()), ..Entity::default() };
        let template = Template::parse(r#"x{pod=~"{pods}"}"#).unwrap();
        assert!(template.fill(&namespace, 300).is_err());
        let template = Template::parse(r#"x{namespace=~"{namespace}",pod="{pod}"}"#).unwrap();
        let error = template.fill(&namespace, 300).unwrap_err();
        assert_eq!(error, ToolError::Arguments("this measure needs a pod".to_owned()));
    }

    #[test]
    fn places_outside_of_double_quotes_are_refused() {
        for bad in [
            "x{service}",
            "x{a='{service}'}",
            "x{a=`{service}`}",
            r#"x{a="{pods}"}"#,
            r#"x{a="{interval}"}"#,
            r#"x{a="b\"{service}}"#,
            r#"x # "{service}""#,
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn any_template_and_name_end_in_a_query_or_an_error() {
        for template in ["", "{", "\"", "\\", "ä{é}\"ß\"", r#""\"#, "{{service}}", r#"=~ "{service}\\""#] {
            if let Ok(template) = Template::parse(template) {
                let _ = template.write(&service("ä\"\\"), 1);
            }
        }
    }
}
