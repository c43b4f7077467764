//! From the JSON of a Kubernetes object to its state.
//!
//! One door for every source: `kubectl get -o json`, watch events, and `kubectl describe` text after its codec made
//! the same JSON of it. Fields that are absent stay empty; fields of the wrong type count as absent, because a status
//! that cannot be read must not hide the rest of the object.

use serde_json::Value;

use crate::entity::{Entity, EntityKind};
use crate::error::DecodeError;
use crate::ids::hash64;
use crate::object::health::TERMINATING;
use crate::object::{Autoscaler, Condition, Endpoints, ObjectState, Replicas, ServicePort, Storage};
use crate::time::EventTime;

mod addresses;
mod json;
mod pod;
mod quantity;

pub(crate) use json::{entries, int, items, strings, text, time};
pub use quantity::milli;

use pod::{container_statuses, pod_spec};

/// Label values, conditions, ports, containers and the like per object. The API server's own limits are lower.
pub(crate) const ITEMS_MAX: usize = 10_000;

/// The state that an object's JSON shows, as seen at `at`; `None` for kinds that no rule speaks of.
///
/// # Errors
/// `invalid_field` when kind or name is missing.
pub fn parse(object: &Value, at: EventTime) -> Result<Option<ObjectState>, DecodeError> {
    let kind = text(object, &["kind"]);
    let name = text(object, &["metadata", "name"]);
    if kind.is_empty() || name.is_empty() {
        return Err(DecodeError::field(
            "Kubernetes object without kind or metadata.name; send whole objects",
        ));
    }
    let Some(entity) = entity_of(kind, text(object, &["metadata", "namespace"]), name) else {
        return Ok(None);
    };
    let mut state = ObjectState::new(entity, at);
    metadata(object, &mut state);
    spec(kind, object, &mut state);
    state.conditions = conditions(object);
    Ok(Some(state))
}

/// The entity that a Kubernetes kind and name stand for; `None` for kinds that no rule speaks of.
pub fn entity_of(kind: &str, namespace: &str, name: &str) -> Option<Entity> {
    let entity_kind = match kind {
        "Pod" => EntityKind::Pod,
        "Deployment" => EntityKind::Deployment,
        "ReplicaSet" | "ReplicationController" => EntityKind::ReplicaSet,
        "StatefulSet" => EntityKind::StatefulSet,
        "DaemonSet" => EntityKind::DaemonSet,
        "Job" => EntityKind::Job,
        "CronJob" => EntityKind::CronJob,
        "Rollout" => EntityKind::Rollout,
        // Endpoints and slices are what is behind a service: their state is the service's.
        "Service" => EntityKind::Service,
        "Ingress" | "VirtualService" | "HTTPRoute" => EntityKind::Ingress,
        "ConfigMap" => EntityKind::ConfigMap,
        "Secret" => EntityKind::Secret,
        "ServiceAccount" | "Role" | "RoleBinding" | "ClusterRoleBinding" => EntityKind::ServiceAccount,
        "PersistentVolumeClaim" => EntityKind::Claim,
        "PersistentVolume" => EntityKind::Volume,
        "HorizontalPodAutoscaler" => EntityKind::Autoscaler,
        "PodDisruptionBudget" => EntityKind::DisruptionBudget,
        "NetworkPolicy" | "AuthorizationPolicy" => EntityKind::Policy,
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => EntityKind::Webhook,
        "Certificate" => EntityKind::Certificate,
        "Application" | "Kustomization" | "HelmRelease" => EntityKind::Application,
        "GitRepository" | "HelmRepository" | "OCIRepository" | "Bucket" => EntityKind::Source,
        "Node" => return Some(Entity::global(EntityKind::Node, name)),
        "Namespace" => return Some(Entity::global(EntityKind::Namespace, name)),
        // Quotas act on their namespace; several may act on one, told apart by uid.
        "ResourceQuota" | "LimitRange" => return Some(Entity::global(EntityKind::Namespace, namespace)),
        "Endpoints" | "EndpointSlice" => EntityKind::Service,
        _ => return None,
    };
    let cluster_wide = matches!(entity_kind, EntityKind::Volume | EntityKind::Webhook);
    Some(Entity::namespaced(entity_kind, if cluster_wide { "" } else { namespace }, name))
}

