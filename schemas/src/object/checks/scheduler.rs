//! The scheduler: pods that nobody has looked at.
//!
//! A scheduler that runs says at once where a pod goes or why it goes nowhere (condition `PodScheduled`). Silence about a
//! pod that is not new is the only trace of one that does not run.

use super::{Edge, Namespace, finding};
use crate::entity::{Entity, EntityKind, RelationKind};
use crate::fact::Signal;
use crate::object::ObjectState;

/// A pod younger than this may still be in the queue.
const PATIENCE_MS: i64 = 30_000;
/// Labels of nodes that carry the control plane.
const CONTROL_PLANE: [(&str, &str); 4] = [
    ("node-role.kubernetes.io/control-plane", ""),
    ("node-role.kubernetes.io/master", ""),
    ("kubernetes.io/role", "master"),
    ("kubernetes.io/role", "control-plane"),
];

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>, edges: &mut Vec<Edge>) {
    let Some(pod) = namespace.pods().find(|pod| unseen(pod)) else { return };
    let carries = |node: &&ObjectState| {
        CONTROL_PLANE.iter().any(|(key, value)| {
            node.labels.get(*key).is_some_and(|present| value.is_empty() || present == value)
        })
    };
    for node in namespace.of(EntityKind::Node).filter(carries) {
        let detail = format!("nothing was said about {} since it was made", pod.entity);
        signals.push(finding(node, "k8s.node.SchedulerDown", &detail).since(pod.created.unwrap_or(pod.at)));
        let home = Entity::global(EntityKind::Namespace, &pod.entity.namespace);
        edges.push((home, RelationKind::HostedOn, node.entity.clone()));
    }
}

fn unseen(pod: &ObjectState) -> bool {
    let waits = pod.phase == "Pending" && pod.pod.as_ref().is_some_and(|spec| spec.node.is_empty());
    let aged = pod.created.is_some_and(|created| PATIENCE_MS <= pod.at.ms_since(created));
    // Gated pods are held back on purpose.
    waits && aged && !pod.conditions.iter().any(|condition| condition.name == "PodScheduled")
}
