//! GitHub webhooks: `{"event": name, "delivery": id, "payload": body}`, or the body alone.
//!
//! `event` and `delivery` are the headers `X-GitHub-Event` and `X-GitHub-Delivery`.

use serde_json::Value;

use super::vendor::{VendorEvent, each, optional};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::object::parse::{text, time};
use crate::time::EventTime;

pub(crate) fn decode(raw: &Raw<'_>, document: &Value) -> Decoded {
    each(std::iter::once(document), |document| envelope(raw, document).map(Some))
}

fn envelope(raw: &Raw<'_>, document: &Value) -> Result<crate::envelope::Envelope, DecodeError> {
    let wrapped = document["payload"].is_object();
    let body = if wrapped { &document["payload"] } else { document };
    let event = if wrapped { text(document, &["event"]) } else { inferred(body) };
    if event.is_empty() {
        return Err(DecodeError::field(
            "GitHub webhook of unknown event; wrap it as {\"event\", \"delivery\", \"payload\"}",
        ));
    }
    let commit = [
        &["head_commit", "id"][..],
        &["after"],
        &["pull_request", "merge_commit_sha"],
        &["workflow_run", "head_sha"],
        &["deployment", "sha"],
        &["check_run", "head_sha"],
    ];
    let commit = commit.iter().map(|path| text(body, path)).find(|sha| !sha.is_empty()).and_then(optional);
    let run = body["workflow_run"]["id"].as_u64().map(|id| id.to_string());
    let delivery = optional(text(document, &["delivery"]));
    let identity: Vec<&str> = std::iter::once(event).chain(delivery.as_deref()).collect();
    let failed =
        matches!(text(body, &["workflow_run", "conclusion"]), "failure" | "timed_out" | "startup_failure")
            || matches!(text(body, &["deployment_status", "state"]), "failure" | "error");
    let vendor = VendorEvent {
        source: "github",
        event_type: event,
        ts: when(body).unwrap_or(raw.arrived),
        severity: if failed { Severity::Error } else { Severity::Info },
        entity: EnvelopeEntity::default(),
        correlation_ids: CorrelationIds { trace_id: None, commit, workflow: run },
        payload: body,
        identity: &identity,
    };
    Ok(if delivery.is_some() { vendor.envelope(raw) } else { vendor.envelope_by_content(raw) })
}

fn inferred(body: &Value) -> &'static str {
    let events = ["workflow_run", "deployment_status", "deployment", "pull_request", "release", "check_run"];
    let named = events.into_iter().find(|event| body[*event].is_object());
    named.unwrap_or(if body["commits"].is_array() { "push" } else { "" })
}

fn when(body: &Value) -> Option<EventTime> {
    let paths: [&[&str]; 8] = [
        &["workflow_run", "updated_at"],
        &["deployment_status", "updated_at"],
        &["deployment_status", "created_at"],
        &["deployment", "created_at"],
        &["pull_request", "merged_at"],
        &["pull_request", "updated_at"],
        &["head_commit", "timestamp"],
        &["release", "published_at"],
    ];
    paths.iter().find_map(|path| time(body, path))
}
