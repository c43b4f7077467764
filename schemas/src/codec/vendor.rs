//! What vendor codecs share: parsed JSON in, envelopes out.

use serde_json::Value;

use super::{Decoded, Event, Raw};
use crate::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use crate::error::{DecodeError, RejectCode};
use crate::ids::{EventId, hash128};
use crate::time::EventTime;

/// Events that one record may hold; more is a mistake or an attack.
pub(super) const ITEMS_MAX: usize = 200_000;

/// The record as JSON. Nesting is bounded by the parser (128 levels).
pub(super) fn json(raw: &Raw<'_>) -> Result<Value, DecodeError> {
    serde_json::from_slice(raw.bytes).map_err(|error| DecodeError::malformed(format!("not JSON: {error}")))
}

/// One vendor event on its way to an envelope.
pub(super) struct VendorEvent<'a> {
    pub(super) source: &'static str,
    pub(super) event_type: &'a str,
    pub(super) ts: EventTime,
    pub(super) severity: Severity,
    pub(super) entity: EnvelopeEntity,
    pub(super) correlation_ids: CorrelationIds,
    pub(super) payload: &'a Value,
    /// What makes a delivery of this event the same delivery: the vendor's idempotency key.
    pub(super) identity: &'a [&'a str],
}

impl VendorEvent<'_> {
    /// The envelope. Its id is a hash of tenant, source and the vendor's idempotency key.
    pub(super) fn envelope(self, raw: &Raw<'_>) -> Envelope {
        let id = self.id(raw, None);
        let text = text_of(self.payload);
        self.with_text(raw, text, id)
    }

    /// The same, where the payload's text is the last part of the key.
    pub(super) fn envelope_by_content(self, raw: &Raw<'_>) -> Envelope {
        let text = text_of(self.payload);
        let id = self.id(raw, Some(&text));
        self.with_text(raw, text, id)
    }

    fn id(&self, raw: &Raw<'_>, content: Option<&str>) -> EventId {
        let mut parts: Vec<&[u8]> =
            vec![raw.tenant.as_str().as_bytes(), self.source.as_bytes(), self.event_type.as_bytes()];
        parts.extend(self.identity.iter().copied().chain(content).map(str::as_bytes));
        EventId(hash128(&parts))
    }

    fn with_text(self, raw: &Raw<'_>, payload: String, ingest_id: EventId) -> Envelope {
        Envelope {
            tenant_id: raw.tenant.clone(),
            source: self.source.to_owned(),
            event_type: self.event_type.to_owned(),
            ts: self.ts,
            correlation_ids: self.correlation_ids,
            entity: self.entity,
            severity: self.severity,
            payload,
            ingest_id,
            schema_version: 1,
        }
    }
}

/// A document as text. Not by `to_string`, which goes through the machinery of `fmt` piece by piece.
pub(super) fn text_of(document: &Value) -> String {
    // It fails for maps whose keys are no texts and for writers that fail: a document has neither.
    serde_json::to_string(document).unwrap_or_default()
}

/// Decodes each item alone: a bad one does not cost the others.
pub(super) fn each<T, E: Into<Event>>(
    items: impl Iterator<Item = T>,
    decode: impl Fn(T) -> Result<Option<E>, DecodeError>,
) -> Decoded {
    let mut decoded = Decoded::default();
    for (index, item) in (0u32..).zip(items) {
        if ITEMS_MAX <= decoded.events.len() + decoded.errors.len() {
            let detail = format!("more than {ITEMS_MAX} events in one record; split it");
            decoded.errors.push((index, DecodeError::new(RejectCode::TooLarge, detail)));
            return decoded;
        }
        match decode(item) {
            Ok(event) => decoded.events.extend(event.map(Into::into)),
            Err(error) => decoded.errors.push((index, error)),
        }
    }
    decoded
}

/// An optional text field: empty is absent.
pub(super) fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
