//! Ports by name, and ports of a sibling.

use serde_json::{Value, json};

use super::{account, deployment, found, main_container, service};

/// A service that asks for a port by name, in front of a ready pod.
fn by_name(container_port: Value, addresses: Value) -> Vec<String> {
    let mut front = service("pay", json!({"app": "pay"}), 0);
    front["spec"]["ports"][0]["targetPort"] = json!("web");
    let pod = json!({"kind": "Pod", "metadata": {"name": "pay-1", "namespace": "shop", "labels": {"app": "pay"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "ports": [container_port]}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
    let behind = json!({"kind": "Endpoints", "metadata": {"name": "pay", "namespace": "shop"}, "subsets": [{"addresses": addresses}]});
    found(&[
        deployment("pay", json!({"name": "main", "ports": [container_port]})),
        front,
        pod,
        behind,
        account("pay"),
    ])
}

#[test]
fn a_name_that_the_source_does_not_show_is_judged_by_the_endpoints() {
    let (hidden, wrong) =
        (json!({"containerPort": 8080}), ["k8s.service.TargetPortMismatch service/shop/pay"]);
    assert!(by_name(hidden.clone(), json!([{"ip": "10.0.0.1"}])).is_empty());
    assert_eq!(by_name(hidden, json!([])), wrong);
    let shown = |name: &str| json!({"containerPort": 8080, "name": name});
    assert!(by_name(shown("web"), json!([{"ip": "10.0.0.1"}])).is_empty());
    assert_eq!(by_name(shown("grpc"), json!([{"ip": "10.0.0.1"}])), wrong);
}

#[test]
fn a_probe_may_ask_for_a_port_by_name_or_one_of_a_sibling() {
    let probed = |port: Value| {
        let mut pay = deployment("pay", main_container());
        let containers = &mut pay["spec"]["template"]["spec"]["containers"];
        containers[0]["livenessProbe"] = json!({"tcpSocket": {"port": port}});
        *containers = json!([containers[0], {"name": "side", "ports": [{"containerPort": 15021}]}]);
        found(&[pay, account("pay")])
    };
    assert!(probed(json!("web")).is_empty());
    assert!(probed(json!(15021)).is_empty());
    assert_eq!(probed(json!(9999)), ["k8s.workload.LivenessPortMismatch deployment/shop/pay"]);
}
