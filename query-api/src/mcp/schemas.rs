//! JSON Schemas of the tools: of the arguments in full, of results as far as a reader needs the names.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::asked::{CORRELATION_IDS_MAX, ROWS_DEFAULT, ROWS_MAX};
use super::tool::Tool;

/// Schema of the arguments. Examples are valid: tests call the tools with them.
pub(super) fn input(tool: Tool) -> JsonObject {
    match tool {
        Tool::Investigate => arguments(
            json!({
                "query": text("The question, in words.", "why is checkout failing?"),
                "service": text("Service or workload to look at, as name or namespace/name.", "checkout"),
                "from": from("Start of the window; needs `to`."),
                "to": to("End of the window; needs `from`."),
                "correlation_ids": {
                    "type": "array", "items": {"type": "string"}, "maxItems": CORRELATION_IDS_MAX,
                    "description": "Trace ids, commits or workflow names to start from.",
                    "examples": [["4bf92f3577b34da6a3ce929d0e0e4736"]],
                },
                "as_of": epoch(),
            }),
            &["query"],
        ),
        Tool::Incidents => arguments(
            json!({
                "from": from("Incidents that were last seen at or after this instant."),
                "to": to("Incidents that began before this instant."),
                "entity": entity("Incidents one of whose root causes is this entity."),
                "limit": limit(),
            }),
            &[],
        ),
        Tool::Incident => arguments(json!({"incident_id": incident()}), &["incident_id"]),
        Tool::Chains => arguments(
            json!({"incident_id": incident(), "entity": entity("Chains that go through this entity.")}),
            &[],
        ),
        Tool::Topology => arguments(
            json!({"entity": entity("The entity at either end of the relations."), "as_of": epoch()}),
            &["entity"],
        ),
        Tool::WhatChanged => arguments(
            json!({
                "entity": entity("Changes of this entity only."),
                "from": from("Start of the window."),
                "to": to("End of the window."),
            }),
            &["from", "to"],
        ),
        Tool::Search => arguments(
            json!({
                "query": text("What is searched for.", "checkout \"connection refused\" -probe"),
                "from": from("Rows that end at or after this instant."),
                "to": to("Rows that begin before this instant."),
                "limit": limit(),
            }),
            &["query"],
        ),
    }
}

/// Schema of the structured result.
pub(super) fn output(tool: Tool) -> JsonObject {
    let rows = |what: &str| json!({"type": "array", "items": {"type": "object"}, "description": what});
    match tool {
        Tool::Investigate => result(
            json!({
                "investigation_id": {"type": "string"},
                "status": {"type": "string", "description": "answered, no_clear_root_cause or no_data"},
                "summary": {"type": "string"},
                "hypotheses": rows("Root causes, best first: rank, confidence, root_cause, chain, evidence, explains."),
                "ruled_out": rows("candidate, reason, event_ids"),
                "missing": rows("source, why"),
            }),
            &["investigation_id", "status", "summary", "hypotheses", "ruled_out", "missing"],
        ),
        Tool::Incident => result(
            json!({
                "incident": {"type": "object", "description": "incident_id, status, severity, title, started_at, last_at, hypotheses"},
                "chains": rows("incident_id, rank, root, symptom, links"),
                "alert": {"type": ["object", "null"]},
                "live": {"type": "boolean", "description": "False: of the past, as it last was."},
            }),
            &["incident", "chains", "alert", "live"],
        ),
        Tool::WhatChanged => result(
            json!({
                "changed": {"type": "boolean", "description": "False: nothing did, as far as is known at `as_of`."},
                "rows": rows("episode_id, entity, kind, onset, last, ended, count, severity, event_ids, detail"),
            }),
            &["changed", "rows"],
        ),
        Tool::Incidents => result(
            json!({"rows": rows("incident_id, status, severity, title, started_at, last_at, hypotheses")}),
            &["rows"],
        ),
        Tool::Chains => result(json!({"rows": rows("incident_id, rank, root, symptom, links")}), &["rows"]),
        Tool::Topology => {
            result(json!({"rows": rows("from, relation, to, valid_from, valid_to, event_id")}), &["rows"])
        }
        Tool::Search => result(json!({"rows": rows("id, view, key, live, at, until, row")}), &["rows"]),
    }
}

fn arguments(properties: Value, required: &[&str]) -> JsonObject {
    object(json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    }))
}

/// What every result has, and what this one has.
fn result(properties: Value, required: &[&str]) -> JsonObject {
    let mut schema = object(json!({
        "type": "object",
        "properties": {
            "as_of": {
                "type": "object", "required": ["epoch"], "properties": {"epoch": {"type": "integer"}},
                "description": "When this was true.",
            },
            "link": {"type": "string", "description": "Path of the HTTP API that gives the same in full."},
            "more": {"type": "boolean", "description": "True: rows were left out here; narrow, or follow the link."},
        },
        "required": ["as_of", "link", "more"],
    }));
    if let Some(Value::Object(all)) = schema.get_mut("properties") {
        all.extend(object(properties));
    }
    if let Some(Value::Array(all)) = schema.get_mut("required") {
        all.extend(required.iter().map(|name| json!(name)));
    }
    schema
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

fn text(what: &str, example: &str) -> Value {
    json!({"type": "string", "description": what, "examples": [example]})
}

fn from(what: &str) -> Value {
    time(what, "2026-09-01T10:00:00Z")
}

fn to(what: &str) -> Value {
    time(what, "2026-09-01T11:00:00Z")
}

fn time(what: &str, example: &str) -> Value {
    json!({"type": "string", "format": "date-time", "description": what, "examples": [example]})
}

fn entity(what: &str) -> Value {
    let what = format!("{what} As kind/namespace/name, or kind/name without a namespace.");
    text(&what, "deployment/shop/checkout")
}

fn incident() -> Value {
    json!({
        "type": "string", "pattern": "^inc_[0-9a-f]{16}$", "description": "Id of an incident.",
        "examples": ["inc_0000000000000001"],
    })
}

fn epoch() -> Value {
    json!({
        "type": "integer", "minimum": 0, "description": "Epoch of an earlier result; the latest when absent.",
        "examples": [7],
    })
}

fn limit() -> Value {
    json!({
        "type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": ROWS_DEFAULT,
        "description": "Most rows.", "examples": [ROWS_DEFAULT],
    })
}
