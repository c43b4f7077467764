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
        "Error creating: pods \"cart-\" is forbidden: exceeded quota: q, requested: cpu=1",
    );
    assert_eq!(
        found,
        ["k8s.quota.Refused namespace/shop", "k8s.workload.FailedCreate replicaset/shop/cart-1"]
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
