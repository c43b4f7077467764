//! Namespaces with one thing wrong.

use serde_json::{Value, json};

use super::checks;
use crate::object::ObjectState;
use crate::object::parse::parse;
use crate::time::EventTime;

mod absence;
mod addresses;
mod placement;
mod ports;
mod storage;

fn states(objects: &[Value]) -> Vec<ObjectState> {
    objects.iter().map(|object| parse(object, EventTime(1_780_000_000_000)).unwrap().unwrap()).collect()
}

fn found(objects: &[Value]) -> Vec<String> {
    let states = states(objects);
    let (signals, _) = checks(&states.iter().collect::<Vec<_>>());
    signals.iter().map(|signal| format!("{} {}", signal.kind.id(), signal.entity)).collect()
}

fn deployment(name: &str, container: Value) -> Value {
    json!({"kind": "Deployment", "metadata": {"name": name, "namespace": "shop"}, "spec": {"replicas": 1,
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"serviceAccountName": name, "containers": [container]}}},
        "status": {"readyReplicas": 1}})
}

fn service(name: &str, selector: Value, target: i64) -> Value {
    json!({"kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": {"selector": selector,
        "ports": [{"name": "grpc", "port": 8080, "targetPort": target, "protocol": "TCP"}]}})
}

fn account(name: &str) -> Value {
    json!({"kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}})
}

fn main_container() -> Value {
    json!({"name": "main", "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "livenessProbe": {"grpc": {"port": 8080}}, "readinessProbe": {"grpc": {"port": 8080}}})
}

#[test]
fn a_sound_namespace_has_no_findings_and_its_edges() {
    let objects =
        [deployment("pay", main_container()), service("pay", json!({"app": "pay"}), 8080), account("pay")];
    assert!(found(&objects).is_empty());
    let states = states(&objects);
    let (_, edges) = checks(&states.iter().collect::<Vec<_>>());
    let shown: Vec<String> = edges.iter().map(|(from, verb, to)| format!("{from} {verb} {to}")).collect();
    assert_eq!(shown, ["service/shop/pay selects deployment/shop/pay"]);
}

#[test]
fn a_selector_that_matches_nothing_is_found_on_the_service() {
    let objects = [
        deployment("pay", main_container()),
        service("pay", json!({"app": "pay", "env": "live"}), 8080),
        account("pay"),
    ];
    assert_eq!(found(&objects), ["k8s.service.SelectorMismatch service/shop/pay"]);
}

#[test]
fn a_target_port_that_nobody_serves_is_found() {
    let objects =
        [deployment("pay", main_container()), service("pay", json!({"app": "pay"}), 9090), account("pay")];
    assert_eq!(found(&objects), ["k8s.service.TargetPortMismatch service/shop/pay"]);
}

#[test]
fn an_address_with_the_wrong_port_is_found_on_the_client() {
    let mut client = main_container();
    client["env"] = json!([{"name": "PAY_ADDR", "value": "pay:9999"}]);
    let objects = [
        deployment("cart", client),
        deployment("pay", main_container()),
        service("pay", json!({"app": "pay"}), 8080),
        account("pay"),
        account("cart"),
    ];
    assert_eq!(found(&objects), ["k8s.service.AddressMismatch deployment/shop/cart"]);
}

#[test]
fn a_missing_service_account_is_found_only_where_accounts_are_seen() {
    assert!(found(&[deployment("pay", main_container())]).is_empty());
    let seen = [deployment("pay", main_container()), account("other")];
    assert_eq!(found(&seen), ["k8s.workload.MissingServiceAccount deployment/shop/pay"]);
}

#[test]
fn a_probe_of_another_protocol_than_the_service_announces_is_found() {
    let mut odd = main_container();
    odd["livenessProbe"] = json!({"httpGet": {"port": 8080, "path": "/"}});
    let objects = [deployment("pay", odd), service("pay", json!({"app": "pay"}), 8080), account("pay")];
    assert_eq!(found(&objects), ["k8s.workload.LivenessProtocolMismatch deployment/shop/pay"]);
}

#[test]
fn a_request_larger_than_every_node_cannot_be_placed() {
    let mut large = deployment("pay", json!({"name": "main", "resources": {"requests": {"cpu": "64"}}}));
    large["status"] = json!({});
    let node = json!({"kind": "Node", "metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "8", "memory": "16Gi"}}});
    assert_eq!(found(&[large, node, account("pay")]), ["k8s.workload.CpuInsufficient deployment/shop/pay"]);
}

#[test]
fn a_misspelled_service_is_told_from_an_optional_peer() {
    let client = |value: &str| {
        let mut client = main_container();
        client["env"] = json!([{"name": "PAY_ADDR", "value": value}]);
        [
            deployment("cart", client),
            deployment("payments", main_container()),
            service("payments", json!({"app": "payments"}), 8080),
            account("payments"),
            account("cart"),
        ]
    };
    assert!(found(&client("payments:8080")).is_empty());
    for misspelled in ["payment:8080", "payments-old:8080", "paymemts:8080"] {
        assert_eq!(
            found(&client(misspelled)),
            ["k8s.service.AddressMismatch deployment/shop/cart"],
            "{misspelled}"
        );
    }
    assert_eq!(found(&client("loyalty:8080")), ["k8s.service.AddressUnknown deployment/shop/cart"]);
}

#[test]
fn a_liveness_probe_is_too_eager_only_where_it_killed() {
    let eager = |delay: i64, startup: bool, restarts: i64| {
        let mut container = main_container();
        container["livenessProbe"] = json!({"grpc": {"port": 8080}, "initialDelaySeconds": delay, "periodSeconds": 1,
            "timeoutSeconds": 1, "failureThreshold": 1});
        if startup {
            container["startupProbe"] = json!({"grpc": {"port": 8080}});
        }
        let pod = json!({"kind": "Pod", "metadata": {"name": "pay-1", "namespace": "shop", "labels": {"app": "pay"}},
            "spec": {}, "status": {"phase": "Running", "containerStatuses": [
                {"name": "main", "ready": true, "restartCount": restarts, "state": {"running": {}}}]}});
        found(&[deployment("pay", container), pod, account("pay")])
    };
    assert_eq!(eager(1, false, 3), ["k8s.workload.ProbeTooEager deployment/shop/pay"]);
    assert!(eager(1, false, 0).is_empty());
    assert!(eager(1, true, 3).is_empty());
    assert!(eager(20, false, 3).is_empty());
}

#[test]
fn a_database_is_told_from_other_services_by_its_port() {
    let client = |port: &str| {
        let mut client = main_container();
        client["env"] = json!([{"name": "DB_HOST", "value": "orders"}, {"name": "DB_PORT", "value": port}]);
        let mut database = service("orders", json!({"app": "orders"}), 8080);
        database["spec"]["ports"][0]["port"] = json!(3306);
        [
            deployment("cart", client),
            deployment("orders", main_container()),
            database,
            account("orders"),
            account("cart"),
        ]
    };
    assert!(found(&client("3306")).is_empty());
    assert_eq!(found(&client("3307")), ["k8s.service.DatabasePortMismatch deployment/shop/cart"]);
}

#[test]
fn two_containers_on_one_port_conflict_where_one_fails() {
    let conflict = |other: i64, ready: bool| {
        let mut pay = deployment("pay", main_container());
        let sidecar = json!({"name": "side", "ports": [{"containerPort": other, "protocol": "TCP"}]});
        pay["spec"]["template"]["spec"]["containers"] = json!([main_container(), sidecar]);
        let pod = json!({"kind": "Pod", "metadata": {"name": "pay-1", "namespace": "shop", "labels": {"app": "pay"}},
            "spec": {}, "status": {"phase": "Running", "containerStatuses": [
                {"name": "side", "ready": ready, "restartCount": 0, "state": {"running": {}}}]}});
        found(&[pay, pod, account("pay")])
    };
    assert_eq!(conflict(8080, false), ["k8s.workload.PortConflict deployment/shop/pay"]);
    assert!(conflict(8080, true).is_empty());
    assert!(conflict(9090, false).is_empty());
}

#[test]
fn a_route_to_a_service_that_does_not_exist_is_found() {
    let ingress = |backend: &str| {
        json!({"kind": "Ingress", "metadata": {"name": "edge", "namespace": "shop"},
            "spec": {"defaultBackend": {"service": {"name": backend}}}})
    };
    let pay =
        [deployment("pay", main_container()), service("pay", json!({"app": "pay"}), 8080), account("pay")];
    assert!(found(&[&pay[..], &[ingress("pay")]].concat()).is_empty());
    let objects = [&pay[..], &[ingress("paid")]].concat();
    assert_eq!(found(&objects), ["k8s.ingress.BackendMissing ingress/shop/edge"]);
}
