//! Alertmanager webhook, version 4: one envelope per alert.

use serde_json::Value;

use super::vendor::{VendorEvent, each, optional};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::object::parse::{text, time};

pub(crate) fn decode(raw: &Raw<'_>, document: &Value) -> Decoded {
    let Some(alerts) = document["alerts"].as_array() else {
        return Decoded::refused(DecodeError::field(
            "Alertmanager webhook without alerts; send version 4 as it is",
        ));
    };
    each(alerts.iter(), |alert| envelope(raw, alert).map(Some))
}

fn envelope(raw: &Raw<'_>, alert: &Value) -> Result<crate::envelope::Envelope, DecodeError> {
    let starts =
        time(alert, &["startsAt"]).ok_or_else(|| DecodeError::field("alert without a valid startsAt"))?;
    let labels = &alert["labels"];
    let name = text(labels, &["alertname"]);
    if name.is_empty() {
        return Err(DecodeError::field("alert without labels.alertname"));
    }
    let resolved = text(alert, &["status"]) == "resolved";
    let severity = match text(labels, &["severity"]) {
        "critical" | "page" | "emergency" => Severity::Critical,
        "warning" | "warn" => Severity::Warning,
        "info" | "none" => Severity::Info,
        _ => Severity::Error,
    };
    let label = |key: &str| optional(text(labels, &[key]));
    let ts = if resolved { time(alert, &["endsAt"]).unwrap_or(raw.arrived) } else { starts };
    Ok(VendorEvent {
        source: "alertmanager",
        event_type: if resolved { "resolved" } else { "firing" },
        ts,
        severity,
        entity: EnvelopeEntity {
            cluster: label("cluster"),
            namespace: label("namespace"),
            service: label("service").or_else(|| label("job")),
            pod: label("pod"),
        },
        correlation_ids: CorrelationIds::default(),
        payload: alert,
        identity: &[text(alert, &["fingerprint"])],
    }
    .envelope_by_content(raw))
}
