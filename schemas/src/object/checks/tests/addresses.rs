//! Addresses in environments, config maps and routes.

use serde_json::{Value, json};

use super::{account, checks, deployment, found, main_container, service, states};

/// A client with one variable, beside a service `pay` on port 8080.
fn client(name: &str, value: &str) -> Vec<String> {
    let mut container = main_container();
    container["env"] = json!([{"name": name, "value": value}]);
    found(&[&[deployment("cart", container), account("cart")], &pay()[..]].concat())
}

fn pay() -> [Value; 3] {
    [deployment("pay", main_container()), service("pay", json!({"app": "pay"}), 8080), account("pay")]
}

#[test]
fn a_host_may_carry_its_namespace() {
    assert!(client("PAY_URL", "http://pay.shop.svc.cluster.local:8080/v1").is_empty());
    assert!(client("PAY_URL", "http://pay.shop:8080").is_empty());
    let misspelled = ["k8s.service.AddressMismatch deployment/shop/cart"];
    assert_eq!(client("PAY_URL", "http://pay.shop.svc:9090"), misspelled);
    assert_eq!(
        client("PAY_URL", "http://payy.shop.svc:8080"),
        ["k8s.service.AddressUnknown deployment/shop/cart"]
    );
}

#[test]
fn a_service_that_is_here_is_not_expected_in_another_namespace() {
    let unknown = ["k8s.service.AddressUnknown deployment/shop/cart"];
    assert_eq!(client("PAY_URL", "http://pay.store.svc.cluster.local:8080"), unknown);
    assert!(client("MAIL_URL", "http://mail.store.svc.cluster.local:25").is_empty());
    assert!(client("BANK_URL", "https://bank.example.com").is_empty());
}

#[test]
fn a_scheme_stands_for_its_port() {
    assert_eq!(client("PAY_URL", "http://pay/v1"), ["k8s.service.AddressMismatch deployment/shop/cart"]);
    assert!(client("PAY_NAME", "pay").is_empty());
}

/// A proxy that mounts a config map, beside the service `pay`.
fn proxy(text: &str) -> Vec<Value> {
    let mut proxy = deployment("edge", json!({"name": "main"}));
    proxy["spec"]["template"]["spec"]["volumes"] = json!([{"configMap": {"name": "routes"}}]);
    let map = json!({"kind": "ConfigMap", "metadata": {"name": "routes", "namespace": "shop"}, "data": {"conf": text}});
    let in_front = service("edge", json!({"app": "edge"}), 8080);
    [&[proxy, map, in_front, account("edge")], &pay()[..]].concat()
}

#[test]
fn routes_of_a_config_map_lead_somewhere() {
    for right in
        ["location / { proxy_pass http://pay:8080; }", "upstream up { server pay:8080; }", "uri: lb://pay"]
    {
        assert!(found(&proxy(right)).is_empty(), "{right}");
    }
    for wrong in ["proxy_pass http://pay:9090;", "server pay:81;", "uri: \"http://pay.shop.svc:1\""] {
        assert_eq!(found(&proxy(wrong)), ["k8s.ingress.BackendMissing deployment/shop/edge"], "{wrong}");
    }
    let states = states(&proxy("proxy_pass http://pay:8080;"));
    let (_, edges) = checks(&states.iter().collect::<Vec<_>>());
    let calls = edges.iter().filter(|(_, verb, _)| verb.to_string() == "calls");
    let calls: Vec<String> = calls.map(|(from, _, to)| format!("{from} {to}")).collect();
    assert_eq!(calls, ["service/shop/edge service/shop/pay"]);
}

#[test]
fn a_route_names_a_port_that_its_service_has() {
    let route = |kind: &str, spec: Value| {
        found(
            &[
                &[json!({"kind": kind, "metadata": {"name": "edge", "namespace": "shop"}, "spec": spec})],
                &pay()[..],
            ]
            .concat(),
        )
    };
    let ingress = |port: Value| json!({"defaultBackend": {"service": {"name": "pay", "port": port}}});
    let wrong = ["k8s.ingress.BackendMissing ingress/shop/edge"];
    assert!(route("Ingress", ingress(json!({"number": 8080}))).is_empty());
    assert!(route("Ingress", ingress(json!({"name": "grpc"}))).is_empty());
    assert_eq!(route("Ingress", ingress(json!({"number": 80}))), wrong);
    assert_eq!(route("Ingress", ingress(json!({"name": "web"}))), wrong);
    let mesh = |host: &str| json!({"http": [{"route": [{"destination": {"host": host, "port": {"number": 8080}}}]}]});
    assert!(route("VirtualService", mesh("pay.shop.svc.cluster.local")).is_empty());
    assert_eq!(route("VirtualService", mesh("pays")), wrong);
    let gateway = |port: u16| json!({"rules": [{"backendRefs": [{"name": "pay", "port": port}]}]});
    assert!(route("HTTPRoute", gateway(8080)).is_empty());
    assert_eq!(route("HTTPRoute", gateway(1)), wrong);
}
