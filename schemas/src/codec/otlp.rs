//! OTLP as JSON: one envelope per resource, holding its logs, spans or metrics.

use serde_json::{Value, json};

use super::vendor::{VendorEvent, each, json as parse_json, optional};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::object::parse::{items, text};
use crate::time::EventTime;

pub(crate) fn decode(raw: &Raw<'_>) -> Decoded {
    let document = match parse_json(raw) {
        Ok(document) => document,
        Err(error) => return Decoded::refused(error),
    };
    for (field, event_type) in
        [("resourceLogs", "logs"), ("resourceSpans", "spans"), ("resourceMetrics", "metrics")]
    {
        if document[field].is_array() {
            return each(items(&document, &[field]), |resource| {
                Ok(Some(envelope(raw, resource, event_type)))
            });
        }
    }
    Decoded::refused(DecodeError::field("neither resourceLogs, resourceSpans nor resourceMetrics"))
}

fn envelope(raw: &Raw<'_>, resource: &Value, event_type: &'static str) -> Envelope {
    let attributes = attributes(&resource["resource"]["attributes"]);
    let attribute = |key: &str| optional(text(&attributes, &[key]));
    let trace_id = spans(resource).next().map(|span| text(span, &["traceId"])).and_then(optional);
    let content = resource.to_string();
    VendorEvent {
        source: "otel",
        event_type,
        ts: latest(resource).unwrap_or(raw.arrived),
        severity: Severity::Info,
        entity: EnvelopeEntity {
            cluster: attribute("k8s.cluster.name"),
            namespace: attribute("k8s.namespace.name").or_else(|| attribute("service.namespace")),
            service: attribute("service.name"),
            pod: attribute("k8s.pod.name"),
        },
        correlation_ids: CorrelationIds { trace_id, ..CorrelationIds::default() },
        payload: resource,
        identity: &[content.as_str()],
    }
    .envelope(raw)
}

/// OTLP attributes (`[{"key", "value": {"stringValue"}}]`) as a plain object.
pub(crate) fn attributes(list: &Value) -> Value {
    let mut plain = json!({});
    for attribute in items(list, &[]) {
        let (key, value) = (text(attribute, &["key"]), &attribute["value"]);
        let inner = ["stringValue", "intValue", "boolValue", "doubleValue"]
            .iter()
            .map(|kind| &value[*kind])
            .find(|value| !value.is_null());
        if let Some(inner) = inner {
            plain[key] = inner.clone();
        }
    }
    plain
}

/// Spans of a resource, over all scopes.
pub(crate) fn spans(resource: &Value) -> impl Iterator<Item = &Value> {
    items(resource, &["scopeSpans"]).flat_map(|scope| items(scope, &["spans"]))
}

/// Log records of a resource, over all scopes.
pub(crate) fn logs(resource: &Value) -> impl Iterator<Item = &Value> {
    items(resource, &["scopeLogs"]).flat_map(|scope| items(scope, &["logRecords"]))
}

/// Nanoseconds as OTLP writes them (text or number), to event time.
pub(crate) fn nanos(value: &Value) -> Option<EventTime> {
    let nanos = value.as_str().and_then(|text| text.parse::<i64>().ok()).or_else(|| value.as_i64())?;
    EventTime::from_ms(nanos / 1_000_000).ok()
}

fn latest(resource: &Value) -> Option<EventTime> {
    let ends = spans(resource).filter_map(|span| nanos(&span["endTimeUnixNano"]));
    let stamps = logs(resource)
        .filter_map(|log| nanos(&log["timeUnixNano"]).or_else(|| nanos(&log["observedTimeUnixNano"])));
    ends.chain(stamps).max()
}
