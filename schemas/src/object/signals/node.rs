//! Nodes: readiness, pressure, cordon.

use super::{condition_says, says};
use crate::fact::Signal;
use crate::object::{Condition, ObjectState};

/// Conditions whose bad value is `True`.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "k8s.node.MemoryPressure"),
    ("DiskPressure", "k8s.node.DiskPressure"),
    ("PIDPressure", "k8s.node.PIDPressure"),
    ("NetworkUnavailable", "k8s.node.NetworkUnavailable"),
];

/// How long a node is given before its condition turns: a kubelet may be silent for 40 s, a container runtime for 30 s
/// (defaults of Kubernetes). What is down was down that long before.
const GRACE_MS: i64 = 40_000;
/// The kubelet's words for a node without a network plugin.
const NETWORK_MISSING: &str = "container runtime network not ready";

pub(super) fn signals(state: &ObjectState) -> Vec<Signal> {
    let mut found = Vec::new();
    for condition in &state.conditions {
        if condition.name == "Ready" && condition.status != "True" {
            found.push(not_ready(state, condition));
        }
        let pressure =
            PRESSURES.iter().find(|(name, _)| *name == condition.name && condition.status == "True");
        found.extend(pressure.map(|(_, kind)| condition_says(state, condition, kind)));
    }
    if state.unschedulable {
        found.push(says(state, "k8s.node.Cordoned", "node is unschedulable"));
    }
    found
}

/// Which daemon of the node is down, by who says so: a kubelet that runs tells what is wrong, one that does not is given
/// up by the node controller.
fn not_ready(state: &ObjectState, condition: &Condition) -> Signal {
    // A runtime that says that its network is missing runs.
    let text = condition.message.to_ascii_lowercase().replace(NETWORK_MISSING, "");
    let kind = if condition.status == "Unknown" {
        "k8s.node.KubeletDown"
    } else if text.contains("container runtime") || text.contains("pleg") {
        "k8s.node.RuntimeDown"
    } else if condition.message.contains(NETWORK_MISSING) {
        return condition_says(state, condition, "k8s.node.NetworkUnavailable");
    } else {
        return condition_says(state, condition, "k8s.node.NotReady");
    };
    let mut signal = condition_says(state, condition, kind);
    signal.onset = signal.onset.plus_ms(-GRACE_MS);
    signal.earliest = signal.earliest.min(signal.onset);
    signal
}
