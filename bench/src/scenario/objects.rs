//! Kubernetes objects and Events of the shop, as the API server shows them.

use schemas::time::EventTime;
use serde_json::{Value, json};

/// Namespace of the shop.
pub(super) const NAMESPACE: &str = "shop";

/// One service of the shop with its workload.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) port: u16,
    pub(super) replicas: usize,
    pub(super) calls: &'static [&'static str],
}

/// The shop: who calls whom.
pub(super) const SERVICES: [Service; 10] = [
    Service {
        name: "storefront",
        port: 8080,
        replicas: 2,
        calls: &["catalog", "cart", "checkout", "search"],
    },
    Service { name: "checkout", port: 8081, replicas: 2, calls: &["payments", "orders", "shipping"] },
    Service { name: "payments", port: 8082, replicas: 2, calls: &["ledger-db"] },
    Service { name: "orders", port: 8083, replicas: 2, calls: &["orders-db", "email"] },
    Service { name: "cart", port: 8084, replicas: 1, calls: &["cart-cache"] },
    Service { name: "catalog", port: 8085, replicas: 2, calls: &["orders-db"] },
    Service { name: "search", port: 8086, replicas: 1, calls: &["catalog"] },
    Service { name: "shipping", port: 8087, replicas: 1, calls: &[] },
    Service { name: "email", port: 8088, replicas: 1, calls: &[] },
    Service { name: "ledger-db", port: 5432, replicas: 1, calls: &[] },
];

/// A version of a workload.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) image: String,
    pub(super) hash: String,
    pub(super) generation: i64,
    pub(super) memory: &'static str,
    pub(super) pool_size: &'static str,
    pub(super) ready_path: &'static str,
}

/// Object metadata.
fn metadata(name: &str, resource_version: u64, created: EventTime) -> Value {
    json!({"name": name, "namespace": NAMESPACE, "uid": format!("uid-{name}"), "resourceVersion": resource_version.to_string(), "creationTimestamp": created.to_string()})
}

fn template(service: &Service, version: &Version) -> Value {
    json!({
        "metadata": {"labels": {"app": service.name}},
        "spec": {
            "serviceAccountName": service.name,
            "containers": [{
                "name": "main",
                "image": version.image,
                "ports": [{"containerPort": service.port, "protocol": "TCP", "name": "http"}],
                "envFrom": [{"configMapRef": {"name": format!("{}-config", service.name)}}],
                "resources": {"limits": {"cpu": "500m", "memory": version.memory}, "requests": {"cpu": "100m", "memory": "64Mi"}},
                "readinessProbe": {"httpGet": {"path": version.ready_path, "port": service.port}, "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3},
            }],
        },
    })
}

pub(super) fn deployment(
    service: &Service,
    version: &Version,
    ready: usize,
    resource_version: u64,
    created: EventTime,
) -> Value {
    let mut meta = metadata(service.name, resource_version, created);
    meta["generation"] = json!(version.generation);
    let available = if ready == 0 { "False" } else { "True" };
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta,
        "spec": {"replicas": service.replicas, "selector": {"matchLabels": {"app": service.name}}, "template": template(service, version)},
        "status": {"replicas": service.replicas, "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": service.replicas,
            "conditions": [{"type": "Available", "status": available, "reason": if ready == 0 { "MinimumReplicasUnavailable" } else { "MinimumReplicasAvailable" }}]},
    })
}

pub(super) fn replica_set(
    service: &Service,
    version: &Version,
    resource_version: u64,
    created: EventTime,
) -> Value {
    let name = format!("{}-{}", service.name, version.hash);
    let mut meta = metadata(&name, resource_version, created);
    meta["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": service.name, "controller": true}]);
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta,
        "spec": {"replicas": service.replicas, "selector": {"matchLabels": {"app": service.name}}, "template": template(service, version)},
        "status": {"replicas": service.replicas, "readyReplicas": service.replicas}})
}

