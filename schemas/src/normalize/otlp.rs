//! OpenTelemetry: `logs`, `spans`, `metrics` of one resource.
//!
//! Spans are folded to one latency and one error sample per service and second. Edges: client spans name whom they call
//! (`peer.service`, `server.address`); the resource's pod belongs to its service and runs on its node.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{place, telemetry};
use crate::codec::otlp::{attributes, logs, nanos, spans};
use crate::entity::{Entity, EntityKind, Relation, RelationKind};
use crate::envelope::{Envelope, Severity};
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Sample, clip};
use crate::object::parse::{int, items, text};
use crate::time::EventTime;

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let resource = attributes(&payload["resource"]["attributes"]);
    let service = place::service_of_envelope(&envelope.entity);
    let mut facts = Vec::new();
    placement(envelope, &resource, service.as_ref(), &mut facts);
    let name = envelope.entity.service.clone().unwrap_or_default();
    match envelope.event_type.as_str() {
        "logs" => {
            let logger = place::of_envelope(&envelope.entity);
            let mut last = String::new();
            for record in logs(payload) {
                let words = text(record, &["body", "stringValue"]);
                last = words.to_owned();
                if let Some(logger) = &logger {
                    telemetry::line(
                        logger,
                        service.as_ref(),
                        stamp(record).unwrap_or(envelope.ts),
                        level(record),
                        words,
                        &mut facts,
                    );
                }
            }
            Ok(Normalized { facts, summary: clip(&format!("{name}: {last}")), ..Normalized::default() })
        }
        "spans" => {
            let count = spans(payload).count();
            if let Some(service) = &service {
                fold_spans(payload, service, &mut facts);
            }
            Ok(Normalized {
                facts,
                summary: clip(&format!("{count} spans of {name}")),
                ..Normalized::default()
            })
        }
        _ => {
            if let Some(entity) = place::of_envelope(&envelope.entity) {
                metrics(payload, &entity, &mut facts);
            }
            Ok(Normalized { facts, summary: clip(&format!("metrics of {name}")), ..Normalized::default() })
        }
    }
}

fn stamp(record: &Value) -> Option<EventTime> {
    nanos(&record["timeUnixNano"]).or_else(|| nanos(&record["observedTimeUnixNano"]))
}

/// By number (OTLP: 9 info, 13 warn, 17 error, 21 fatal), else by text.
fn level(record: &Value) -> Severity {
    match int(record, &["severityNumber"]) {
        21.. => Severity::Critical,
        17..=20 => Severity::Error,
        13..=16 => Severity::Warning,
        9..=12 => Severity::Info,
        1..=8 => Severity::Debug,
        _ => telemetry::severity(text(record, &["severityText"])),
    }
}

fn edge(from: &Entity, kind: RelationKind, to: Entity, since: EventTime) -> Fact {
    Fact::Relation(Relation { from: from.clone(), kind, to, valid_from: since, valid_to: None })
}

fn placement(envelope: &Envelope, resource: &Value, service: Option<&Entity>, facts: &mut Vec<Fact>) {
    let Some(pod) = &envelope.entity.pod else { return };
    let namespace = envelope.entity.namespace.as_deref().unwrap_or_default();
    let pod = Entity::namespaced(EntityKind::Pod, namespace, pod)
        .in_cluster(envelope.entity.cluster.as_deref().unwrap_or_default());
    let node = text(resource, &["k8s.node.name"]);
    if !node.is_empty() {
        facts.push(edge(&pod, RelationKind::RunsOn, Entity::global(EntityKind::Node, node), envelope.ts));
    }
    if let Some(service) = service {
        facts.push(edge(service, RelationKind::Selects, pod, envelope.ts));
    }
}

/// The spans of one service and second.
#[derive(Default)]
struct Second {
    count: i64,
    duration_us: i64,
    errors: i64,
}

fn fold_spans(payload: &Value, service: &Entity, facts: &mut Vec<Fact>) {
    let mut seconds: BTreeMap<i64, Second> = BTreeMap::new();
    let mut called: BTreeMap<Entity, EventTime> = BTreeMap::new();
    for span in spans(payload) {
        let (Some(start), Some(end)) = (nanos(&span["startTimeUnixNano"]), nanos(&span["endTimeUnixNano"]))
        else {
            continue;
        };
        let second = seconds.entry(end.0.div_euclid(1_000)).or_default();
        second.count += 1;
        second.duration_us = second.duration_us.saturating_add(duration_us(span));
        let failed = matches!(&span["status"]["code"], Value::Number(code) if code.as_i64() == Some(2))
            || text(span, &["status", "code"]) == "STATUS_CODE_ERROR";
        second.errors += i64::from(failed);
        if let Some(callee) = callee(span, service) {
            let since = called.entry(callee).or_insert(start);
            *since = start.min(*since);
        }
    }
    for (second, folded) in seconds {
        let at = EventTime(second.saturating_mul(1_000));
        let mut sample = |metric: &str, value_micro: i64| {
            facts.push(Fact::Sample(Sample {
                entity: service.clone(),
                metric: metric.to_owned(),
                at,
                value_micro,
            }));
        };
        sample("span.duration_us", folded.duration_us.saturating_mul(1_000_000) / folded.count.max(1));
        sample("span.errors_percent", folded.errors.saturating_mul(100_000_000) / folded.count.max(1));
    }
    facts.extend(called.into_iter().map(|(callee, since)| edge(service, RelationKind::Calls, callee, since)));
}