fn metadata(object: &Value, state: &mut ObjectState) {
    let kind = text(object, &["kind"]);
    state.uid = text(object, &["metadata", "uid"]).to_owned();
    if matches!(kind, "ResourceQuota" | "LimitRange") {
        // Without a uid the name tells quotas of one namespace apart.
        state.uid = format!("{kind}/{}", text(object, &["metadata", "name"]));
    }
    state.resource_version = text(object, &["metadata", "resourceVersion"]).parse().unwrap_or(0);
    state.created = time(object, &["metadata", "creationTimestamp"]);
    state.generation = int(object, &["metadata", "generation"]);
    state.labels = entries(object, &["metadata", "labels"]);
    for owner in items(object, &["metadata", "ownerReferences"]) {
        let namespace = state.entity.namespace.clone();
        state.owners.extend(entity_of(text(owner, &["kind"]), &namespace, text(owner, &["name"])));
    }
}

fn spec(kind: &str, object: &Value, state: &mut ObjectState) {
    match kind {
        "Pod" => {
            state.pod = Some(pod_spec(&object["spec"], &state.entity.namespace));
            state.containers = container_statuses(&object["status"]);
            text(object, &["status", "phase"]).clone_into(&mut state.phase);
            // kubectl shows it as a phase, too: the API server asked the pod to end.
            if time(object, &["metadata", "deletionTimestamp"]).is_some() {
                TERMINATING.clone_into(&mut state.phase);
            }
            text(object, &["status", "reason"]).clone_into(&mut state.reason);
            text(object, &["status", "message"]).clone_into(&mut state.message);
        }
        "Deployment"
        | "ReplicaSet"
        | "ReplicationController"
        | "StatefulSet"
        | "DaemonSet"
        | "Job"
        | "Rollout" => {
            workload(kind, object, state);
        }
        "CronJob" => {
            state.pod = Some(pod_spec(
                &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
                &state.entity.namespace,
            ))
        }
        "Service" => service(object, state),
        "Endpoints" | "EndpointSlice" => endpoints(kind, object, state),
        "Node" => node(object, state),
        "ResourceQuota" => {
            state.hard = quantities(object, &["status", "hard"]);
            if state.hard.is_empty() {
                state.hard = quantities(object, &["spec", "hard"]);
            }
            state.used = quantities(object, &["status", "used"]);
        }
        "ConfigMap" => {
            data(object, state);
            state.ports = addresses::named(object);
        }
        "Secret" => data(object, state),
        "PersistentVolumeClaim" | "PersistentVolume" => storage(kind, object, state),
        "HorizontalPodAutoscaler" => autoscaler(object, state),
        "ServiceAccount" => {
            let names = items(object, &["imagePullSecrets"]).map(|secret| text(secret, &["name"]).to_owned());
            state.pull_secrets = names.filter(|name| !name.is_empty()).collect();
        }
        "Ingress" | "VirtualService" | "HTTPRoute" => routes(object, state),
        "Namespace" => text(object, &["status", "phase"]).clone_into(&mut state.phase),
        _ => {}
    }
    // Kinds whose spec is compared as a whole, because no field of it has a rule of its own.
    if matches!(
        kind,
        "Ingress"
            | "NetworkPolicy"
            | "AuthorizationPolicy"
            | "LimitRange"
            | "VirtualService"
            | "HTTPRoute"
            | "Role"
            | "RoleBinding"
            | "ClusterRoleBinding"
            | "PodDisruptionBudget"
    ) {
        let rest = ["spec", "rules", "subjects", "roleRef"].map(|field| object[field].to_string());
        state.rest_hash = hash64(&rest.each_ref().map(|field| field.as_bytes()));
    }
    if kind.ends_with("WebhookConfiguration") {
        state.rest_hash = hash64(&[object["webhooks"].to_string().as_bytes()]);
    }
}

