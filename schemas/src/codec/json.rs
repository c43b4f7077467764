//! Envelope v1 as a JSON object, or an array of them.
//!
//! Unknown fields are tolerated, so that newer producers and this reader mix; known ones are strict.

use serde_json::Value;

use super::vendor::{each, text_of};
use super::{Decoded, Event, Raw};
use crate::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use crate::error::{DecodeError, RejectCode};
use crate::ids::{EventId, TenantId};
use crate::time::{EventTime, TimeError};

pub(crate) fn decode(raw: &Raw<'_>, document: Value) -> Decoded {
    match document {
        Value::Array(items) => each(items.into_iter(), |item| event(raw, item).map(Some)),
        item => each(std::iter::once(item), |item| event(raw, item).map(Some)),
    }
}

fn event(raw: &Raw<'_>, mut item: Value) -> Result<Event, DecodeError> {
    let given = item.get_mut("payload").map(Value::take).unwrap_or_default();
    let mut envelope = envelope(raw, &item)?;
    let payload;
    (envelope.payload, payload) = payload_of(given)?;
    Ok(match payload {
        Some(payload) => Event::parsed(envelope, payload),
        None => envelope.into(),
    })
}

/// The envelope without its payload.
fn envelope(raw: &Raw<'_>, item: &Value) -> Result<Envelope, DecodeError> {
    if !item.is_object() {
        return Err(DecodeError::malformed("an envelope is a JSON object"));
    }
    let tenant_id = tenant(raw, required(item, "tenant_id")?)?;
    let severity = severity(required(item, "severity")?)?;
    let version = item["schema_version"].as_u64().unwrap_or(1);
    Ok(Envelope {
        tenant_id,
        source: required(item, "source")?.to_owned(),
        event_type: required(item, "event_type")?.to_owned(),
        ts: time(&item["ts"])?,
        correlation_ids: CorrelationIds {
            trace_id: optional(item, "correlation_ids", "trace_id")?,
            commit: optional(item, "correlation_ids", "commit")?,
            workflow: optional(item, "correlation_ids", "workflow")?,
        },
        entity: EnvelopeEntity {
            cluster: optional(item, "entity", "cluster")?,
            namespace: optional(item, "entity", "namespace")?,
            service: optional(item, "entity", "service")?,
            pod: optional(item, "entity", "pod")?,
        },
        severity,
        payload: String::new(),
        ingest_id: ingest_id(required(item, "ingest_id")?)?,
        schema_version: u32::try_from(version)
            .map_err(|_| DecodeError::field("schema_version is out of range"))?,
    })
}

/// The topic is the authority on the tenant.
pub(super) fn tenant(raw: &Raw<'_>, named: &str) -> Result<TenantId, DecodeError> {
    if named == raw.tenant.as_str() {
        return Ok(raw.tenant.clone());
    }
    let named: String = named.chars().take(80).collect();
    let detail =
        format!("tenant_id is {named:?}, but the topic belongs to {}; send it to its own topic", raw.tenant);
    Err(DecodeError::new(RejectCode::TenantMismatch, detail))
}

pub(super) fn ingest_id(text: &str) -> Result<EventId, DecodeError> {
    let parsed = uuid::Uuid::parse_str(text).map(|uuid| EventId(uuid.as_u128()));
    parsed.map_err(|_| DecodeError::field("ingest_id is not a UUID"))
}

pub(super) fn severity(text: &str) -> Result<Severity, DecodeError> {
    text.parse().map_err(|error: String| DecodeError::field(format!("severity: {error}")))
}

fn required<'v>(item: &'v Value, field: &str) -> Result<&'v str, DecodeError> {
    present(item[field].as_str().unwrap_or_default(), field)
}

/// A text that has to be there.
pub(super) fn present<'t>(text: &'t str, field: &str) -> Result<&'t str, DecodeError> {
    match text {
        "" => Err(DecodeError::field(format!("{field} is missing, empty or not text"))),
        text => Ok(text),
    }
}

fn optional(item: &Value, part: &str, field: &str) -> Result<Option<String>, DecodeError> {
    if !(item[part].is_null() || item[part].is_object()) {
        return Err(DecodeError::field(format!("{part} is not an object")));
    }
    match &item[part][field] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(DecodeError::field(format!("{part}.{field} is neither text nor null"))),
    }
}

/// RFC 3339, or milliseconds since 1970.
fn time(value: &Value) -> Result<EventTime, DecodeError> {
    match value {
        Value::String(text) => believable(EventTime::parse(text)),
        Value::Number(number) => time_of_ms(number.as_i64().unwrap_or(0)),
        _ => Err(DecodeError::field("ts is missing; give RFC 3339 or milliseconds")),
    }
}

/// Milliseconds since 1970.
pub(super) fn time_of_ms(ms: i64) -> Result<EventTime, DecodeError> {
    believable(EventTime::from_ms(ms))
}

fn believable(parsed: Result<EventTime, TimeError>) -> Result<EventTime, DecodeError> {
    parsed.map_err(|error| DecodeError::field(format!("ts: {error}")))
}

/// The text of a payload; with what it parses to, if it was no text.
fn payload_of(value: Value) -> Result<(String, Option<Value>), DecodeError> {
    match value {
        Value::Null => Ok((String::new(), None)),
        Value::String(text) => Ok((text, None)),
        Value::Object(_) | Value::Array(_) => Ok((text_of(&value), Some(value))),
        _ => Err(DecodeError::field("payload is neither JSON text nor an object")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::position::SourcePosition;

    fn decoded(item: &Value) -> Decoded {
        let tenant: TenantId = "shop".parse().unwrap();
        let position = SourcePosition::default();
        let raw = Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes: &[] };
        decode(&raw, item.clone())
    }

    fn envelope() -> Value {
        json!({"tenant_id": "shop", "source": "app", "event_type": "order.failed", "ts": "2026-05-01T10:00:00Z",
            "correlation_ids": {"trace_id": "t"}, "entity": {"service": "pay"}, "severity": "error",
            "payload": {"a": 1}, "ingest_id": "6f1f9a52-2f5e-4d7b-9f0a-0c7a7a3b1c11", "schema_version": 1, "later": true})
    }

    #[test]
    fn an_envelope_with_an_unknown_field_is_read() {
        let found = decoded(&envelope());
        assert_eq!(found.errors, []);
        assert_eq!(found.events[0].envelope.payload, "{\"a\":1}");
    }

    #[test]
    fn a_payload_that_its_text_does_not_say_is_not_given_along() {
        let mut hostile = envelope();
        hostile["payload"] = json!({"z": 1, "$serde_json::private::RawValue": "1"});
        let found = decoded(&hostile);
        assert_eq!(found.events[0].payload, None);
        assert!(crate::normalize::normalize(&found.events[0].envelope).is_err());
    }

    #[test]
    fn each_known_field_is_strict_and_named() {
        for field in ["tenant_id", "source", "event_type", "ts", "severity", "ingest_id"] {
            let mut broken = envelope();
            broken[field] = json!(false);
            let found = decoded(&broken);
            assert!(found.errors[0].1.detail.contains(field), "{field}: {:?}", found.errors);
        }
    }

    #[test]
    fn another_tenant_than_the_topic_is_refused() {
        let mut foreign = envelope();
        foreign["tenant_id"] = json!("bank");
        assert_eq!(decoded(&foreign).errors[0].1.code, RejectCode::TenantMismatch);
    }
}
