//! Kubernetes envelopes: `event`, `object`, `deleted`.

use serde_json::Value;

use crate::catalogue::Kind;
use crate::codec::kubernetes::event_revision;
use crate::entity::{Entity, EntityKind};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Signal, clip};
use crate::ids::{EventKey, hash128};
use crate::object::parse::{entity_of, int, parse, text, time};

mod reasons;

use reasons::{Occasion, kind_of};

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    match envelope.event_type.as_str() {
        "event" => Ok(event(envelope, payload)),
        "object" | "deleted" => object(envelope, payload),
        other => {
            Err(DecodeError::field(format!("kubernetes event_type {other:?}; use event, object or deleted")))
        }
    }
}

fn object(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let (kind, name) = (text(payload, &["kind"]), text(payload, &["metadata", "name"]));
    let deleted = envelope.event_type == "deleted";
    let verb = if deleted { "deleted" } else { "observed" };
    let summary = clip(&format!("{kind} {}/{name} {verb}", text(payload, &["metadata", "namespace"])));
    let mut normalized = Normalized { summary, ..Normalized::default() };
    if let Some(mut state) = parse(payload, envelope.ts)? {
        state.deleted = deleted;
        if let Some(cluster) = &envelope.entity.cluster {
            state.entity.cluster.clone_from(cluster);
        }
        normalized.facts.push(Fact::Object(Box::new(state)));
    }
    Ok(normalized)
}

fn event(envelope: &Envelope, payload: &Value) -> Normalized {
    let involved = if payload["involvedObject"].is_object() {
        &payload["involvedObject"]
    } else {
        &payload["regarding"]
    };
    let (kind, namespace, name) =
        (text(involved, &["kind"]), text(involved, &["namespace"]), text(involved, &["name"]));
    let reason = text(payload, &["reason"]);
    let message = if text(payload, &["message"]).is_empty() {
        text(payload, &["note"])
    } else {
        text(payload, &["message"])
    };
    let summary = clip(&format!("{kind} {namespace}/{name}: {reason} {message}"));
    let tenant = envelope.tenant_id.as_str();
    let identity = [
        tenant,
        text(payload, &["metadata", "namespace"]),
        text(payload, &["metadata", "name"]),
        text(payload, &["metadata", "uid"]),
    ];
    let identified = identity[2..].iter().any(|part| !part.is_empty());
    let key = identified.then(|| EventKey(hash128(&identity.map(str::as_bytes))));
    let mut normalized =
        Normalized { key, revision: event_revision(payload), summary, ..Normalized::default() };
    let Some(mut entity) = entity_of(kind, namespace, name) else { return normalized };
    if let Some(cluster) = &envelope.entity.cluster {
        entity.cluster.clone_from(cluster);
    }
    let reporter = [
        &["reportingComponent"][..],
        &["reportingController"],
        &["source", "component"],
        &["deprecatedSource", "component"],
    ]
    .iter()
    .map(|path| text(payload, path))
    .find(|text| !text.is_empty());
    let occasion = Occasion { object: entity.kind, reporter: reporter.unwrap_or_default(), reason, message };
    for (entity, kind) in subjects(entity, &occasion) {
        normalized.facts.push(Fact::Signal(signal(
            envelope,
            payload,
            entity,
            kind,
            &format!("{reason}: {message}"),
        )));
    }
    normalized
}

/// What an Event says, and of whom. A quota that refuses speaks of the namespace as well.
fn subjects(entity: Entity, occasion: &Occasion<'_>) -> Vec<(Entity, &'static str)> {
    let Some(kind) = kind_of(occasion) else { return Vec::new() };
    let mut found = Vec::with_capacity(2);
    if occasion.message.contains("exceeded quota") {
        let namespace = Entity {
            kind: EntityKind::Namespace,
            cluster: entity.cluster.clone(),
            namespace: String::new(),
            name: entity.namespace.clone(),
        };
        found.push((namespace, "k8s.quota.Refused"));
    }
    found.push((entity, kind));
    found
}

fn signal(envelope: &Envelope, payload: &Value, entity: Entity, kind: &'static str, detail: &str) -> Signal {
    let first = time(payload, &["firstTimestamp"])
        .or_else(|| time(payload, &["deprecatedFirstTimestamp"]))
        .or_else(|| time(payload, &["eventTime"]))
        .unwrap_or(envelope.ts)
        .min(envelope.ts);
    let mut signal = Signal::at(entity, Kind::named(kind), first, detail);
    signal.last = envelope.ts;
    let count = int(payload, &["count"])
        .max(int(payload, &["series", "count"]))
        .max(int(payload, &["deprecatedCount"]));
    signal.count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
    signal
}

#[cfg(test)]
mod tests;
