//! What is not there, and why.

use serde_json::{Value, json};

use super::{account, deployment, found, main_container, service};

fn quota(hard: Value, used: Value) -> Value {
    json!({"kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "shop"}, "status": {"hard": hard, "used": used}})
}

fn pending(status: Value, spec: Value) -> Value {
    json!({"kind": "Pod", "metadata": {"name": "pay-1", "namespace": "shop", "labels": {"app": "pay"},
        "creationTimestamp": "2026-05-28T20:25:00Z"}, "spec": spec, "status": status})
}

#[test]
fn a_full_service_quota_matters_where_a_workload_has_no_service() {
    let full = quota(json!({"services": "1"}), json!({"services": "1"}));
    let pay =
        [deployment("pay", main_container()), service("pay", json!({"app": "pay"}), 8080), account("pay")];
    assert!(found(&[&pay[..], std::slice::from_ref(&full)].concat()).is_empty());
    let lacking = [deployment("cart", main_container()), account("cart")];
    let objects = [&pay[..], &lacking, &[full]].concat();
    assert_eq!(found(&objects), ["k8s.quota.ServicesExceeded namespace/shop"]);
    let roomy = quota(json!({"services": "9"}), json!({"services": "1"}));
    assert!(found(&[&pay[..], &lacking, &[roomy]].concat()).is_empty());
}

#[test]
fn a_storage_quota_without_room_explains_a_claim_that_is_missing() {
    let waits = || {
        let spec = json!({"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]});
        pending(
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}),
            spec,
        )
    };
    let left = |hard: &str| quota(json!({"requests.storage": hard}), json!({"requests.storage": "1Gi"}));
    let free = json!({"kind": "PersistentVolume", "metadata": {"name": "disk"},
        "spec": {"capacity": {"storage": "5Gi"}}, "status": {"phase": "Available"}});
    assert_eq!(found(&[waits(), left("2Gi"), free.clone()]), ["k8s.quota.StorageExceeded namespace/shop"]);
    assert!(found(&[waits(), left("20Gi"), free.clone()]).is_empty());
    let claim = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"}});
    assert!(found(&[waits(), left("2Gi"), free, claim]).is_empty());
}

#[test]
fn silence_about_an_old_pod_is_the_trace_of_a_scheduler_that_is_down() {
    let home = json!({"kind": "Node", "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/control-plane": ""}}});
    let worker = json!({"kind": "Node", "metadata": {"name": "n2"}});
    let silent = pending(json!({"phase": "Pending"}), json!({}));
    assert_eq!(found(&[silent, home.clone(), worker.clone()]), ["k8s.node.SchedulerDown node/n1"]);
    let refused = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]});
    assert!(found(&[pending(refused, json!({})), home.clone(), worker.clone()]).is_empty());
    let placed = pending(json!({"phase": "Pending"}), json!({"nodeName": "n2"}));
    assert!(found(&[placed, home.clone(), worker.clone()]).is_empty());
    let mut young = pending(json!({"phase": "Pending"}), json!({}));
    young["metadata"]["creationTimestamp"] = json!("2026-05-28T20:26:30Z");
    assert!(found(&[young, home, worker]).is_empty());
}