/// A pod; `status` holds phase, containerStatuses and conditions.
pub(super) fn pod(
    service: &Service,
    version: &Version,
    name: &str,
    node: &str,
    status: &Value,
    resource_version: u64,
    created: EventTime,
) -> Value {
    let mut meta = metadata(name, resource_version, created);
    meta["labels"] = json!({"app": service.name, "pod-template-hash": version.hash});
    meta["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{}-{}", service.name, version.hash), "controller": true}]);
    let mut spec = template(service, version)["spec"].clone();
    spec["nodeName"] = json!(node);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status})
}

pub(super) fn running() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [{"name": "main", "ready": true, "restartCount": 0, "state": {"running": {}}}]})
}

/// A container that ended with an error and waits to be restarted.
pub(super) fn crashing(reason: &str, exit_code: i64, message: &str, restarts: i64, at: EventTime) -> Value {
    let since = at.to_string();
    json!({"phase": "Running",
        "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": since}, {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [{"name": "main", "ready": false, "restartCount": restarts,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}},
            "lastState": {"terminated": {"reason": reason, "exitCode": exit_code, "message": message, "finishedAt": since}}}]})
}

/// A container whose image cannot be pulled.
pub(super) fn pulling(reason: &str, message: &str, at: EventTime) -> Value {
    json!({"phase": "Pending",
        "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": at.to_string()}, {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [{"name": "main", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}]})
}

pub(super) fn service(
    service: &Service,
    selector: Value,
    resource_version: u64,
    created: EventTime,
) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(service.name, resource_version, created),
        "spec": {"selector": selector, "type": "ClusterIP", "ports": [{"name": "http", "port": service.port, "targetPort": service.port, "protocol": "TCP"}]}})
}

pub(super) fn endpoints(
    service: &Service,
    ready: &[String],
    not_ready: &[String],
    resource_version: u64,
    created: EventTime,
) -> Value {
    let mut meta = metadata(&format!("{}-slice", service.name), resource_version, created);
    meta["labels"] = json!({"kubernetes.io/service-name": service.name});
    let endpoint = |name: &String, ready: bool| json!({"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name}});
    let all: Vec<Value> = ready
        .iter()
        .map(|name| endpoint(name, true))
        .chain(not_ready.iter().map(|name| endpoint(name, false)))
        .collect();
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": meta, "endpoints": all, "ports": [{"name": "http", "port": service.port, "protocol": "TCP"}]})
}

pub(super) fn config_map(
    service: &Service,
    pool_size: &str,
    resource_version: u64,
    created: EventTime,
) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&format!("{}-config", service.name), resource_version, created),
        "data": {"POOL_SIZE": pool_size, "LOG_LEVEL": "info"}})
}

pub(super) fn node(name: &str, ready: bool, cordoned: bool, resource_version: u64, at: EventTime) -> Value {
    let status = if ready { "True" } else { "Unknown" };
    let reason = if ready { "KubeletReady" } else { "NodeStatusUnknown" };
    json!({"apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": resource_version.to_string()},
        "spec": {"unschedulable": cordoned},
        "status": {"allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": at.to_string()}]}})
}

pub(super) fn watch(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

/// An Event of some object of the shop.
pub(super) struct Told<'a> {
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
    pub(super) warning: bool,
    pub(super) count: i64,
    pub(super) first: EventTime,
    pub(super) last: EventTime,
}

pub(super) fn event(told: &Told<'_>) -> Value {
    let namespace = if told.kind == "Node" { "" } else { NAMESPACE };
    let id = format!("{}.{}.{}", told.name, told.reason.to_ascii_lowercase(), told.first.0);
    json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": id, "namespace": NAMESPACE, "uid": format!("uid-{id}")},
        "involvedObject": {"kind": told.kind, "namespace": namespace, "name": told.name},
        "reason": told.reason, "message": told.message, "type": if told.warning { "Warning" } else { "Normal" }, "count": told.count,
        "firstTimestamp": told.first.to_string(), "lastTimestamp": told.last.to_string(), "reportingComponent": "kubelet"})
}