fn duration_us(span: &Value) -> i64 {
    let nano = |field: &str| {
        span[field]
            .as_str()
            .and_then(|text| text.parse::<i64>().ok())
            .or_else(|| span[field].as_i64())
            .unwrap_or(0)
    };
    nano("endTimeUnixNano").saturating_sub(nano("startTimeUnixNano")).max(0) / 1_000
}

/// Whom a client span calls.
fn callee(span: &Value, service: &Entity) -> Option<Entity> {
    let kind = &span["kind"];
    let client = kind.as_i64() == Some(3) || kind == "SPAN_KIND_CLIENT";
    if !client {
        return None;
    }
    let attributes = attributes(&span["attributes"]);
    let named = [text(&attributes, &["peer.service"]), text(&attributes, &["server.address"])];
    let host = named.into_iter().find(|name| !name.is_empty())?;
    // `pay`, `pay.shop`, `pay.shop.svc.cluster.local` are services; other names with dots lie outside.
    let (name, rest) = host.split_once('.').unwrap_or((host, ""));
    let internal = rest.is_empty()
        || rest.contains("svc")
        || !rest.contains('.') && !text(&attributes, &["peer.service"]).is_empty();
    if !internal {
        return Some(Entity::global(EntityKind::External, host));
    }
    let namespace =
        rest.split('.').next().filter(|namespace| !namespace.is_empty()).unwrap_or(&service.namespace);
    Some(Entity::namespaced(EntityKind::Service, namespace, name).in_cluster(&service.cluster))
}

fn metrics(payload: &Value, entity: &Entity, facts: &mut Vec<Fact>) {
    for metric in items(payload, &["scopeMetrics"]).flat_map(|scope| items(scope, &["metrics"])) {
        let name = text(metric, &["name"]);
        let points = items(metric, &["gauge", "dataPoints"]).chain(items(metric, &["sum", "dataPoints"]));
        for point in points {
            let value = point["asDouble"]
                .as_f64()
                .or_else(|| point["asInt"].as_i64().map(|int| int as f64))
                .or_else(|| text(point, &["asInt"]).parse().ok());
            let (Some(value), Some(at)) =
                (value.filter(|value| value.is_finite()), nanos(&point["timeUnixNano"]))
            else {
                continue;
            };
            let value_micro = Sample::micro(value);
            facts.push(Fact::Sample(Sample { entity: entity.clone(), metric: clip(name), at, value_micro }));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::{Format, Raw, decode};
    use crate::position::SourcePosition;

    fn facts(document: &Value) -> Vec<Fact> {
        let (tenant, position, bytes) =
            ("shop".parse().unwrap(), SourcePosition::default(), document.to_string());
        let raw =
            Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes: bytes.as_bytes() };
        let decoded = decode(&raw, Format::Otlp);
        crate::normalize::normalize(&decoded.envelopes[0]).unwrap().facts
    }

    fn resource() -> Value {
        json!({"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}, {"key": "k8s.namespace.name", "value": {"stringValue": "shop"}}]})
    }

    #[test]
    fn a_failed_client_span_is_an_error_sample_and_a_call() {
        let found = facts(&json!({"resourceSpans": [{"resource": resource(), "scopeSpans": [{"spans": [{
            "traceId": "t", "kind": 3, "startTimeUnixNano": "1780000000000000000", "endTimeUnixNano": "1780000000250000000",
            "status": {"code": 2}, "attributes": [{"key": "peer.service", "value": {"stringValue": "pay"}}]}]}]}]}));
        let shown: Vec<String> = found
            .iter()
            .map(|fact| match fact {
                Fact::Sample(sample) => format!("{} {}", sample.metric, sample.value_micro),
                Fact::Relation(edge) => format!("{} {} {}", edge.from, edge.kind, edge.to),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "span.duration_us 250000000000",
                "span.errors_percent 100000000",
                "service/shop/cart calls service/shop/pay"
            ]
        );
    }

    #[test]
    fn an_error_line_speaks_of_its_service() {
        let found = facts(&json!({"resourceLogs": [{"resource": resource(), "scopeLogs": [{"logRecords": [{
            "timeUnixNano": "1780000000000000000", "severityNumber": 17, "body": {"stringValue": "pay:8080: connection refused"}}]}]}]}));
        let Fact::Signal(signal) = &found[1] else { panic!("{found:?}") };
        assert_eq!(
            (signal.kind.id(), signal.entity.to_string().as_str()),
            ("log.connection_refused", "service/shop/cart")
        );
    }
}
