//! Placement: selectors, cordons, taints and sizes against the nodes there are.

use super::{Namespace, finding, matches};
use crate::entity::EntityKind;
use crate::fact::Signal;
use crate::object::{ObjectState, PodSpec};

/// Taints that Kubernetes sets itself, because of a condition of the node: not what a pod was kept out by, but why.
const OWN_TAINTS: &str = "node.kubernetes.io/";
/// Taints of nodes that are kept for a role, such as the control plane: ordinary pods were never meant for them.
const ROLE_TAINTS: &str = "node-role.kubernetes.io/";

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>) {
    let nodes: Vec<&ObjectState> = namespace.of(EntityKind::Node).collect();
    for workload in namespace.workloads().filter(|_| !nodes.is_empty()) {
        let short = workload.replicas.as_ref().is_some_and(|replicas| replicas.available < replicas.desired);
        let Some(pod) = workload.pod.as_ref().filter(|_| short && waits(namespace, workload)) else {
            continue;
        };
        signals.extend(nowhere(pod, &nodes).map(|(kind, detail)| finding(workload, kind, &detail)));
    }
}

/// A pod of the workload has no node. Where no pod is shown at all, missing replicas have to do.
fn waits(namespace: &Namespace<'_>, workload: &ObjectState) -> bool {
    let mut pods = namespace.pods().peekable();
    let none_shown = pods.peek().is_none();
    let mine = |pod: &ObjectState| {
        !workload.template_labels.is_empty() && matches(&workload.template_labels, &pod.labels)
    };
    none_shown || pods.any(|pod| mine(pod) && pod.pod.as_ref().is_some_and(|spec| spec.node.is_empty()))
}

/// The first of the placement rules of a pod that no node satisfies, in the order in which they narrow the choice: what
/// the pod asks for comes before what the nodes that it asks for refuse.
fn nowhere(pod: &PodSpec, nodes: &[&ObjectState]) -> Option<(&'static str, String)> {
    let general: Vec<&ObjectState> = nodes.iter().copied().filter(|node| !reserved(pod, node)).collect();
    let nodes = if general.is_empty() { nodes } else { &general };
    let meant: Vec<&ObjectState> =
        nodes.iter().copied().filter(|node| matches(&pod.node_selector, &node.labels)).collect();
    if meant.is_empty() {
        let detail = format!("no node has the labels {:?}", pod.node_selector);
        return Some(("k8s.workload.SelectorMismatch", detail));
    }
    let open: Vec<&ObjectState> = meant.iter().copied().filter(|node| !node.unschedulable).collect();
    if open.is_empty() {
        return Some(("k8s.workload.NodesCordoned", format!("cordoned: {}", names(&meant))));
    }
    let tolerated: Vec<&ObjectState> =
        open.iter().copied().filter(|node| refused(pod, node).is_none()).collect();
    if tolerated.is_empty() {
        let taints: Vec<&str> = open.iter().filter_map(|node| refused(pod, node)).collect();
        let detail = format!("{} tainted {}", names(&open), taints.join(", "));
        return Some(("k8s.workload.TaintNotTolerated", detail));
    }
    too_large(pod, &tolerated)
}

fn names(nodes: &[&ObjectState]) -> String {
    let names: Vec<&str> = nodes.iter().map(|node| node.entity.name.as_str()).collect();
    names.join(", ")
}

/// Whether a node is kept for a role that a pod does not tolerate.
fn reserved(pod: &PodSpec, node: &ObjectState) -> bool {
    refused(pod, node).is_some_and(|taint| taint.starts_with(ROLE_TAINTS))
}

/// The taint of a node that keeps a pod away.
fn refused<'a>(pod: &PodSpec, node: &'a ObjectState) -> Option<&'a str> {
    let keeps_away = |taint: &&String| {
        !taint.ends_with(":PreferNoSchedule")
            && !taint.starts_with(OWN_TAINTS)
            && !pod.tolerations.iter().any(|toleration| tolerates(toleration, taint))
    };
    node.taints.iter().find(keeps_away).map(String::as_str)
}

/// Both are `key=value:Effect`; an empty part of the toleration tolerates any.
fn tolerates(toleration: &str, taint: &str) -> bool {
    let parts = |text: &str| -> Option<[String; 3]> {
        let (rest, effect) = text.rsplit_once(':')?;
        let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
        Some([key.to_owned(), value.to_owned(), effect.to_owned()])
    };
    let (Some(allowed), Some(present)) = (parts(toleration), parts(taint)) else { return false };
    allowed.iter().zip(&present).all(|(allowed, present)| allowed.is_empty() || allowed == present)
}

/// A request that is larger than all that any of the nodes has.
fn too_large(pod: &PodSpec, nodes: &[&ObjectState]) -> Option<(&'static str, String)> {
    let kinds = [("cpu", "k8s.workload.CpuInsufficient"), ("memory", "k8s.workload.MemoryInsufficient")];
    let mut asked: Vec<&String> =
        pod.containers.iter().flat_map(|container| container.requests.keys()).collect();
    asked.sort();
    asked.dedup();
    asked.into_iter().find_map(|resource| {
        let regular = pod.containers.iter().filter(|container| !container.init);
        let wanted = regular
            .filter_map(|container| container.requests.get(resource))
            .fold(0i64, |sum, request| sum.saturating_add(*request));
        let largest = nodes.iter().filter_map(|node| node.hard.get(resource)).max().copied()?;
        let known = kinds.iter().find(|(name, _)| name == resource);
        let kind = known.map_or("k8s.workload.Unschedulable", |(_, kind)| *kind);
        let detail = format!("requests {wanted}m {resource}; the largest node has {largest}m");
        (largest < wanted).then_some((kind, detail))
    })
}
