//! Changes told by a deployer of one's own: source `change`.
//!
//! The event type says what was changed (`deploy.canary_step`, `deploy.rollout`, `scale.up`, `scale.down`,
//! `config.changed`, `flag.changed`), the entity where. `payload.pods` names the pods that a step brought, as far as
//! they are known: they belong to the service from then on. A step may be told twice, when it begins and when its pods
//! are there. Any other event type is an event of its severity.

use serde_json::Value;

use super::{generic, place};
use crate::catalogue::Kind;
use crate::entity::{Entity, EntityKind, Relation, RelationKind};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Signal, clip};
use crate::object::parse::{int, items, text};

/// Pods of one step that are looked at.
const PODS_MAX: usize = 1_000;

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let kind = match envelope.event_type.as_str() {
        "deploy.canary_step" => "deploy.canary_step",
        "deploy.rollout" => "deploy.rollout",
        "scale.up" => "scale.up",
        "scale.down" => "scale.down",
        "config.changed" => "config.changed",
        "flag.changed" => "flag.changed",
        _ => return generic::normalize(envelope, payload),
    };
    let place = place::service_of_envelope(&envelope.entity).or_else(|| place::of_envelope(&envelope.entity));
    let place = place.ok_or_else(|| DecodeError::field("a change without entity.service says nothing"))?;
    let words = words(envelope, payload);
    let mut signal = Signal::at(place.clone(), Kind::named(kind), envelope.ts, &words);
    signal.severity = envelope.severity;
    let mut facts = vec![Fact::Signal(signal)];
    let edge = |from: &Entity, kind, to| {
        Fact::Relation(Relation { from: from.clone(), kind, to, valid_from: envelope.ts, valid_to: None })
    };
    let named = items(payload, &["pods"]).filter_map(Value::as_str).chain(envelope.entity.pod.as_deref());
    for pod in named.filter(|pod| !pod.is_empty()).take(PODS_MAX) {
        let pod = Entity::namespaced(EntityKind::Pod, &place.namespace, pod).in_cluster(&place.cluster);
        facts.push(edge(&place, RelationKind::Selects, pod));
    }
    facts.extend(place::in_namespace(&place, envelope.ts));
    Ok(Normalized { facts, summary: clip(&words), ..Normalized::default() })
}

/// What people read: their own words, or what went from where to where.
fn words(envelope: &Envelope, payload: &Value) -> String {
    let told =
        ["message", "summary"].into_iter().map(|key| text(payload, &[key])).find(|told| !told.is_empty());
    if let Some(told) = told {
        return told.to_owned();
    }
    let mut words = envelope.event_type.clone();
    let (from, to) = (text(payload, &["from"]), text(payload, &["to"]));
    if !to.is_empty() {
        words = format!("{words} {from} -> {to}");
    }
    match int(payload, &["replicas"]) {
        0 => words,
        replicas => format!("{words}, {replicas} replicas"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::{Format, Raw, decode};
    use crate::position::SourcePosition;
    use crate::time::EventTime;

    fn told(event_type: &str, entity: &Value, payload: &Value) -> Result<Normalized, DecodeError> {
        let document = json!({"tenant_id": "shop", "source": "change", "event_type": event_type,
            "ts": "2026-05-01T10:00:00Z", "severity": "info", "entity": entity, "payload": payload,
            "ingest_id": "00000000-0000-0000-0000-000000000001"});
        let (tenant, position, bytes) =
            ("shop".parse().unwrap(), SourcePosition::default(), document.to_string());
        let raw =
            Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes: bytes.as_bytes() };
        crate::normalize::normalize(&decode(&raw, Format::JsonEnvelope).events[0].envelope)
    }

    #[test]
    fn a_step_brings_its_pods_to_the_service() {
        let place = json!({"namespace": "shop", "service": "pay"});
        let payload = json!({"from": "1.4", "to": "1.5", "replicas": 2, "pods": ["pay-b-1", "pay-b-2"]});
        let told = told("deploy.canary_step", &place, &payload).unwrap();
        let Fact::Signal(signal) = &told.facts[0] else { panic!("{told:?}") };
        assert_eq!(
            (signal.kind.id(), signal.entity.to_string().as_str()),
            ("deploy.canary_step", "service/shop/pay")
        );
        assert_eq!(told.summary, "deploy.canary_step 1.4 -> 1.5, 2 replicas");
        let edges: Vec<String> = told
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Relation(edge) => Some(format!("{} {}", edge.kind, edge.to)),
                _ => None,
            })
            .collect();
        assert_eq!(
            edges,
            ["selects pod/shop/pay-b-1", "selects pod/shop/pay-b-2", "member_of namespace/shop"]
        );
    }

    #[test]
    fn a_change_of_nothing_is_refused_and_another_type_is_context() {
        assert!(told("scale.down", &json!({}), &json!({})).is_err());
        let other = told("holiday.begun", &json!({"service": "pay"}), &json!({})).unwrap();
        let Fact::Signal(signal) = &other.facts[0] else { panic!("{other:?}") };
        assert_eq!(signal.kind.id(), "event.info");
    }
}
