//! Slack: an Events API callback, or a message alone.

use serde_json::Value;

use super::vendor::{VendorEvent, each};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::object::parse::text;
use crate::time::EventTime;

pub(crate) fn decode(raw: &Raw<'_>, document: &Value) -> Decoded {
    each(std::iter::once(document), |document| {
        let message = if document["event"].is_object() { &document["event"] } else { document };
        if text(message, &["type"]) != "message" {
            return Ok(None);
        }
        let (channel, stamp) = (text(message, &["channel"]), text(message, &["ts"]));
        if channel.is_empty() {
            return Err(DecodeError::field("Slack message without channel"));
        }
        // `1780000000.000200`: seconds and a serial number.
        let seconds = stamp.split('.').next().and_then(|seconds| seconds.parse::<i64>().ok());
        let ts = seconds
            .and_then(|seconds| EventTime::from_ms(seconds.checked_mul(1_000)?).ok())
            .unwrap_or(raw.arrived);
        let vendor = VendorEvent {
            source: "slack",
            event_type: "message",
            ts,
            severity: Severity::Info,
            entity: EnvelopeEntity::default(),
            correlation_ids: CorrelationIds::default(),
            payload: message,
            identity: &[channel, stamp, text(message, &["text"])],
        };
        Ok(Some(vendor.envelope(raw)))
    })
}
