//! Placement: selectors and taints against the nodes there are, and claims against the volumes there are.

use super::{Namespace, finding};
use crate::entity::EntityKind;
use crate::fact::Signal;
use crate::object::{ObjectState, PodSpec};

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>) {
    let nodes: Vec<&ObjectState> = namespace.of(EntityKind::Node).collect();
    for workload in namespace.workloads().filter(|_| !nodes.is_empty()) {
        let short = workload.replicas.as_ref().is_some_and(|replicas| replicas.available < replicas.desired);
        let Some(pod) = workload.pod.as_ref().filter(|_| short) else { continue };
        signals.extend(nowhere(workload, pod, &nodes));
    }
}

/// Placement rules that no node satisfies; only told while replicas are missing.
fn nowhere(workload: &ObjectState, pod: &PodSpec, nodes: &[&ObjectState]) -> Option<Signal> {
    let by_label = |node: &&&ObjectState| {
        pod.node_selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
    };
    let labelled: Vec<&&ObjectState> = nodes.iter().filter(by_label).collect();
    if labelled.is_empty() {
        let detail = format!("no node has the labels {:?}", pod.node_selector);
        return Some(finding(workload, "k8s.workload.Unschedulable", &detail));
    }
    let largest = |resource: &str| labelled.iter().filter_map(|node| node.hard.get(resource)).max().copied();
    for resource in ["cpu", "memory"] {
        let wanted: i64 = pod
            .containers
            .iter()
            .filter_map(|container| container.requests.get(resource))
            .fold(0i64, |sum, request| sum.saturating_add(*request));
        let available = largest(resource);
        if available.is_some_and(|available| available < wanted) {
            let detail =
                format!("requests {wanted}m {resource}; the largest node has {}m", available.unwrap_or(0));
            return Some(finding(workload, "k8s.workload.Unschedulable", &detail));
        }
    }
    None
}
