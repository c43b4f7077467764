//! Spans, logs, alerts and chat of the shop.

use schemas::time::EventTime;
use serde_json::{Value, json};

use super::objects::{NAMESPACE, Service};
use super::random::Random;

fn resource(service: &str, pod: Option<&str>) -> Value {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let mut attributes = vec![text("service.name", service), text("k8s.namespace.name", NAMESPACE)];
    attributes.extend(pod.map(|pod| text("k8s.pod.name", pod)));
    json!({"attributes": attributes})
}

/// A batch of client spans of one service to all it calls; calls to `failing` services fail.
pub(super) fn spans(
    service: &Service,
    failing: &[&str],
    slow: bool,
    at: EventTime,
    random: &mut Random,
) -> Value {
    let mut spans = Vec::new();
    for callee in service.calls {
        let failed = failing.contains(callee);
        let base_ms = if failed {
            900
        } else if slow {
            400
        } else {
            20
        };
        let duration_ns = random.between(base_ms, base_ms + 15) * 1_000_000;
        let end = at.0 * 1_000_000 + duration_ns;
        spans.push(json!({
            "traceId": random.hex(32), "spanId": random.hex(16), "name": format!("call {callee}"), "kind": 3,
            "startTimeUnixNano": (at.0 * 1_000_000).to_string(), "endTimeUnixNano": end.to_string(),
            "status": {"code": if failed { 2 } else { 1 }},
            "attributes": [{"key": "peer.service", "value": {"stringValue": callee}}],
        }));
    }
    json!({"resourceSpans": [{"resource": resource(service.name, None), "scopeSpans": [{"spans": spans}]}]})
}

/// One log line.
pub(super) fn log(service: &str, pod: &str, severity: i64, line: &str, at: EventTime) -> Value {
    let record = json!({"timeUnixNano": (at.0 * 1_000_000).to_string(), "severityNumber": severity, "body": {"stringValue": line}});
    json!({"resourceLogs": [{"resource": resource(service, Some(pod)), "scopeLogs": [{"logRecords": [record]}]}]})
}

/// An Alertmanager webhook with one alert.
pub(super) fn alert(
    name: &str,
    labels: &[(&str, &str)],
    summary: &str,
    starts: EventTime,
    ends: Option<EventTime>,
) -> Value {
    let mut all = json!({"alertname": name, "namespace": NAMESPACE, "severity": "critical"});
    let mut fingerprint = name.to_owned();
    for (key, value) in labels {
        all[*key] = json!(value);
        fingerprint.push_str(value);
    }
    let status = if ends.is_some() { "resolved" } else { "firing" };
    let ends = ends.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |ends| ends.to_string());
    json!({"version": "4", "groupKey": name, "receiver": "kgroot", "status": status, "alerts": [{
        "status": status, "labels": all, "annotations": {"summary": summary, "for": "1m"},
        "startsAt": starts.to_string(), "endsAt": ends, "fingerprint": fingerprint}]})
}

/// A message in the channel for incidents.
pub(super) fn chat(text: &str, at: EventTime) -> Value {
    json!({"type": "event_callback", "event": {"type": "message", "channel": "incidents", "user": "U1", "text": text, "ts": format!("{}.000100", at.0 / 1_000)}})
}
