//! From envelopes to facts: what a vendor's event means in the words of the catalogue. Pure.
//!
//! Dispatch is by `source` and `event_type`, so that a raw record and an Avro envelope with the same payload come to
//! the same facts.

use serde_json::Value;

use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::Normalized;

mod alertmanager;
pub mod anomaly;
mod argo;
mod change;
mod cloud;
mod datadog;
mod feedback;
mod flux;
mod generic;
mod github;
mod kubernetes;
mod otlp;
mod place;
mod prometheus;
mod slack;
mod telemetry;
pub mod template;

pub(crate) use telemetry::severity;

/// What an envelope says.
///
/// # Errors
/// The payload is not JSON, or not what its source sends.
pub fn normalize(envelope: &Envelope) -> Result<Normalized, DecodeError> {
    let payload = match envelope.payload.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text)
            .map_err(|error| DecodeError::field(format!("payload is not JSON text: {error}")))?,
    };
    normalize_parsed(envelope, &payload)
}

/// What an envelope says whose payload is parsed already. An unknown source or type is context, not an error: [`generic`]
/// keeps it.
///
/// # Errors
/// The payload is not what its source sends.
pub fn normalize_parsed(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    match envelope.source.as_str() {
        "kubernetes" => kubernetes::normalize(envelope, payload),
        "alertmanager" => alertmanager::normalize(envelope, payload),
        "github" => github::normalize(envelope, payload),
        "argo" => argo::normalize(envelope, payload),
        "flux" => flux::normalize(envelope, payload),
        "datadog" => datadog::normalize(envelope, payload),
        "prometheus" => prometheus::normalize(envelope, payload),
        "otel" => otlp::normalize(envelope, payload),
        "kgroot" if envelope.event_type == "feedback" => feedback::normalize(envelope, payload),
        "cloudwatch" => cloud::normalize(envelope, payload),
        "slack" => slack::normalize(envelope, payload),
        "change" => change::normalize(envelope, payload),
        _ => generic::normalize(envelope, payload),
    }
}
