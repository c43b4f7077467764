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
use crate::object::signals::scheduling_failure;

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
    let occasion = Occasion {
        object: entity.kind,
        reporter: reporter.unwrap_or_default(),
        reason,
        message,
        count: said(payload),
    };
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

/// What an Event says, and of whom. A quota that refuses speaks of the namespace as well, a scheduler that finds no node
/// says why, or that a claim is missing.
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
        found.push((namespace, refusal(occasion.message)));
    }
    if let Some(why) = Some(kind).filter(|_| speaks_otherwise(occasion.message)).and_then(odd_probe) {
        found.push((entity.clone(), why));
    }
    if kind == "k8s.pod.FailedScheduling" {
        found.extend(scheduling_failure(occasion.message).map(|why| (entity.clone(), why)));
        let claim = missing_claim(occasion.message).map(|name| Entity {
            kind: EntityKind::Claim,
            name: name.to_owned(),
            ..entity.clone()
        });
        found.extend(claim.map(|claim| (claim, "k8s.claim.Missing")));
    }
    found.push((entity, kind));
    found
}

/// The kind of a quota's refusal, by the first resource of which too much was requested:
/// `exceeded quota: q, requested: pods=1, used: pods=10, limited: pods=10`.
fn refusal(message: &str) -> &'static str {
    let requested = message.split_once("requested: ").map_or("", |(_, rest)| rest);
    let resource = requested.split('=').next().unwrap_or_default().trim();
    let resource = resource.strip_prefix("count/").unwrap_or(resource);
    match resource {
        "cpu" | "requests.cpu" | "limits.cpu" => "k8s.quota.CpuExceeded",
        "memory" | "requests.memory" | "limits.memory" => "k8s.quota.MemoryExceeded",
        "pods" => "k8s.quota.PodsExceeded",
        "requests.storage" | "persistentvolumeclaims" => "k8s.quota.StorageExceeded",
        _ if resource.starts_with("services") => "k8s.quota.ServicesExceeded",
        _ if resource.contains(".storageclass.storage.k8s.io/") => "k8s.quota.StorageExceeded",
        _ => "k8s.quota.Refused",
    }
}

/// What a probe that was answered in another protocol than its own gets to hear, from the libraries of the kubelet.
fn speaks_otherwise(message: &str) -> bool {
    let words = [
        "malformed HTTP",
        "HTTP response to HTTPS client",
        "does not look like a TLS handshake",
        "error reading server preface",
        "http2: frame too large",
        "code = Unimplemented",
    ];
    words.iter().any(|word| message.contains(word))
}

/// The kind of a probe that speaks another protocol, by what it makes of the pod.
fn odd_probe(symptom: &str) -> Option<&'static str> {
    match symptom {
        "k8s.pod.UnhealthyLiveness" => Some("k8s.workload.LivenessProtocolMismatch"),
        "k8s.pod.UnhealthyReadiness" => Some("k8s.workload.ReadinessProtocolMismatch"),
        "k8s.pod.UnhealthyStartup" => Some("k8s.workload.ProbeMismatch"),
        _ => None,
    }
}

/// `persistentvolumeclaim "data" not found`.
fn missing_claim(message: &str) -> Option<&str> {
    let (name, rest) = message.split_once("persistentvolumeclaim \"")?.1.split_once('"')?;
    rest.starts_with(" not found").then_some(name)
}

fn signal(envelope: &Envelope, payload: &Value, entity: Entity, kind: &'static str, detail: &str) -> Signal {
    let first = time(payload, &["firstTimestamp"])
        .or_else(|| time(payload, &["deprecatedFirstTimestamp"]))
        .or_else(|| time(payload, &["eventTime"]))
        .unwrap_or(envelope.ts)
        .min(envelope.ts);
    let mut signal = Signal::at(entity, Kind::named(kind), first, detail);
    signal.last = envelope.ts;
    signal.count = u32::try_from(said(payload)).unwrap_or(u32::MAX);
    signal
}

/// How often an Event was said.
fn said(payload: &Value) -> i64 {
    let counts = [&["count"][..], &["series", "count"], &["deprecatedCount"]];
    counts.iter().map(|path| int(payload, path)).fold(1, i64::max)
}

#[cfg(test)]
mod tests;
