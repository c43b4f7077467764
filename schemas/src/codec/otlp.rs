//! OTLP as JSON: one envelope per resource, holding its logs, spans or metrics.
//!
//! Of a client span that another resource of the same record answers, `answered_us` says how long that took: both ends
//! are seen together nowhere else. Collectors that keep traces together send them so; others leave it unsaid.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::vendor::{VendorEvent, each, optional};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::object::parse::{items, text};
use crate::time::EventTime;

pub(crate) fn decode(raw: &Raw<'_>, mut document: Value) -> Decoded {
    if let Some(resources) = document.get_mut("resourceSpans").and_then(Value::as_array_mut) {
        tell_answers(resources);
    }
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

/// Tells client spans how long the span below them lasted that another resource has reported; of several, the longest.
fn tell_answers(resources: &mut [Value]) {
    if resources.len() < 2 {
        return;
    }
    let key = |span: &Value, id: &str| (text(span, &["traceId"]).to_owned(), text(span, &[id]).to_owned());
    let mut clients = BTreeMap::new();
    for (place, resource) in resources.iter().enumerate() {
        let own = spans(resource).filter(|span| is_client(span));
        clients.extend(own.map(|span| (key(span, "spanId"), place)));
    }
    let mut answers: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (place, resource) in resources.iter().enumerate() {
        for span in spans(resource).filter(|span| !is_client(span)) {
            let above = key(span, "parentSpanId");
            let (Some(start), Some(end)) =
                (micros(&span["startTimeUnixNano"]), micros(&span["endTimeUnixNano"]))
            else {
                continue;
            };
            if clients.get(&above).is_some_and(|client| *client != place) {
                let lasted = answers.entry(above).or_default();
                *lasted = end.saturating_sub(start).max(*lasted);
            }
        }
    }
    let scopes = resources.iter_mut().filter_map(|resource| resource["scopeSpans"].as_array_mut()).flatten();
    for span in scopes.filter_map(|scope| scope["spans"].as_array_mut()).flatten() {
        let answer = answers.get(&key(span, "spanId"));
        // Whatever came in place of a span is no object.
        if let (Some(lasted), Some(span)) = (answer, span.as_object_mut()) {
            span.insert("answered_us".to_owned(), json!(lasted));
        }
    }
}

/// Whether a span is that of a caller.
pub(crate) fn is_client(span: &Value) -> bool {
    span["kind"].as_i64() == Some(3) || span["kind"] == "SPAN_KIND_CLIENT"
}

/// Microseconds, of nanoseconds as OTLP writes them.
pub(crate) fn micros(value: &Value) -> Option<i64> {
    let nanos = value.as_str().and_then(|text| text.parse::<i64>().ok()).or_else(|| value.as_i64())?;
    Some(nanos / 1_000)
}

fn envelope(raw: &Raw<'_>, resource: &Value, event_type: &'static str) -> Envelope {
    let attributes = attributes(&resource["resource"]["attributes"]);
    let attribute = |key: &str| optional(text(&attributes, &[key]));
    let trace_id = spans(resource).next().map(|span| text(span, &["traceId"])).and_then(optional);
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
        identity: &[],
    }
    .envelope_by_content(raw)
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