fn workload(kind: &str, object: &Value, state: &mut ObjectState) {
    let template = &object["spec"]["template"];
    state.selector = entries(object, &["spec", "selector", "matchLabels"]);
    state.template_labels = entries(template, &["metadata", "labels"]);
    state.pod = template.is_object().then(|| pod_spec(&template["spec"], &state.entity.namespace));
    let status = &object["status"];
    let desired = match kind {
        "DaemonSet" => int(status, &["desiredNumberScheduled"]),
        "Job" => int(object, &["spec", "completions"]),
        // Absent means one, as the API server defaults it.
        _ => object["spec"]["replicas"].as_i64().unwrap_or(1),
    };
    let ready =
        if kind == "DaemonSet" { int(status, &["numberReady"]) } else { int(status, &["readyReplicas"]) };
    let current = if kind == "DaemonSet" {
        int(status, &["currentNumberScheduled"])
    } else {
        int(status, &["replicas"])
    };
    let updated = int(status, &["updatedReplicas"]);
    let available = ready.max(int(status, &["availableReplicas"])).max(int(status, &["numberAvailable"]));
    state.replicas = Some(Replicas { desired, current, updated, available });
}

fn service(object: &Value, state: &mut ObjectState) {
    state.selector = entries(object, &["spec", "selector"]);
    let port = |port: &Value| ServicePort {
        name: text(port, &["name"]).to_owned(),
        port: number16(&port["port"]),
        target: number_or_text(&port["targetPort"], &port["port"]),
        protocol: text(port, &["protocol"]).to_owned(),
    };
    state.ports = items(object, &["spec", "ports"]).map(port).collect();
    text(object, &["spec", "type"]).clone_into(&mut state.phase);
}

fn endpoints(kind: &str, object: &Value, state: &mut ObjectState) {
    let label = text(object, &["metadata", "labels", "kubernetes.io/service-name"]);
    let service = if kind == "EndpointSlice" && !label.is_empty() {
        label
    } else {
        text(object, &["metadata", "name"])
    };
    let mut found = Endpoints { service: service.to_owned(), ..Endpoints::default() };
    for subset in items(object, &["subsets"]) {
        found.ready.extend(items(subset, &["addresses"]).map(address));
        found.not_ready.extend(items(subset, &["notReadyAddresses"]).map(address));
        found.ports.extend(items(subset, &["ports"]).map(port_triple));
    }
    for endpoint in items(object, &["endpoints"]) {
        let ready = endpoint["conditions"]["ready"].as_bool().unwrap_or(true);
        let name = address(endpoint);
        if ready { found.ready.push(name) } else { found.not_ready.push(name) }
    }
    found.ports.extend(items(object, &["ports"]).map(port_triple));
    state.entity.name = service.to_owned();
    // An object of its own beside the service: see `object_key` of the engine.
    state.uid = format!("endpoints/{}", text(object, &["metadata", "name"]));
    state.endpoints = Some(found);
}

fn address(address: &Value) -> String {
    let pod = text(address, &["targetRef", "name"]);
    let ip = text(address, &["ip"]);
    let first = address["addresses"][0].as_str().unwrap_or_default();
    [pod, ip, first].into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned()
}

pub(crate) fn port_triple(port: &Value) -> (u16, String, String) {
    let number = if port["containerPort"].is_null() { &port["port"] } else { &port["containerPort"] };
    (number16(number), text(port, &["protocol"]).to_owned(), text(port, &["name"]).to_owned())
}

fn node(object: &Value, state: &mut ObjectState) {
    state.unschedulable = object["spec"]["unschedulable"].as_bool().unwrap_or(false);
    let taint = |taint: &Value| {
        format!("{}={}:{}", text(taint, &["key"]), text(taint, &["value"]), text(taint, &["effect"]))
    };
    state.taints = items(object, &["spec", "taints"]).map(taint).collect();
    state.taints.sort();
    state.hard = quantities(object, &["status", "allocatable"]);
}

