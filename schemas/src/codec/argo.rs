//! Argo CD notifications (`{"app": Application}`), Applications and Workflows.
//!
//! Rollouts, and the Events of all of them, are Kubernetes objects and come through that codec.

use serde_json::Value;

use super::vendor::{VendorEvent, each, optional};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::object::parse::{text, time};

pub(crate) fn decode(raw: &Raw<'_>, document: &Value) -> Decoded {
    each(std::iter::once(document), |document| envelope(raw, document).map(Some))
}

fn envelope(raw: &Raw<'_>, document: &Value) -> Result<crate::envelope::Envelope, DecodeError> {
    let object = if document["app"].is_object() { &document["app"] } else { document };
    let name = text(object, &["metadata", "name"]);
    if name.is_empty() {
        return Err(DecodeError::field(
            "Argo object without metadata.name; send the whole Application or Workflow",
        ));
    }
    let workflow = text(object, &["kind"]) == "Workflow";
    let finished = ["finishedAt", "startedAt"].into_iter().find_map(|field| {
        time(object, &["status", "operationState", field]).or_else(|| time(object, &["status", field]))
    });
    let phase = [text(object, &["status", "operationState", "phase"]), text(object, &["status", "phase"])];
    let failed = phase.iter().any(|phase| matches!(*phase, "Failed" | "Error"))
        || text(object, &["status", "health", "status"]) == "Degraded";
    let commit = optional(text(object, &["status", "operationState", "syncResult", "revision"]))
        .or_else(|| optional(text(object, &["status", "sync", "revision"])));
    let content = object["status"].to_string();
    let identity = [text(object, &["metadata", "namespace"]), name, content.as_str()];
    Ok(VendorEvent {
        source: "argo",
        event_type: if workflow { "workflow" } else { "application" },
        ts: finished.unwrap_or(raw.arrived),
        severity: if failed { Severity::Error } else { Severity::Info },
        entity: EnvelopeEntity {
            namespace: optional(text(object, &["metadata", "namespace"])),
            ..EnvelopeEntity::default()
        },
        correlation_ids: CorrelationIds {
            trace_id: None,
            commit,
            workflow: optional(name).filter(|_| workflow),
        },
        payload: object,
        identity: &identity,
    }
    .envelope(raw))
}
