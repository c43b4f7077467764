//! What kubectl prints, and what must come of it.

use serde_json::json;

use super::decode;
use crate::codec::{Decoded, Raw};
use crate::fact::Fact;
use crate::normalize::normalize;
use crate::object::ObjectState;
use crate::position::SourcePosition;
use crate::time::EventTime;

const POD: &str = "\
Name:             cart-7d4-x2
Namespace:        shop
Service Account:  cart
Node:             n1/10.1.0.4
Start Time:       Fri, 01 May 2026 12:00:00 +0200
Labels:           app=cart
                  tier=backend
Annotations:      <none>
Status:           Running
Controlled By:    ReplicaSet/cart-7d4
Containers:
  main:
    Image:          reg.example/cart:2
    Port:           7070/TCP
    State:          Waiting
      Reason:       CrashLoopBackOff
    Last State:     Terminated
      Reason:       OOMKilled
      Exit Code:    137
      Finished:     Fri, 01 May 2026 12:04:00 +0200
    Ready:          False
    Restart Count:  4
    Limits:
      memory:  64Mi
    Liveness:   grpc <pod>:7070  delay=5s timeout=1s period=10s #success=1 #failure=3
    Environment:
      DB_URL:  <set to the key 'url' in secret 'db'>  Optional: false
      PEER:    pay:8080
Conditions:
  Type    Status
  Ready   False
Volumes:
  conf:
    Type:      ConfigMap (a volume populated by a ConfigMap)
    Name:      cart-conf
    Optional:  false
Node-Selectors:  <none>
Events:
  Type     Reason   Age                 From     Message
  ----     ------   ----                ----     -------
  Warning  BackOff  10s (x5 over 2m)    kubelet  Back-off restarting failed container main
";

fn decoded(text: &str) -> Decoded {
    let (tenant, position) = ("shop".parse().unwrap(), SourcePosition::default());
    let arrived = EventTime::parse("2026-05-01T10:05:00Z").unwrap();
    decode(&Raw { tenant: &tenant, position: &position, arrived, bytes: text.as_bytes() })
}

