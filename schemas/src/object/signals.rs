//! What one state of an object says by itself.
//!
//! Container states never appear as the reason of an Event (causality reference, T1), so they are read here. Healthy
//! and finished objects say nothing.

use crate::catalogue::Kind;
use crate::entity::EntityKind;
use crate::fact::Signal;
use crate::object::{Condition, ObjectState};

mod node;
mod pod;
mod workload;

pub(crate) use pod::{killed_for_memory, pull_failure, scheduling_failure, secret_missing};
pub(crate) use workload::creation_failure;

/// Every signal of a state.
pub fn signals(state: &ObjectState) -> Vec<Signal> {
    match state.entity.kind {
        EntityKind::Pod => pod::signals(state),
        EntityKind::Node => node::signals(state),
        EntityKind::Namespace => namespace(state),
        EntityKind::Service => endpoints(state),
        EntityKind::Claim if state.phase == "Pending" => {
            vec![says(state, "k8s.claim.Pending", "claim is pending")]
        }
        EntityKind::Autoscaler => autoscaler(state),
        EntityKind::Certificate => condition(state, "Ready", "False", "k8s.certificate.RequestFailed"),
        _ => workload::signals(state),
    }
}

/// A signal of the object as a whole, from when the object was made at the earliest.
fn says(state: &ObjectState, kind: &'static str, detail: &str) -> Signal {
    let signal = Signal::at(state.entity.clone(), Kind::named(kind), state.at, detail);
    signal.since(state.created.unwrap_or(state.at))
}

/// A signal of a condition, from its last transition.
fn condition_says(state: &ObjectState, condition: &Condition, kind: &'static str) -> Signal {
    let detail =
        format!("{}={} {}: {}", condition.name, condition.status, condition.reason, condition.message);
    let onset = condition.since.unwrap_or(state.at).min(state.at);
    Signal::at(state.entity.clone(), Kind::named(kind), onset, &detail)
}

fn condition(state: &ObjectState, name: &str, status: &str, kind: &'static str) -> Vec<Signal> {
    let matching =
        state.conditions.iter().filter(|condition| condition.name == name && condition.status == status);
    matching.map(|condition| condition_says(state, condition, kind)).collect()
}

fn namespace(state: &ObjectState) -> Vec<Signal> {
    if state.phase == "Terminating" {
        return vec![says(state, "k8s.namespace.Terminating", "namespace is terminating")];
    }
    let full = state.hard.iter().filter_map(|(resource, hard)| {
        let used = state.used.get(resource)?;
        // A quota of zero that nothing asks for is a policy, not an exhaustion.
        (hard <= used && 0 < *used).then(|| format!("{resource}: used {used}m of {hard}m"))
    });
    let full: Vec<String> = full.collect();
    if full.is_empty() {
        return Vec::new();
    }
    vec![says(state, "k8s.quota.Exhausted", &format!("{} {}", state.uid, full.join(", ")))]
}

fn endpoints(state: &ObjectState) -> Vec<Signal> {
    match &state.endpoints {
        Some(endpoints) if endpoints.ready.is_empty() => {
            let detail = format!("no ready address, {} not ready", endpoints.not_ready.len());
            vec![says(state, "k8s.service.NoEndpoints", &detail)]
        }
        _ => Vec::new(),
    }
}

fn autoscaler(state: &ObjectState) -> Vec<Signal> {
    let mut found = condition(state, "ScalingActive", "False", "k8s.autoscaler.MetricsUnavailable");
    found.retain(|signal| !signal.detail.contains("ScalingDisabled"));
    let limited = state
        .conditions
        .iter()
        .find(|condition| condition.name == "ScalingLimited" && condition.status == "True");
    let bounds = state.autoscaler.clone().unwrap_or_default();
    if limited.is_some_and(|condition| condition.reason == "TooManyReplicas") && 0 < bounds.max {
        found.push(says(
            state,
            "k8s.autoscaler.AtMax",
            &format!("{} of {} replicas", bounds.current, bounds.max),
        ));
    }
    found
}

#[cfg(test)]
mod tests;
