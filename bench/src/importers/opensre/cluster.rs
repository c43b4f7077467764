//! Pods, deployments, nodes and Events, as the API server shows them.

use std::collections::BTreeSet;

use schemas::codec::Format;
use serde_json::{Value, json};

use super::{CaseRecord, Files, record};

pub(super) fn records(files: &Files) -> Vec<CaseRecord> {
    let (pods, deployments) =
        (files.items("eks_pods", "pods"), files.items("eks_deployments", "deployments"));
    let mut items: Vec<Value> = pods.iter().map(pod).collect();
    let replica_sets: BTreeSet<(String, String)> =
        pods.iter().map(|pod| (word(pod, "namespace"), replica_set(&word(pod, "name")))).collect();
    items.extend(replica_sets.iter().filter_map(|(namespace, name)| owned(namespace, name, &deployments)));
    items.extend(deployments.iter().map(deployment));
    items.extend(deployments.iter().map(service));
    items.extend(files.items("eks_node_health", "nodes").iter().map(node));
    let events = files.items("eks_events", "warning_events");
    items.extend((0..).zip(&events).map(|(index, told)| event(index, told)));
    if items.is_empty() {
        return Vec::new();
    }
    vec![record("eks", Format::Kubernetes, &json!({"apiVersion": "v1", "kind": "List", "items": items}))]
}

fn word(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The replica set of a pod, by the names that controllers give.
fn replica_set(pod: &str) -> String {
    pod.rsplit_once('-').map_or_else(String::new, |(name, _)| name.to_owned())
}

/// The deployment whose name a generated name begins with.
fn owner<'a>(name: &str, deployments: &'a [Value]) -> Option<&'a str> {
    let names = deployments.iter().filter_map(|deployment| deployment["name"].as_str());
    names
        .filter(|known| name.strip_prefix(known).is_some_and(|rest| rest.starts_with('-')))
        .max_by_key(|name| name.len())
}

fn controlled(kind: &str, name: &str) -> Value {
    json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true}])
}

fn pod(pod: &Value) -> Value {
    let name = word(pod, "name");
    let containers = pod["containers"].as_array().cloned().unwrap_or_default();
    let spec: Vec<Value> = containers.iter().map(|container| json!({"name": container["name"]})).collect();
    let statuses: Vec<Value> = containers.iter().map(status).collect();
    let app = replica_set(&replica_set(&name));
    let mut metadata = json!({"name": name, "namespace": pod["namespace"], "creationTimestamp": pod["start_time"],
        "labels": {"app": app}, "ownerReferences": controlled("ReplicaSet", &replica_set(&name))});
    if pod["deletion_timestamp"].is_string() {
        metadata["deletionTimestamp"] = pod["deletion_timestamp"].clone();
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"nodeName": pod["node_name"], "containers": spec},
        "status": {"phase": pod["phase"], "startTime": pod["start_time"], "conditions": pod["conditions"], "containerStatuses": statuses}})
}

/// A container status; why it last ended is told in words.
fn status(container: &Value) -> Value {
    let told = &container["state"];
    let message = word(told, "message");
    let state = if told["waiting"] == json!(true) {
        json!({"waiting": {"reason": told["reason"], "message": message}})
    } else if told["running"] == json!(true) {
        json!({"running": {"startedAt": told["started_at"]}})
    } else if told["terminated"] == json!(true) {
        json!({"terminated": {"reason": told["reason"], "exitCode": told["exit_code"], "message": message}})
    } else {
        json!({})
    };
    let mut status = json!({"name": container["name"], "ready": container["ready"],
        "restartCount": container["restart_count"], "state": state});
    if let Some(exit_code) = told["exit_code"].as_i64() {
        let reason = message.split_once("reason=").map(|(_, rest)| rest);
        let reason = reason.and_then(|rest| rest.split([',', ' ', ';']).next()).unwrap_or("Error");
        status["lastState"] = json!({"terminated": {"reason": reason, "exitCode": exit_code}});
    }
    status
}

/// A replica set and its deployment, by the names that controllers give.
fn owned(namespace: &str, name: &str, deployments: &[Value]) -> Option<Value> {
    let owner = owner(name, deployments)?;
    Some(
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": namespace,
        "ownerReferences": controlled("Deployment", owner)}}),
    )
}

fn deployment(deployment: &Value) -> Value {
    let app = json!({"app": deployment["name"]});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": deployment["name"], "namespace": deployment["namespace"]},
        "spec": {"replicas": deployment["desired"], "selector": {"matchLabels": app}, "template": {"metadata": {"labels": app}, "spec": {}}},
        "status": {"replicas": deployment["desired"], "readyReplicas": deployment["ready"], "availableReplicas": deployment["available"]}})
}

/// Datadog's tag `service` is the label `app` of the workload.
fn service(deployment: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": deployment["name"], "namespace": deployment["namespace"]},
        "spec": {"selector": {"app": deployment["name"]}}})
}

fn node(node: &Value) -> Value {
    let condition = |name: &str, key: &str| json!({"type": name, "status": node[key]});
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node["name"]},
        "status": {"allocatable": {"cpu": node["allocatable_cpu"], "memory": node["allocatable_memory"]}, "conditions": [
            condition("Ready", "ready"), condition("MemoryPressure", "memory_pressure"),
            condition("DiskPressure", "disk_pressure"), condition("PIDPressure", "pid_pressure")]}})
}

fn event(index: usize, told: &Value) -> Value {
    let involved = word(told, "involved_object");
    let (kind, name) = involved.split_once('/').unwrap_or_default();
    let namespace = if kind == "Node" { Value::Null } else { told["namespace"].clone() };
    json!({"apiVersion": "v1", "kind": "Event",
        "metadata": {"name": format!("{name}.{index}"), "namespace": told["namespace"]},
        "involvedObject": {"kind": kind, "namespace": namespace, "name": name},
        "reason": told["reason"], "message": told["message"], "type": told["type"], "count": told["count"],
        "firstTimestamp": told["first_time"], "lastTimestamp": told["last_time"]})
}