fn state(decoded: &Decoded, index: usize) -> ObjectState {
    let facts = normalize(&decoded.events[index].envelope).unwrap().facts;
    match facts.into_iter().next() {
        Some(Fact::Object(state)) => *state,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_described_pod_is_the_pod_and_its_events() {
    let found = decoded(POD);
    assert_eq!((found.events.len(), found.errors.len()), (2, 0));
    let pod = state(&found, 0);
    assert_eq!(pod.entity.to_string(), "pod/shop/cart-7d4-x2");
    assert_eq!(pod.owners[0].name, "cart-7d4");
    assert_eq!(pod.labels["tier"], "backend");
    let spec = pod.pod.unwrap();
    assert_eq!((spec.node.as_str(), spec.service_account.as_str()), ("n1", "cart"));
    let container = &spec.containers[0];
    assert_eq!(container.probes[0].port, "7070");
    assert_eq!(container.env["PEER"], "pay:8080");
    assert_eq!(container.env_from[0].key, "url");
    assert_eq!(spec.volumes[0].entity.name, "cart-conf");
    let Fact::Signal(back_off) = &normalize(&found.events[1].envelope).unwrap().facts[0] else {
        panic!("no signal")
    };
    assert_eq!((back_off.count, back_off.last.ms_since(back_off.onset)), (5, 110_000));
}

#[test]
fn a_service_keeps_its_ports_and_targets() {
    let text = "Name: pay\nNamespace: shop\nSelector:  app=pay,env=live\nType: ClusterIP\nPort:  grpc  8080/TCP\nTargetPort:  9090/TCP\nPort:  <unset>  81/TCP\nTargetPort:  admin/TCP\nSession Affinity:  None\n";
    let service = state(&decoded(text), 0);
    assert_eq!(service.selector.len(), 2);
    let ports: Vec<_> = service.ports.iter().map(|port| (port.port, port.target.as_str())).collect();
    assert_eq!(ports, [(8080, "9090"), (81, "admin")]);
}

#[test]
fn a_transcript_skips_what_says_nothing_and_reads_the_rest() {
    let transcript = json!({
        "kubectl get pods -n shop": "NAME  READY\ncart  1/1",
        "kubectl describe resourcequota q -n shop": "Name: q\nNamespace: shop\nResource  Used  Hard\n--------  ----  ----\npods      10    10\n",
        "kubectl get events -n shop | tail -n 20": "2m   Warning   FailedCreate   replicaset/cart-7d4   Error creating: pods is forbidden: exceeded quota: q",
    });
    let found = decoded(&transcript.to_string());
    assert_eq!(found.events.len(), 2);
    let quota = state(&found, 0);
    assert_eq!(quota.entity.to_string(), "namespace/shop");
    assert_eq!(quota.used["pods"], 10_000);
}

#[test]
fn text_of_something_else_is_an_unknown_format() {
    assert_eq!(decoded("hello\nworld").errors[0].1.code.as_str(), "unknown_format");
}

#[test]
fn the_age_of_a_table_says_when_a_pod_without_a_node_was_made() {
    let transcript = json!({
        "kubectl describe pods cart-1 -n shop": "Name: cart-1\nNamespace: shop\nNode: <none>\nStatus: Pending\n",
        "kubectl get pods -n shop": "NAME    READY  STATUS   RESTARTS  AGE\ncart-1  0/1    Pending  0         95s\n",
    });
    let pod = state(&decoded(&transcript.to_string()), 0);
    assert_eq!(pod.created.map(|created| pod.at.ms_since(created)), Some(95_000));
}

#[test]
fn an_age_that_is_not_the_last_column_is_read() {
    let transcript = json!({
        "kubectl describe resourcequota q -n shop": "Name: q\nNamespace: shop\nResource  Used  Hard\n--------  ----  ----\npods      10    10\n",
        "kubectl get resourcequota -n shop": "NAME  AGE   REQUEST      LIMIT\nq     2m5s  pods: 10/10  \n",
    });
    let quota = state(&decoded(&transcript.to_string()), 0);
    assert_eq!(quota.created.map(|created| quota.at.ms_since(created)), Some(125_000));
}

#[test]
fn an_event_that_is_listed_again_and_again_is_one_with_a_count() {
    let text = "Name: n1\nAllocatable:\n  cpu: 4\nEvents:\n  Type    Reason    Age  From        Message\n  ----    ------    ---  ----        -------\n  Normal  Starting  40m  kube-proxy\n  Normal  Starting  20m  kube-proxy\n  Normal  Starting  5m   kube-proxy\n";
    let found = decoded(text);
    let Fact::Signal(started) = &normalize(&found.events[1].envelope).unwrap().facts[0] else {
        panic!("no signal")
    };
    assert_eq!((started.count, started.last.ms_since(started.onset)), (3, 35 * 60_000));
    assert_eq!(found.events.len(), 2);
}

#[test]
fn names_of_ports_are_read_where_kubectl_prints_them() {
    let named = POD.replace("7070/TCP\n", "7070/TCP (grpc)\n");
    let pod = state(&decoded(&named), 0).pod.unwrap();
    assert_eq!(pod.containers[0].ports, [(7070, "TCP".to_owned(), "grpc".to_owned())]);
}

#[test]
fn a_described_ingress_keeps_its_backends() {
    let text = "Name: edge\nNamespace: shop\nDefault backend:  web:80 (10.1.0.4:8080)\nRules:\n  Host  Path  Backends\n  ----  ----  --------\n  shop.example\n        /pay   pay:grpc (<error: services \"pay\" not found>)\nAnnotations:  <none>\n";
    let ingress = state(&decoded(text), 0);
    let ports: Vec<_> =
        ingress.ports.iter().map(|to| (to.name.as_str(), to.port, to.target.as_str())).collect();
    assert_eq!(ports, [("pay", 0, "grpc"), ("web", 80, "")]);
    assert_eq!(ingress.targets.len(), 2);
}

#[test]
fn an_object_is_not_younger_than_what_is_said_of_it() {
    let transcript = json!({
        "kubectl describe pods cart-1 -n shop": "Name: cart-1\nNamespace: shop\nNode: <none>\nStatus: Pending\nEvents:\n  Type  Reason  Age  From  Message\n  ----  ------  ---  ----  -------\n  Warning  FailedScheduling  99s  default-scheduler  persistentvolumeclaim \"data\" not found\n",
        "kubectl get pods -n shop": "NAME    READY  STATUS   RESTARTS  AGE\ncart-1  0/1    Pending  0         95s\n",
    });
    let pod = state(&decoded(&transcript.to_string()), 0);
    assert_eq!(pod.created.map(|created| pod.at.ms_since(created)), Some(99_000));
}
