//! OpenTelemetry: `logs`, `spans`, `metrics` of one resource.
//!
//! Spans are folded to samples (`otlp/spans.rs`). Edges: client spans name whom they call (`peer.service`,
//! `server.address`); the resource's pod belongs to its service and runs on its node.

use serde_json::Value;

use super::{place, telemetry};
use crate::codec::otlp::{attributes, logs, nanos};
use crate::entity::{Entity, EntityKind, Relation, RelationKind};
use crate::envelope::{Envelope, Severity};
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Sample, clip};
use crate::object::parse::{int, items, text};
use crate::time::EventTime;

mod spans;

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
            let count = crate::codec::otlp::spans(payload).count();
            if let Some(service) = &service {
                spans::fold(payload, service, &mut facts);
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
        crate::normalize::normalize(&decoded.events[0].envelope).unwrap().facts
    }

    fn resource() -> Value {
        json!({"attributes": [{"key": "service.name", "value": {"stringValue": "cart"}}, {"key": "k8s.namespace.name", "value": {"stringValue": "shop"}}]})
    }

    #[test]
    fn a_client_span_is_a_latency_of_a_call_and_an_edge() {
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
        assert_eq!(shown, ["span.call_duration_us 250000000000", "service/shop/cart calls service/shop/pay"]);
    }

    #[test]
    fn what_the_callee_does_not_account_for_was_spent_on_the_way() {
        let resource = |name: &str, span: Value| {
            json!({"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]},
                "scopeSpans": [{"spans": [span]}]})
        };
        let call = resource(
            "cart",
            json!({
            "traceId": "t", "spanId": "a", "kind": 3, "startTimeUnixNano": "1780000000000000000", "endTimeUnixNano": "1780000000250000000",
            "attributes": [{"key": "peer.service", "value": {"stringValue": "pay"}}]}),
        );
        let answer = |trace: &str| {
            resource(
                "pay",
                json!({"traceId": trace, "spanId": "b", "parentSpanId": "a", "kind": 2,
                "startTimeUnixNano": "1780000000100000000", "endTimeUnixNano": "1780000000150000000"}),
            )
        };
        let wire = |answer: Value| {
            facts(&json!({"resourceSpans": [call, answer]})).into_iter().find_map(|fact| match fact {
                Fact::Sample(sample) if sample.metric == "span.wire_us" => Some(sample.value_micro),
                _ => None,
            })
        };
        assert_eq!(wire(answer("t")), Some(200_000_000_000));
        assert_eq!(wire(answer("other")), None, "ids of spans are those of their trace");
    }

    #[test]
    fn what_stands_in_place_of_a_span_is_left_alone() {
        let resource = |spans: Value| json!({"scopeSpans": [{"spans": spans}]});
        let client = json!({"kind": 3});
        let answer = json!({"kind": 2, "startTimeUnixNano": "1780000000100000000", "endTimeUnixNano": "1780000000150000000"});
        // Without ids all of them are the same span.
        for place in [json!([]), json!("span"), json!(7), Value::Null] {
            let document =
                json!({"resourceSpans": [resource(json!([client, place])), resource(json!([answer]))]});
            assert!(facts(&document).iter().all(|fact| !matches!(fact, Fact::Sample(_))), "{place}");
        }
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
