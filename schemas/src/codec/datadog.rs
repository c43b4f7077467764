//! Datadog: the webhook of a monitor, metric points as of `/api/v2/series`, and logs as of `/api/v2/logs`.
//!
//! A webhook body is a template of the user's own; these keys are read: `alert_id`, `alert_cycle_key`,
//! `alert_transition`, `alert_type`, `title`, `tags` (comma-separated), `last_updated` (milliseconds).

use serde_json::{Value, json};

use super::vendor::{VendorEvent, each, optional};
use super::{Decoded, Raw};
use crate::envelope::{CorrelationIds, EnvelopeEntity, Severity};
use crate::error::DecodeError;
use crate::normalize::severity;
use crate::object::parse::{items, text};
use crate::time::EventTime;

pub(crate) fn decode(raw: &Raw<'_>, document: &Value) -> Decoded {
    if document["series"].is_array() {
        return each(items(document, &["series"]), |series| points(raw, series).map(Some));
    }
    if let Some(lines) = document.as_array() {
        return each(lines.iter(), |line| log(raw, line).map(Some));
    }
    each(std::iter::once(document), |monitor| webhook(raw, monitor).map(Some))
}

fn tags(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split(',').map(|tag| tag.trim().to_owned()).collect(),
        _ => items(value, &[]).filter_map(|tag| tag.as_str().map(str::to_owned)).collect(),
    }
}

fn tagged(tags: &[String], keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| {
        tags.iter().find_map(|tag| tag.strip_prefix(key)?.strip_prefix(':')).and_then(optional)
    })
}

fn entity(tags: &[String]) -> EnvelopeEntity {
    EnvelopeEntity {
        cluster: tagged(tags, &["kube_cluster_name", "cluster_name"]),
        namespace: tagged(tags, &["kube_namespace", "namespace"]),
        service: tagged(tags, &["service", "kube_service", "kube_deployment"]),
        pod: tagged(tags, &["pod_name"]),
    }
}

fn webhook(raw: &Raw<'_>, monitor: &Value) -> Result<crate::envelope::Envelope, DecodeError> {
    let (id, transition) = (scalar(&monitor["alert_id"]), text(monitor, &["alert_transition"]));
    if id.is_empty() {
        return Err(DecodeError::field("Datadog webhook without alert_id; add it to the webhook's template"));
    }
    let ms = monitor["last_updated"].as_i64().or_else(|| text(monitor, &["last_updated"]).parse().ok());
    let severity = match text(monitor, &["alert_type"]) {
        "warning" => Severity::Warning,
        "success" | "info" => Severity::Info,
        _ => Severity::Error,
    };
    let cycle = scalar(&monitor["alert_cycle_key"]);
    Ok(VendorEvent {
        source: "datadog",
        event_type: if transition == "Recovered" { "recovered" } else { "triggered" },
        ts: ms.and_then(|ms| EventTime::from_ms(ms).ok()).unwrap_or(raw.arrived),
        severity,
        entity: entity(&tags(&monitor["tags"])),
        correlation_ids: CorrelationIds::default(),
        payload: monitor,
        identity: &[&id, &cycle, transition],
    }
    .envelope_by_content(raw))
}

/// A log as it is sent in: `message`, `status`, `service`, `hostname`, `ddtags`, `timestamp`.
fn log(raw: &Raw<'_>, line: &Value) -> Result<crate::envelope::Envelope, DecodeError> {
    let message = text(line, &["message"]);
    if message.is_empty() {
        return Err(DecodeError::field("Datadog log without message"));
    }
    let at = line["timestamp"].as_i64().and_then(|ms| EventTime::from_ms(ms).ok());
    let at = at.or_else(|| EventTime::parse(text(line, &["timestamp"])).ok());
    let mut place = entity(&tags(&line["ddtags"]));
    place.service = optional(text(line, &["service"])).or(place.service);
    Ok(VendorEvent {
        source: "datadog",
        event_type: "log",
        ts: at.unwrap_or(raw.arrived),
        severity: severity(text(line, &["status"])),
        entity: place,
        correlation_ids: CorrelationIds::default(),
        payload: line,
        identity: &[],
    }
    .envelope_by_content(raw))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A series keeps its points together: one event, many samples.
fn points(raw: &Raw<'_>, series: &Value) -> Result<crate::envelope::Envelope, DecodeError> {
    let metric = text(series, &["metric"]);
    let latest = items(series, &["points"]).filter_map(|point| point["timestamp"].as_i64()).max();
    let latest = latest.and_then(|seconds| EventTime::from_ms(seconds.checked_mul(1_000)?).ok());
    let (Some(ts), false) = (latest, metric.is_empty()) else {
        return Err(DecodeError::field("Datadog series without metric or points[].timestamp in seconds"));
    };
    let payload = json!({"metric": metric, "points": series["points"], "tags": tags(&series["tags"])});
    Ok(VendorEvent {
        source: "datadog",
        event_type: "series",
        ts,
        severity: Severity::Info,
        entity: entity(&tags(&series["tags"])),
        correlation_ids: CorrelationIds::default(),
        payload: &payload,
        identity: &[],
    }
    .envelope_by_content(raw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::SourcePosition;

    #[test]
    fn a_log_keeps_its_place_and_level() {
        let logs = json!([{"message": "cannot reach cart", "status": "error", "service": "web", "timestamp": "2026-05-01T10:00:00Z",
            "ddtags": "kube_namespace:shop,pod_name:web-1"}, {"status": "info"}]);
        let (tenant, position, bytes) =
            ("shop".parse().unwrap(), SourcePosition::default(), logs.to_string());
        let raw =
            Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes: bytes.as_bytes() };
        let decoded = crate::codec::decode(&raw, crate::codec::Format::Datadog);
        assert_eq!((decoded.events.len(), decoded.errors.len()), (1, 1));
        let line = &decoded.events[0].envelope;
        assert_eq!((line.event_type.as_str(), line.severity), ("log", Severity::Error));
        assert_eq!(
            (line.entity.service.as_deref(), line.entity.pod.as_deref()),
            (Some("web"), Some("web-1"))
        );
        let normalized = crate::normalize::normalize(line).unwrap();
        assert!(normalized.facts.iter().any(|fact| matches!(fact, crate::fact::Fact::LogLine(_))));
    }
}
