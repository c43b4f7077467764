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
        let lines = || lines.as_array().into_iter().flatten().filter_map(Value::as_str);
        // A line without a time belongs to the one before it, as in a stack trace; the first ones to what follows.
        let mut at = lines().find_map(stamp).unwrap_or(captured).min(captured);
        for line in lines() {
            at = stamp(line).unwrap_or(at).min(captured);
            let Some(severity) = severity(line) else { continue };
            let place = Place { tenant, case, namespace, at };
            let mut envelope = envelope(&place, "log", severity, &json!({"message": line}), found.len());
            envelope["entity"]["service"] = Value::from(service.as_str());
            found.push(envelope);
        }
    }
    Ok(found)
}

/// How bad a line says it is: by its own field, else by the words of stack traces. `None` for lines that do not complain.
pub(super) fn severity(line: &str) -> Option<&'static str> {
    let text = line.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if quiet(&text) || says(&["userwarning", "deprecat"]) {
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

/// Whether the level of a line, a field or one of its first words, is below a warning.
fn quiet(text: &str) -> bool {
    const LEVELS: [&str; 4] = ["info", "debug", "trace", "notice"];
    let compact = text.replace("\": \"", "\":\"");
    let field = |name: &str| LEVELS.iter().any(|level| compact.contains(&format!("\"{name}\":\"{level}\"")));
    let mut words = text.split_whitespace().take(5).map(|word| word.trim_matches(['[', ']', ':', '|']));
    field("severity") || field("level") || words.any(|word| LEVELS.contains(&word))
}

/// The time that a line begins with, as one word or as date and time of day, or that one of its fields holds. Times
/// without a zone are in UTC.
pub(super) fn stamp(line: &str) -> Option<EventTime> {
    let mut words = line.split_whitespace().map(|word| word.trim_matches(['[', ']', ',']));
    let (first, second) = (words.next()?, words.next().unwrap_or_default());
    let zoned =
        |text: String| EventTime::parse(&text).or_else(|_| EventTime::parse(&format!("{text}Z"))).ok();
    let time = second.split(']').next().unwrap_or_default().replace(',', ".");
    let joined = || zoned(format!("{}T{time}", first.replace('/', "-")));
    EventTime::parse(first).ok().or_else(joined).or_else(|| day_month_year(line)).or_else(|| {
        let mut fields = ["\"timestamp\"", "\"time\"", "\"ts\""].into_iter().filter_map(|field| {
            let value = line.split_once(field)?.1.trim_start().strip_prefix(':')?.trim_start();
            let end = value.find([',', '}', ' ']).unwrap_or(value.len());
            Some(value[..end].trim_matches('"'))
        });
        fields.find_map(|value| EventTime::parse(value).ok().or_else(|| unix(value)))
    })
}

/// `1:M 17 Nov 2025 11:03:24.777 * …`: day, month, year and time after the name of a process.
fn day_month_year(line: &str) -> Option<EventTime> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = line.split_whitespace().skip(1).take(4).collect();
    let [day, month, year, time] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|known| known == month)? + 1;
    EventTime::parse(&format!("{year}-{month:02}-{day:0>2}T{time}Z")).ok()
}

/// Seconds, with or without a fraction, or milliseconds since 1970.
fn unix(text: &str) -> Option<EventTime> {
    let number: f64 = text.parse().ok()?;
    let ms = if number < 1e11 { number * 1_000.0 } else { number };
    // The cast saturates.
    EventTime::from_ms(ms as i64).ok()
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
