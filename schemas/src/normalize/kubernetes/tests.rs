//! The traps of Kubernetes Events.

use serde_json::{Value, json};

use super::normalize;
use crate::envelope::{CorrelationIds, Envelope, EnvelopeEntity, Severity};
use crate::fact::{Fact, Normalized};
use crate::ids::EventId;
use crate::time::EventTime;

fn normalized(payload: &Value) -> Normalized {
    let envelope = Envelope {
        tenant_id: "shop".parse().unwrap(),
        source: "kubernetes".to_owned(),
        event_type: "event".to_owned(),
        ts: EventTime::parse("2026-05-01T10:05:00Z").unwrap(),
        correlation_ids: CorrelationIds::default(),
        entity: EnvelopeEntity::default(),
        severity: Severity::Warning,
        payload: payload.to_string(),
        ingest_id: EventId(1),
        schema_version: 1,
    };
    normalize(&envelope, payload).unwrap()
}

fn kinds(object: &str, reason: &str, message: &str) -> Vec<String> {
    let payload = json!({"kind": "Event", "metadata": {"name": "e", "namespace": "shop"}, "reason": reason, "message": message,
        "involvedObject": {"kind": object, "namespace": "shop", "name": "cart-1"}});
    let facts = normalized(&payload).facts;
    facts
        .iter()
        .map(|fact| match fact {
            Fact::Signal(signal) => format!("{} {}", signal.kind.id(), signal.entity),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn back_off_is_told_apart_by_its_message() {
    assert_eq!(
        kinds("Pod", "BackOff", "Back-off restarting failed container main"),
        ["k8s.pod.BackOffRestart pod/shop/cart-1"]
    );
    assert_eq!(
        kinds("Pod", "BackOff", "Back-off pulling image \"reg.example/cart:9\""),
        ["k8s.pod.BackOffPull pod/shop/cart-1"]
    );
}

#[test]
fn failed_has_several_meanings() {
    let kind = |message: &str| kinds("Pod", "Failed", message).remove(0);
    assert_eq!(
        kind("Error: couldn't find key URL in ConfigMap shop/db"),
        "k8s.pod.ConfigError pod/shop/cart-1"
    );
    assert_eq!(kind("Failed to pull image \"x\": not found"), "k8s.pod.ImageNotFound pod/shop/cart-1");
    assert_eq!(kind("Error: ImagePullBackOff"), "k8s.pod.BackOffPull pod/shop/cart-1");
    assert_eq!(
        kind("Error: failed to start container \"main\": exec: \"/srv\": not there"),
        "k8s.pod.ContainerCannotRun pod/shop/cart-1"
    );
}

#[test]
fn a_refusing_quota_speaks_of_its_namespace_too() {
    let found = kinds(
        "ReplicaSet",
        "FailedCreate",
        "Error creating: pods \"cart-\" is forbidden: exceeded quota: q, requested: cpu=1, used: cpu=4, limited: cpu=4",
    );
    assert_eq!(
        found,
        ["k8s.quota.CpuExceeded namespace/shop", "k8s.workload.FailedCreate replicaset/shop/cart-1"]
    );
}

#[test]
fn node_pressure_counts_although_it_is_a_normal_event() {
    assert_eq!(
        kinds("Node", "NodeHasDiskPressure", "Node n1 status is now: NodeHasDiskPressure"),
        ["k8s.node.DiskPressure node/cart-1"]
    );
}

#[test]
fn a_folded_event_is_a_run() {
    let payload = json!({"kind": "Event", "metadata": {"name": "e", "namespace": "shop", "uid": "u"}, "reason": "Unhealthy",
        "message": "Readiness probe failed: dial tcp", "count": 12, "firstTimestamp": "2026-05-01T10:00:00Z",
        "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "cart-1"}});
    let found = normalized(&payload);
    let Fact::Signal(signal) = &found.facts[0] else { panic!("no signal") };
    assert_eq!((signal.count, signal.last.ms_since(signal.onset)), (12, 300_000));
    assert_eq!(found.revision, 12);
    assert!(found.key.is_some());
}

#[test]
fn each_resource_has_its_own_refusal() {
    let refused = |resource: &str| {
        let message = format!(
            "pods \"cart-\" is forbidden: exceeded quota: q, requested: {resource}=1, used: {resource}=9"
        );
        kinds("ReplicaSet", "FailedCreate", &message).remove(0)
    };
    let expected = [
        ("limits.memory", "MemoryExceeded"),
        ("pods", "PodsExceeded"),
        ("count/services", "ServicesExceeded"),
        ("requests.storage", "StorageExceeded"),
        ("requests.nvidia.com/gpu", "Refused"),
    ];
    for (resource, kind) in expected {
        assert_eq!(refused(resource), format!("k8s.quota.{kind} namespace/shop"));
    }
}

#[test]
fn the_scheduler_says_why_no_node_fits() {
    let why = |reasons: &str| {
        let message = format!(
            "0/5 nodes are available: {reasons}. preemption: 0/5 nodes are available: 5 No preemption victims found."
        );
        kinds("Pod", "FailedScheduling", &message).into_iter().find(|kind| !kind.contains("FailedScheduling"))
    };
    let expected = [
        ("1 node(s) were unschedulable, 4 Insufficient cpu", "CpuInsufficient"),
        ("2 Insufficient memory, 3 node(s) didn't match Pod's node affinity/selector", "MemoryInsufficient"),
        (
            "1 node(s) were unschedulable, 4 node(s) didn't match Pod's node affinity/selector",
            "AffinityMismatch",
        ),
        (
            "4 node(s) were unschedulable, 1 node(s) didn't match Pod's node affinity/selector",
            "NodesCordoned",
        ),
        ("5 node(s) were unschedulable", "NodesCordoned"),
        ("4 node(s) had untolerated taint {team: a}, 1 node(s) were unschedulable", "TaintNotTolerated"),
        ("5 node(s) didn't match pod anti-affinity rules", "AntiAffinityConflict"),
    ];
    for (reasons, kind) in expected {
        assert_eq!(why(reasons), Some(format!("k8s.pod.{kind} pod/shop/cart-1")), "{reasons}");
    }
    assert_eq!(why("5 node(s) had untolerated taint {node.kubernetes.io/not-ready: }"), None);
    assert_eq!(
        why("persistentvolumeclaim \"data\" not found"),
        Some("k8s.claim.Missing claim/shop/data".to_owned())
    );
}

#[test]
fn a_start_that_ran_out_of_memory_is_no_sandbox_failure() {
    let message = "Failed to create pod sandbox: container init was OOM-killed (memory limit too low?)";
    assert_eq!(kinds("Pod", "FailedCreatePodSandBox", message), ["k8s.pod.OOMKilled pod/shop/cart-1"]);
    let other = "Failed to create pod sandbox: network plugin is not ready";
    assert_eq!(kinds("Pod", "FailedCreatePodSandBox", other), ["k8s.pod.FailedSandbox pod/shop/cart-1"]);
}

#[test]
fn a_daemon_that_starts_again_and_again_is_told_from_one_that_started() {
    let started = |count: i64| {
        let payload = json!({"kind": "Event", "metadata": {"name": "e"}, "reason": "Starting", "count": count,
            "reportingComponent": "kube-proxy", "involvedObject": {"kind": "Node", "name": "n1"}});
        match normalized(&payload).facts.remove(0) {
            Fact::Signal(signal) => signal.kind.id(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(started(1), "k8s.node.Lifecycle");
    assert_eq!(started(4), "k8s.node.ProxyDown");
}

#[test]
fn a_probe_that_is_answered_in_another_protocol_says_so() {
    let probe = |message: &str| kinds("Pod", "Unhealthy", message);
    assert_eq!(
        probe(
            "Liveness probe failed: Get \"http://10.0.0.1:3306/\": net/http: malformed HTTP response \"J\""
        ),
        [
            "k8s.workload.LivenessProtocolMismatch pod/shop/cart-1",
            "k8s.pod.UnhealthyLiveness pod/shop/cart-1"
        ]
    );
    assert_eq!(
        probe("Readiness probe failed: http: server gave HTTP response to HTTPS client"),
        [
            "k8s.workload.ReadinessProtocolMismatch pod/shop/cart-1",
            "k8s.pod.UnhealthyReadiness pod/shop/cart-1"
        ]
    );
    assert_eq!(
        probe("Readiness probe failed: dial tcp 10.0.0.1:80: connect: connection refused"),
        ["k8s.pod.UnhealthyReadiness pod/shop/cart-1"]
    );
}
