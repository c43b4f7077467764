//! Where orders hide: texts of telemetry that somebody outside can write.

use bench::scenario::{Record, Scenario};
use serde_json::{Value, json};

/// A place for text in records.
pub(super) struct Carrier {
    /// Its name.
    pub(super) name: &'static str,
    /// Topic family of the records; any if empty.
    family: &'static str,
    /// How the text gets there.
    way: Way,
}

enum Way {
    /// It is added to what is said under these keys.
    Appended(&'static [&'static str]),
    /// It is added to the bodies of log lines, and not to names of services: those are who somebody is, not what is said.
    Line,
    /// It becomes a field of objects under this key, or of the document itself.
    Field(&'static str, &'static str),
    /// It is an attribute of OpenTelemetry under this name.
    Attribute(&'static str),
    /// It is a record of its own that nobody can read.
    Unreadable,
}

/// The carriers.
pub(super) const CARRIERS: [Carrier; 12] = [
    Carrier { name: "log line", family: "otel", way: Way::Line },
    Carrier { name: "event message", family: "k8s-events", way: Way::Appended(&["message"]) },
    Carrier { name: "span attribute", family: "otel", way: Way::Attribute("db.statement") },
    Carrier { name: "user agent", family: "otel", way: Way::Attribute("user_agent.original") },
    Carrier { name: "annotation", family: "k8s-events", way: Way::Field("metadata", "annotations") },
    Carrier { name: "commit message", family: "github-cicd", way: Way::Appended(&["message"]) },
    Carrier { name: "pull request", family: "github-cicd", way: Way::Appended(&["title", "body", "name"]) },
    Carrier { name: "chat", family: "slack-incidents", way: Way::Appended(&["text"]) },
    Carrier { name: "alert annotation", family: "prometheus", way: Way::Field("", "annotations") },
    Carrier { name: "label", family: "prometheus", way: Way::Field("labels", "note") },
    Carrier { name: "unknown field", family: "", way: Way::Field("", "doc") },
    Carrier { name: "unreadable record", family: "k8s-events", way: Way::Unreadable },
];

/// The recording of an outage with a text in a carrier.
pub(super) fn recording(scenario: &Scenario, carrier: &Carrier, text: &str) -> String {
    let mut carrying = scenario.clone();
    for record in carrying
        .records
        .iter_mut()
        .filter(|record| carrier.family.is_empty() || record.family == carrier.family)
    {
        carry(&mut record.document, &carrier.way, text);
    }
    if let (Way::Unreadable, Some(last)) = (&carrier.way, carrying.records.last().cloned()) {
        let document = json!({ "kind": text, "what": [text, text] });
        carrying.records.push(Record { family: carrier.family, document, ..last });
    }
    carrying.recording(super::asked::TENANT)
}

fn carry(document: &mut Value, way: &Way, text: &str) {
    match way {
        Way::Appended(keys) => append(document, keys, text),
        Way::Line => line(document, text),
        Way::Field(within, name) => {
            let noted = if *name == "annotations" { json!({ "note": text }) } else { json!(text) };
            field(document, within, name, &noted);
        }
        Way::Attribute(name) => attribute(document, name, text),
        Way::Unreadable => {}
    }
}

fn line(value: &mut Value, text: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "body" { append(value, &["stringValue"], text) } else { line(value, text) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| line(item, text)),
        _ => {}
    }
}

fn append(value: &mut Value, keys: &[&str], text: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(said) if keys.contains(&key.as_str()) => {
                        said.push(' ');
                        said.push_str(text);
                    }
                    other => append(other, keys, text),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| append(item, keys, text)),
        _ => {}
    }
}

fn field(value: &mut Value, within: &str, name: &str, noted: &Value) {
    if within.is_empty() {
        if let Some(fields) = value.as_object_mut() {
            merge(fields, name, noted);
        }
        return;
    }
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == within
                    && let Some(inner) = value.as_object_mut()
                {
                    merge(inner, name, noted);
                } else {
                    field(value, within, name, noted);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| field(item, within, name, noted)),
        _ => {}
    }
}

fn merge(fields: &mut serde_json::Map<String, Value>, name: &str, noted: &Value) {
    match (fields.get_mut(name).and_then(Value::as_object_mut), noted.as_object()) {
        (Some(there), Some(more)) => there.extend(more.clone()),
        _ => {
            fields.insert(name.to_owned(), noted.clone());
        }
    }
}

fn attribute(value: &mut Value, name: &str, text: &str) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "attributes"
                    && let Some(list) = value.as_array_mut()
                {
                    list.push(json!({ "key": name, "value": { "stringValue": text } }));
                } else {
                    attribute(value, name, text);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| attribute(item, name, text)),
        _ => {}
    }
}
