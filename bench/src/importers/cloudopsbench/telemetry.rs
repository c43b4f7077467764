//! Alerts and log lines of a case, as envelopes.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use schemas::ids::hash128;
use schemas::normalize::template::failure;
use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::{Value, json};

/// The benchmark's clock: alerts are written in local time, eight hours ahead of UTC.
const ZONE: &str = "+08:00";

/// What an alert's evidence calls a metric, and what it is. Evidence of something that fell has no metric here.
const METRICS: [(&str, &str); 7] = [
    ("[cpu_cfs]", "cpu_throttling"),
    ("[cpu core]", "cpu_cores"),
    ("[cpu utilization]", "cpu_utilization"),
    ("[TCP Retransmission]", "tcp_retransmissions"),
    ("[Success Rate Drop]", "error_rate"),
    ("p50latency", "latency_p50"),
    ("latency:", "latency_tail"),
];

#[derive(Deserialize)]
struct Alerts {
    #[serde(default)]
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    #[serde(rename = "type")]
    class: String,
    name: String,
    time_range: String,
    evidence: Vec<String>,
}

/// Where and when of an envelope.
struct Place<'a> {
    tenant: &'a str,
    case: &'a str,
    namespace: &'a str,
    at: EventTime,
}

/// Envelopes of `alert.json`, one for each piece of evidence; none when the file is absent.
pub(super) fn alerts(folder: &Path, tenant: &str, case: &str, namespace: &str) -> Result<Vec<Value>> {
    let path = folder.join("alert.json");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let read: Alerts = serde_json::from_str(&text).with_context(|| format!("parse {}", path.display()))?;
    let mut found = Vec::new();
    for alert in &read.alerts {
        let start = alert.time_range.split(" ~ ").next().unwrap_or_default().trim().replacen(' ', "T", 1);
        let at = EventTime::parse(&format!("{start}{ZONE}")).context("time_range")?;
        let place = Place { tenant, case, namespace, at };
        for evidence in &alert.evidence {
            found.extend(alert_envelopes(&place, alert, evidence, found.len()));
        }
    }
    Ok(found)
}

fn alert_envelopes(place: &Place<'_>, alert: &Alert, evidence: &str, already: usize) -> Vec<Value> {
    let label = if alert.class == "Node" { "node" } else { "service" };
    let labels = json!({"namespace": place.namespace, label: alert.name});
    let mut metrics: Vec<&str> =
        METRICS.iter().filter(|(words, _)| evidence.contains(words)).map(|(_, metric)| *metric).collect();
    // `p90latency:` beside `p50latency:` is a part of its own; alone, the median matches the tail's words too.
    if metrics.contains(&"latency_p50") && evidence.matches("latency:").count() == 1 {
        metrics.retain(|metric| *metric != "latency_tail");
    }
    if metrics.is_empty() {
        metrics.push("");
    }
    let payload = |metric: &str| json!({"name": evidence, "metric": metric, "labels": labels});
    (already..)
        .zip(metrics)
        .map(|(index, metric)| envelope(place, "alert", "error", &payload(metric), index))
        .collect()
}

/// Envelopes of the lines of `logs.json` that complain; none when the file is absent.
pub(super) fn logs(
    folder: &Path,
    tenant: &str,
    case: &str,
    namespace: &str,
    captured: EventTime,
) -> Result<Vec<Value>> {
    let path = folder.join("logs.json");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let read: BTreeMap<String, Value> =
        serde_json::from_str(&text).with_context(|| format!("parse {}", path.display()))?;
    let mut found = Vec::new();
    for (service, lines) in &read {
        for line in lines.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let Some(severity) = severity(line) else { continue };
            let place = Place { tenant, case, namespace, at: stamp(line).unwrap_or(captured).min(captured) };
            let mut envelope = envelope(&place, "log", severity, &json!({"message": line}), found.len());
            envelope["entity"]["service"] = Value::from(service.as_str());
            found.push(envelope);
        }
    }
    Ok(found)
}

/// How bad a line says it is: by its own field, else by the words of stack traces. `None` for lines that do not complain.
fn severity(line: &str) -> Option<&'static str> {
    let text = line.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&[
        "\"severity\":\"info\"",
        "\"severity\":\"debug\"",
        "\"level\":\"info\"",
        "userwarning",
        "deprecat",
    ]) {
        None
    } else if failure(line).is_some()
        || says(&["error", "exception", "fatal", "panic", "denied", "refused", "traceback"])
    {
        Some("error")
    } else if says(&["warn"]) {
        Some("warning")
    } else {
        None
    }
}

/// The time that a line begins with, or its `timestamp` field.
fn stamp(line: &str) -> Option<EventTime> {
    let first = line.split_whitespace().next().and_then(|word| EventTime::parse(word).ok());
    first.or_else(|| {
        let field = line.split_once("\"timestamp\":\"")?.1.split('"').next()?;
        EventTime::parse(field).ok()
    })
}

fn envelope(place: &Place<'_>, source: &str, severity: &str, payload: &Value, index: usize) -> Value {
    let hash = hash128(&[source.as_bytes(), place.case.as_bytes(), index.to_string().as_bytes()]);
    let digits = format!("{hash:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    json!({
        "tenant_id": place.tenant,
        "source": source,
        "event_type": source,
        "ts": place.at.to_string(),
        "correlation_ids": {"workflow": place.case},
        "entity": {"namespace": place.namespace},
        "severity": severity,
        "payload": payload,
        "ingest_id": parts.join("-"),
        "schema_version": 1,
    })
}
