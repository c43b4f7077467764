//! Objects in their published shapes.

use serde_json::json;

use super::*;

const AT: EventTime = EventTime(1_780_000_000_000);

fn state(object: Value) -> ObjectState {
    parse(&object, AT).unwrap().unwrap()
}

#[test]
fn a_crash_looping_pod_shows_its_container_state() {
    let pod = state(json!({
        "kind": "Pod", "metadata": {"name": "cart-1", "namespace": "shop", "resourceVersion": "7",
            "ownerReferences": [{"kind": "ReplicaSet", "name": "cart-abc", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "reg.example/cart:2",
            "livenessProbe": {"grpc": {"port": 7070}, "timeoutSeconds": 1},
            "env": [{"name": "DB", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}],
            "resources": {"limits": {"memory": "64Mi"}}}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "main", "restartCount": 4, "ready": false,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}
    }));
    assert_eq!(pod.owners, [Entity::namespaced(EntityKind::ReplicaSet, "shop", "cart-abc")]);
    assert_eq!(pod.resource_version, 7);
    let spec = pod.pod.as_ref().unwrap();
    assert_eq!(spec.containers[0].limits["memory"], 64 * 1_024 * 1_024 * 1_000);
    assert_eq!(spec.containers[0].probes[0].handler, "grpc");
    assert_eq!(spec.containers[0].env_from[0].entity.name, "db");
    assert!(
        matches!(&pod.containers[0].last, crate::object::ContainerState::Terminated { reason, .. } if reason == "OOMKilled")
    );
}

#[test]
fn a_slice_is_the_state_of_its_service() {
    let slice = state(json!({
        "kind": "EndpointSlice",
        "metadata": {"name": "cart-x9", "namespace": "shop", "labels": {"kubernetes.io/service-name": "cart"}},
        "endpoints": [
            {"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "cart-1"}},
            {"addresses": ["10.0.0.2"], "conditions": {"ready": false}}
        ]
    }));
    assert_eq!(slice.entity, Entity::namespaced(EntityKind::Service, "shop", "cart"));
    let endpoints = slice.endpoints.unwrap();
    assert_eq!(
        (endpoints.ready, endpoints.not_ready),
        (vec!["cart-1".to_owned()], vec!["10.0.0.2".to_owned()])
    );
}

#[test]
fn fields_of_the_wrong_type_do_not_hide_the_object() {
    let odd = state(json!({
        "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop", "labels": 7, "ownerReferences": "x"},
        "spec": {"replicas": "three", "template": []}, "status": {"conditions": {"a": 1}}
    }));
    assert_eq!(odd.replicas.unwrap().desired, 1);
}

#[test]
fn an_object_without_a_name_is_an_invalid_field() {
    assert!(parse(&json!({"kind": "Pod", "metadata": {}}), AT).is_err());
}

#[test]
fn two_quotas_of_a_namespace_are_two_objects_of_one_entity() {
    let quota = |name: &str| {
        state(json!({"kind": "ResourceQuota", "metadata": {"name": name, "namespace": "shop"},
        "status": {"hard": {"pods": "10"}, "used": {"pods": "10"}}}))
    };
    let (left, right) = (quota("a"), quota("b"));
    assert_eq!(left.entity, right.entity);
    assert_ne!(left.uid, right.uid);
}
