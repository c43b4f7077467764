//! One state at a time.

use serde_json::{Value, json};

use super::signals;
use crate::object::parse::parse;
use crate::time::EventTime;

const AT: EventTime = EventTime(1_780_000_000_000);

fn kinds(object: Value) -> Vec<&'static str> {
    let state = parse(&object, AT).unwrap().unwrap();
    signals(&state).iter().map(|signal| signal.kind.id()).collect()
}

fn pod(status: Value) -> Value {
    json!({"kind": "Pod", "metadata": {"name": "cart-1", "namespace": "shop"}, "spec": {}, "status": status})
}

#[test]
fn a_container_killed_for_memory_says_so_from_its_status() {
    let found = kinds(pod(
        json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}),
    ));
    assert_eq!(found, ["k8s.pod.CrashLoopBackOff", "k8s.pod.OOMKilled"]);
}

#[test]
fn a_completed_pod_says_nothing() {
    let found = kinds(pod(
        json!({"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "False", "reason": "PodCompleted"}],
        "containerStatuses": [{"name": "c", "ready": false, "state": {"terminated": {"reason": "Completed", "exitCode": 0}}}]}),
    ));
    assert!(found.is_empty());
}

#[test]
fn a_pull_that_is_refused_is_not_a_missing_image() {
    let waiting = |message: &str| {
        pod(json!({"phase": "Pending", "containerStatuses": [{"name": "c", "ready": false,
        "state": {"waiting": {"reason": "ErrImagePull", "message": message}}}]}))
    };
    assert_eq!(kinds(waiting("401 Unauthorized")), ["k8s.pod.ImagePullAuth"]);
    assert_eq!(kinds(waiting("reg.example/cart:9: not found")), ["k8s.pod.ImageNotFound"]);
    assert_eq!(kinds(waiting("dial tcp: lookup reg.example: no such host")), ["k8s.pod.RegistryUnavailable"]);
}

#[test]
fn healthy_node_conditions_say_nothing() {
    let found = kinds(json!({"kind": "Node", "metadata": {"name": "n1"}, "status": {"conditions": [
        {"type": "Ready", "status": "True"}, {"type": "MemoryPressure", "status": "False"}]}}));
    assert!(found.is_empty());
}

#[test]
fn a_node_of_unknown_state_has_lost_its_kubelet() {
    let found = kinds(json!({"kind": "Node", "metadata": {"name": "n1"}, "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}]}}));
    assert_eq!(found, ["k8s.node.KubeletDown", "k8s.node.Cordoned"]);
}

#[test]
fn a_quota_is_exhausted_when_all_of_it_is_used() {
    let quota = |used: &str| {
        json!({"kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "shop"},
        "status": {"hard": {"pods": "10"}, "used": {"pods": used}}})
    };
    assert_eq!(kinds(quota("10")), ["k8s.quota.Exhausted"]);
    assert!(kinds(quota("9")).is_empty());
}

#[test]
fn a_stuck_rollout_and_its_missing_replicas_are_told_apart() {
    let found = kinds(
        json!({"kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"replicas": 3},
        "status": {"readyReplicas": 2, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
            {"type": "ReplicaFailure", "status": "True", "message": "pods \"cart-\" is forbidden: exceeded quota: q"}]}}),
    );
    assert_eq!(
        found,
        [
            "k8s.workload.ProgressDeadlineExceeded",
            "k8s.workload.FailedCreate",
            "k8s.workload.ReplicaMismatch"
        ]
    );
}

#[test]
fn a_kubelet_that_runs_says_what_is_down() {
    let ready = |message: &str| {
        kinds(json!({"kind": "Node", "metadata": {"name": "n1"}, "status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": message}]}}))
    };
    assert_eq!(ready("container runtime is down"), ["k8s.node.RuntimeDown"]);
    assert_eq!(ready("network plugin not initialized"), ["k8s.node.NotReady"]);
    let network = "container runtime network not ready: NetworkReady=false";
    assert_eq!(ready(network), ["k8s.node.NetworkUnavailable"]);
    assert_eq!(ready(&format!("[container runtime is down, {network}]")), ["k8s.node.RuntimeDown"]);
}

#[test]
fn a_refused_pull_of_an_official_image_means_that_it_is_not_there() {
    let pull = |image: &str| {
        let message = format!("failed to resolve reference \"{image}\": 403 Forbidden");
        kinds(pod(json!({"phase": "Pending", "containerStatuses": [{"name": "c", "ready": false,
            "state": {"waiting": {"reason": "ErrImagePull", "message": message}}}]})))
    };
    assert_eq!(pull("docker.io/library/nginx:x"), ["k8s.pod.ImageNotFound"]);
    assert_eq!(pull("reg.example/team/app:x"), ["k8s.pod.ImagePullAuth"]);
}

#[test]
fn a_secret_that_is_not_found_is_told_from_other_configuration_errors() {
    let waiting = |message: &str| {
        kinds(pod(json!({"phase": "Pending", "containerStatuses": [{"name": "c", "ready": false,
            "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}]})))
    };
    assert_eq!(waiting("secret \"db\" not found"), ["k8s.pod.SecretMissing"]);
    assert_eq!(waiting("configmap \"app\" not found"), ["k8s.pod.ConfigError"]);
}

#[test]
fn the_scheduler_is_understood_in_the_words_of_all_its_versions() {
    let why = |reasons: &str| {
        let message = format!("0/4 nodes are available: {reasons}");
        super::scheduling_failure(&message).unwrap_or_default()
    };
    let home = "1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }";
    let cases = [
        (
            format!(
                "{home}, 3 node(s) had untolerated taint {{team: a}}. preemption: 0/4 nodes are available"
            ),
            "TaintNotTolerated",
        ),
        (
            "1 node(s) had taint {team: a}, that the pod didn't tolerate, 1 Insufficient cpu.".to_owned(),
            "TaintNotTolerated",
        ),
        (
            "4 node(s) had untolerated taint(s). no new claims to deallocate, preemption: none".to_owned(),
            "TaintNotTolerated",
        ),
        ("4 node(s) didn't match node selector.".to_owned(), "AffinityMismatch"),
        (
            format!("{home}, 3 Insufficient memory. no new claims to deallocate, preemption: none"),
            "MemoryInsufficient",
        ),
        (format!("{home}, 3 node(s) were unschedulable."), "NodesCordoned"),
    ];
    for (reasons, kind) in cases {
        assert_eq!(why(&reasons), format!("k8s.pod.{kind}"), "{reasons}");
    }
}
