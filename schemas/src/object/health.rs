//! Since when an object is seen to be well: the other side of `object::signals`.
//!
//! An Event tells that something went wrong and never that it is over. Its object does: a node that is ready again, a
//! pod all of whose containers run and are ready, a workload with all its replicas have no trouble of the past any more.

use crate::entity::EntityKind;
use crate::object::signals::signals;
use crate::object::{ContainerState, ObjectState};
use crate::time::EventTime;

/// Phase of a pod that is being stopped.
pub(crate) const TERMINATING: &str = "Terminating";

/// The latest instant since which a state is known to be well; `None` when it is not, or when the object shows no health.
pub fn well_since(state: &ObjectState) -> Option<EventTime> {
    let known = match state.entity.kind {
        EntityKind::Pod => return pod(state),
        EntityKind::Node => turned(state, "Ready"),
        EntityKind::Deployment | EntityKind::StatefulSet | EntityKind::DaemonSet => {
            let replicas = state.replicas.as_ref()?;
            (0 < replicas.desired && replicas.desired <= replicas.available).then_some(state.at)
        }
        _ => None,
    };
    known.filter(|_| signals(state).iter().all(|signal| signal.kind.id() == "k8s.node.Cordoned"))
}

/// A pod that ended as it should or is being stopped owes nothing; one that runs is well once it is ready.
fn pod(state: &ObjectState) -> Option<EventTime> {
    if state.phase == "Succeeded" || state.phase == TERMINATING {
        return Some(state.at);
    }
    let started = |container: &crate::object::ContainerStatus| match &container.state {
        ContainerState::Running { started } if container.ready => Some(started.unwrap_or(state.at)),
        _ => None,
    };
    let mut regular = state.containers.iter().filter(|container| !container.init).peekable();
    regular.peek()?;
    let started = regular.map(started).try_fold(EventTime(i64::MIN), |last, at| Some(last.max(at?)))?;
    turned(state, "Ready").map(|ready| ready.max(started).min(state.at))
}

/// When a condition became true, if it is.
fn turned(state: &ObjectState, name: &str) -> Option<EventTime> {
    let held =
        state.conditions.iter().find(|condition| condition.name == name && condition.status == "True")?;
    Some(held.since.unwrap_or(state.at).min(state.at))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::object::parse::parse;

    const AT: EventTime = EventTime(1_780_000_000_000);

    fn since(object: &Value) -> Option<EventTime> {
        well_since(&parse(object, AT).unwrap().unwrap())
    }

    fn pod(ready: bool) -> Value {
        let word = if ready { "True" } else { "False" };
        json!({"kind": "Pod", "metadata": {"name": "cart-1", "namespace": "shop"}, "spec": {}, "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": word}],
            "containerStatuses": [{"name": "c", "ready": ready, "restartCount": 2, "state": {"running": {"startedAt": "2026-05-01T10:00:00Z"}}}]}})
    }

    #[test]
    fn a_pod_is_well_since_it_is_ready() {
        assert_eq!(since(&pod(true)), Some(AT));
        assert_eq!(since(&pod(false)), None);
    }

    #[test]
    fn a_pod_that_is_being_stopped_owes_nothing() {
        let mut stopped = pod(false);
        stopped["metadata"]["deletionTimestamp"] = json!("2026-05-01T10:00:00Z");
        assert_eq!(since(&stopped), Some(AT));
    }

    #[test]
    fn a_node_under_pressure_is_not_well_and_a_cordoned_one_is() {
        let node = |pressure: &str, cordoned: bool| {
            json!({"kind": "Node", "metadata": {"name": "n1"}, "spec": {"unschedulable": cordoned}, "status": {"conditions": [
                {"type": "Ready", "status": "True", "lastTransitionTime": "2026-05-01T10:00:00Z"}, {"type": "DiskPressure", "status": pressure}]}})
        };
        assert_eq!(since(&node("False", true)), EventTime::parse("2026-05-01T10:00:00Z").ok());
        assert_eq!(since(&node("True", false)), None);
    }

    #[test]
    fn a_workload_is_well_with_all_its_replicas() {
        let workload = |ready: i64| {
            json!({"kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"replicas": 3},
            "status": {"readyReplicas": ready, "availableReplicas": ready}})
        };
        assert_eq!(since(&workload(3)), Some(AT));
        assert_eq!(since(&workload(2)), None);
    }
}
