//! Alerts, monitors, logs, meters and events of managed databases, as their vendors send them.

use schemas::codec::Format;
use schemas::ids::hash128;
use schemas::normalize::template::failure;
use serde_json::{Value, json};

use super::{CaseRecord, Files, TENANT, record};

pub(super) fn records(files: &Files) -> Vec<CaseRecord> {
    let mut records: Vec<CaseRecord> =
        files.get("alert").map(|alert| self::alert(files, alert)).into_iter().collect();
    let monitors = files.items("datadog_monitors", "monitors");
    let firing = monitors.iter().filter(|monitor| monitor["overall_state"] == "Alert");
    records.extend(firing.map(|monitor| self::monitor(files, monitor)));
    let lines: Vec<Value> = files.items("datadog_logs", "logs").iter().map(line).collect();
    if !lines.is_empty() {
        records.push(record("datadog_logs", Format::Datadog, &Value::Array(lines)));
    }
    let mut envelopes = pod_lines(files);
    envelopes.extend(files.items("aws_rds_events", "events").iter().map(rds_event));
    envelopes.extend(files.starting("aws_cloudwatch_metrics").flat_map(meters));
    if !envelopes.is_empty() {
        records.push(record("envelopes", Format::JsonEnvelope, &Value::Array(envelopes)));
    }
    records
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// An alert of a Grafana-like webhook: labels and annotations that its alerts have in common. It is told while it fires.
fn alert(files: &Files, alert: &Value) -> CaseRecord {
    let (labels, notes) = (&alert["commonLabels"], &alert["commonAnnotations"]);
    let mut known = json!({"alertname": labels["alertname"], "severity": labels["severity"]});
    let database = text(notes, "db_instance_identifier");
    if database.is_empty() {
        known["namespace"] = labels["namespace"].clone();
        known["service"] = labels["service"].clone();
        if notes["kube_pod"].is_string() {
            known["pod"] = notes["kube_pod"].clone();
        }
    } else {
        known["dbinstance_identifier"] = json!(database);
    }
    let (status, at) = (if alert["state"] == "alerting" { "firing" } else { "resolved" }, files.captured());
    let at = at.to_string();
    let one = json!({"status": status, "labels": known, "startsAt": at, "endsAt": at, "fingerprint": labels["alertname"],
        "annotations": {"summary": notes["summary"], "description": notes["error"]}});
    record(
        "alert",
        Format::Alertmanager,
        &json!({"version": "4", "groupKey": "g", "status": status, "alerts": [one]}),
    )
}

fn monitor(files: &Files, monitor: &Value) -> CaseRecord {
    let mut tags = monitor["tags"].as_array().cloned().unwrap_or_default();
    let namespace = files.get("alert").map(|alert| alert["commonLabels"]["namespace"].clone());
    tags.extend(
        namespace.and_then(|namespace| Some(json!(format!("kube_namespace:{}", namespace.as_str()?)))),
    );
    let webhook = json!({"alert_id": monitor["name"], "alert_transition": "Triggered", "alert_type": "error",
        "title": monitor["name"], "tags": tags, "last_updated": files.captured().0});
    record("datadog_monitors", Format::Datadog, &webhook)
}

fn line(told: &Value) -> Value {
    let tags: Vec<&str> = told["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    json!({"message": told["message"], "status": told["status"], "service": told["service"], "hostname": told["host"],
        "timestamp": told["timestamp"], "ddtags": tags.join(",")})
}

fn envelope(
    source: &str,
    event_type: &str,
    at: &Value,
    entity: Value,
    severity: &str,
    payload: Value,
) -> Value {
    let content = [source, &at.to_string(), &payload.to_string()].map(str::to_owned);
    let id = hash128(&[content[0].as_bytes(), content[1].as_bytes(), content[2].as_bytes()]);
    let digits = format!("{id:032x}");
    let id = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-");
    json!({"tenant_id": TENANT, "source": source, "event_type": event_type, "ts": at, "correlation_ids": {},
        "entity": entity, "severity": severity, "payload": payload.to_string(), "ingest_id": id, "schema_version": 1})
}

/// `TIME LEVEL words` of one pod; the runtime's own remarks have no time.
fn pod_lines(files: &Files) -> Vec<Value> {
    let Some(document) = files.get("eks_pod_logs") else { return Vec::new() };
    let entity = json!({"namespace": document["namespace"], "pod": document["pod_name"]});
    let read = |line: &str| {
        let (at, words) = line.split_once(' ')?;
        schemas::time::EventTime::parse(at).ok()?;
        let level = words.split_whitespace().next().unwrap_or_default();
        let severity = match level {
            "FATAL" => "critical",
            "ERROR" => "error",
            "WARN" => "warning",
            // A line without a level that speaks of a failure is one.
            _ if !level.chars().all(|letter| letter.is_ascii_uppercase()) && failure(words).is_some() => {
                "error"
            }
            _ => "info",
        };
        Some(envelope("log", "log.line", &json!(at), entity.clone(), severity, json!({"message": words})))
    };
    text(document, "logs").lines().filter_map(read).collect()
}

fn rds_event(event: &Value) -> Value {
    let payload = json!({"SourceIdentifier": event["source_identifier"], "SourceType": event["source_type"],
        "Message": event["message"], "EventCategories": event["event_categories"]});
    envelope("cloudwatch", "rds.event", &event["date"], json!({}), "info", payload)
}

/// Results of GetMetricData; a file holds many or one.
fn meters(document: &Value) -> Vec<Value> {
    let many = document["metric_data_results"].as_array().cloned();
    let results = many.unwrap_or_else(|| vec![document.clone()]);
    let read = |result: &Value| {
        let name = result["metric_name"].as_str()?;
        let last = result["timestamps"].as_array()?.last()?;
        let payload = json!({"MetricName": name, "Dimensions": result["dimensions"], "Unit": result["unit"],
            "Timestamps": result["timestamps"], "Values": result["values"]});
        Some(envelope("cloudwatch", "metrics", last, json!({}), "info", payload))
    };
    results.iter().filter_map(read).collect()
}