fn data(object: &Value, state: &mut ObjectState) {
    let mut hashed = Vec::new();
    for field in ["data", "binaryData", "stringData", "dataHash"] {
        if let Some(map) = object[field].as_object() {
            state.data_keys.extend(map.keys().take(ITEMS_MAX).cloned());
            hashed.push(object[field].to_string());
        }
    }
    state.data_keys.sort();
    state.data_keys.dedup();
    let parts: Vec<&[u8]> = hashed.iter().map(|text| text.as_bytes()).collect();
    state.data_hash = if parts.is_empty() { 0 } else { hash64(&parts) };
}

fn storage(kind: &str, object: &Value, state: &mut ObjectState) {
    let claim = kind == "PersistentVolumeClaim";
    let size = if claim {
        &object["spec"]["resources"]["requests"]["storage"]
    } else {
        &object["spec"]["capacity"]["storage"]
    };
    let reference = &object["spec"]["claimRef"];
    let bound_to = if claim {
        text(object, &["spec", "volumeName"]).to_owned()
    } else if reference.is_object() {
        format!("{}/{}", text(reference, &["namespace"]), text(reference, &["name"]))
    } else {
        String::new()
    };
    let mut modes = strings(object, &["spec", "accessModes"]);
    modes.sort();
    state.storage = Some(Storage {
        class: text(object, &["spec", "storageClassName"]).to_owned(),
        modes,
        bytes: size.as_str().and_then(milli).unwrap_or(0) / 1_000,
        bound_to,
        selector: entries(object, &["spec", "selector", "matchLabels"]),
    });
    text(object, &["status", "phase"]).clone_into(&mut state.phase);
}

fn autoscaler(object: &Value, state: &mut ObjectState) {
    state.autoscaler = Some(Autoscaler {
        min: object["spec"]["minReplicas"].as_i64().unwrap_or(1),
        max: int(object, &["spec", "maxReplicas"]),
        current: int(object, &["status", "currentReplicas"]),
        desired: int(object, &["status", "desiredReplicas"]),
    });
    let target = &object["spec"]["scaleTargetRef"];
    state.targets.extend(entity_of(
        text(target, &["kind"]),
        &state.entity.namespace,
        text(target, &["name"]),
    ));
}

fn routes(object: &Value, state: &mut ObjectState) {
    state.ports = addresses::backends(object);
    let namespace = state.entity.namespace.clone();
    let service = |to: &ServicePort| {
        // A route may name its service with the namespace: `name.namespace.svc.…`.
        let (name, rest) = to.name.split_once('.').unwrap_or((&to.name, ""));
        let of = rest.split('.').next().filter(|of| !of.is_empty()).unwrap_or(&namespace);
        Entity::namespaced(EntityKind::Service, of, name)
    };
    state.targets = state.ports.iter().map(service).collect();
    state.targets.sort();
    state.targets.dedup();
}

fn conditions(object: &Value) -> Vec<Condition> {
    let condition = |condition: &Value| Condition {
        name: text(condition, &["type"]).to_owned(),
        status: text(condition, &["status"]).to_owned(),
        reason: text(condition, &["reason"]).to_owned(),
        message: crate::fact::clip(text(condition, &["message"])),
        since: time(condition, &["lastTransitionTime"]),
    };
    items(object, &["status", "conditions"]).map(condition).collect()
}

fn quantities(object: &Value, path: &[&str]) -> std::collections::BTreeMap<String, i64> {
    entries(object, path).into_iter().filter_map(|(name, value)| Some((name, milli(&value)?))).collect()
}

fn number16(value: &Value) -> u16 {
    value.as_u64().and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

fn number_or_text(value: &Value, otherwise: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::String(name) => name.clone(),
        _ => otherwise.as_u64().map(|number| number.to_string()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
