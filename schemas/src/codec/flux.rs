//! Flux notifications (fluxcd event v1beta1).

use serde_json::Value;

use super::vendor::{VendorEvent, each, optional};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::object::parse::{text, time};

pub(crate) fn decode(raw: &Raw<'_>, document: &Value) -> Decoded {
    each(std::iter::once(document), |event| {
        let involved = &event["involvedObject"];
        if text(involved, &["name"]).is_empty() {
            return Err(DecodeError::field("Flux event without involvedObject.name"));
        }
        let severity = if text(event, &["severity"]) == "error" { Severity::Error } else { Severity::Info };
        let revision = optional(text(event, &["metadata", "revision"]));
        let vendor = VendorEvent {
            source: "flux",
            event_type: "event",
            ts: time(event, &["timestamp"]).unwrap_or(raw.arrived),
            severity,
            entity: EnvelopeEntity {
                namespace: optional(text(involved, &["namespace"])),
                ..EnvelopeEntity::default()
            },
            correlation_ids: CorrelationIds { trace_id: None, commit: revision, workflow: None },
            payload: event,
            identity: &[],
        };
        Ok(Some(vendor.envelope_by_content(raw)))
    })
}
