//! Nodes: readiness, pressure, cordon.

use super::{condition_says, says};
use crate::fact::Signal;
use crate::object::ObjectState;

/// Conditions whose bad value is `True`.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "k8s.node.MemoryPressure"),
    ("DiskPressure", "k8s.node.DiskPressure"),
    ("PIDPressure", "k8s.node.PIDPressure"),
    ("NetworkUnavailable", "k8s.node.NetworkUnavailable"),
];

pub(super) fn signals(state: &ObjectState) -> Vec<Signal> {
    let mut found = Vec::new();
    for condition in &state.conditions {
        if condition.name == "Ready" && condition.status != "True" {
            found.push(condition_says(state, condition, "k8s.node.NotReady"));
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
