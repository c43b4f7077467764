//! Workloads: rollouts, replicas, jobs.

use super::{condition, condition_says, says};
use crate::catalogue::Kind;
use crate::entity::EntityKind;
use crate::fact::Signal;
use crate::object::{Condition, ObjectState};

pub(super) fn signals(state: &ObjectState) -> Vec<Signal> {
    let mut found = Vec::new();
    match state.entity.kind {
        EntityKind::Job => return condition(state, "Failed", "True", "k8s.job.Failed"),
        EntityKind::Deployment
        | EntityKind::StatefulSet
        | EntityKind::DaemonSet
        | EntityKind::ReplicaSet
        | EntityKind::Rollout => {}
        _ => return found,
    }
    for condition in &state.conditions {
        found.extend(rollout_says(state, condition));
    }
    let Some(replicas) = &state.replicas else { return found };
    // An old replica set is scaled to zero on purpose.
    if replicas.desired == 0
        && state.entity.kind != EntityKind::ReplicaSet
        && state.entity.kind != EntityKind::DaemonSet
    {
        found.push(says(state, "k8s.workload.ZeroReplicas", "0 replicas wanted"));
    }
    let missing = replicas.available < replicas.desired;
    if missing && state.entity.kind != EntityKind::ReplicaSet {
        let detail = format!("{} of {} replicas available", replicas.available, replicas.desired);
        let kind =
            if replicas.available == 0 { "k8s.workload.Unavailable" } else { "k8s.workload.ReplicaMismatch" };
        found.push(since_condition(state, kind, &detail));
    }
    found
}

fn rollout_says(state: &ObjectState, condition: &Condition) -> Option<Signal> {
    let kind = match (condition.name.as_str(), condition.status.as_str()) {
        ("Progressing", "False") if condition.reason == "ProgressDeadlineExceeded" => {
            "k8s.workload.ProgressDeadlineExceeded"
        }
        ("ReplicaFailure", "True") => creation_failure(&condition.message),
        _ => return None,
    };
    Some(condition_says(state, condition, kind))
}

/// Why a controller could not create a pod, by the API server's words.
pub(crate) fn creation_failure(message: &str) -> &'static str {
    let text = message.to_ascii_lowercase();
    if text.contains("service account") || text.contains("serviceaccount") {
        "k8s.workload.MissingServiceAccount"
    } else if text.contains("admission webhook") || text.contains("violates podsecurity") {
        "k8s.admission.Rejected"
    } else {
        "k8s.workload.FailedCreate"
    }
}

/// Replicas are missing since the Available condition turned, if it says so.
fn since_condition(state: &ObjectState, kind: &'static str, detail: &str) -> Signal {
    let available = state
        .conditions
        .iter()
        .find(|condition| condition.name == "Available" && condition.status == "False");
    match available.and_then(|condition| condition.since) {
        Some(since) => Signal::at(state.entity.clone(), Kind::named(kind), since.min(state.at), detail),
        None => says(state, kind, detail),
    }
}
