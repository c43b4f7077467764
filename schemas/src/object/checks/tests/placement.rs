//! Pods that find no node.

use serde_json::{Value, json};

use super::{deployment, found, main_container};

fn node(name: &str, labels: Value, spec: Value) -> Value {
    json!({"kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec,
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}})
}

fn tainted(key: &str) -> Value {
    json!({"taints": [{"key": key, "value": "yes", "effect": "NoSchedule"}]})
}

fn waiting(pod_spec: Value, nodes: &[Value]) -> Vec<String> {
    let mut short = deployment("pay", main_container());
    short["status"] = json!({});
    if let Some(fields) = pod_spec.as_object() {
        for (name, value) in fields {
            short["spec"]["template"]["spec"][name] = value.clone();
        }
    }
    let pod = json!({"kind": "Pod", "metadata": {"name": "pay-1", "namespace": "shop", "labels": {"app": "pay"}},
        "spec": {}, "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}});
    found(&[&[short, pod], nodes].concat())
}

#[test]
fn nothing_is_said_where_a_node_fits() {
    let nodes = [node("a", json!({"disk": "fast"}), json!({})), node("b", json!({}), tainted("gpu"))];
    assert!(waiting(json!({"nodeSelector": {"disk": "fast"}}), &nodes).is_empty());
}

#[test]
fn a_selector_that_no_node_satisfies_is_found() {
    let nodes = [node("a", json!({"disk": "slow"}), json!({}))];
    let found = waiting(json!({"nodeSelector": {"disk": "fast"}}), &nodes);
    assert_eq!(found, ["k8s.workload.SelectorMismatch deployment/shop/pay"]);
}

#[test]
fn the_nodes_that_are_meant_decide() {
    let fast = json!({"disk": "fast"});
    let selects = json!({"nodeSelector": {"disk": "fast"}});
    let free = node("b", json!({}), json!({}));
    let cordoned = [node("a", fast.clone(), json!({"unschedulable": true})), free.clone()];
    assert_eq!(waiting(selects.clone(), &cordoned), ["k8s.workload.NodesCordoned deployment/shop/pay"]);
    let refusing = [node("a", fast, tainted("team")), free];
    assert_eq!(waiting(selects, &refusing), ["k8s.workload.TaintNotTolerated deployment/shop/pay"]);
}

#[test]
fn a_taint_that_is_tolerated_or_that_kubernetes_set_keeps_nobody_away() {
    let tolerates = json!({"tolerations": [{"key": "team", "operator": "Exists"}]});
    assert!(waiting(tolerates, &[node("a", json!({}), tainted("team"))]).is_empty());
    assert!(waiting(json!({}), &[node("a", json!({}), tainted("node.kubernetes.io/not-ready"))]).is_empty());
}

#[test]
fn a_workload_whose_pods_all_have_nodes_is_not_kept_out() {
    let mut short = deployment("pay", main_container());
    short["status"] = json!({});
    let pod = json!({"kind": "Pod", "metadata": {"name": "pay-1", "namespace": "shop", "labels": {"app": "pay"}},
        "spec": {"nodeName": "a"}, "status": {"phase": "Running"}});
    assert!(found(&[short, pod, node("a", json!({}), tainted("team"))]).is_empty());
}

#[test]
fn nodes_that_are_kept_for_a_role_were_never_meant() {
    let home = node("a", json!({}), tainted("node-role.kubernetes.io/control-plane"));
    let cordoned = node("b", json!({}), json!({"unschedulable": true}));
    assert_eq!(waiting(json!({}), &[home, cordoned]), ["k8s.workload.NodesCordoned deployment/shop/pay"]);
}
