//! Pod specs and container statuses.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{entries, int, items, milli, number_or_text, port_triple, strings, text, time};
use crate::entity::{Entity, EntityKind};
use crate::fact::clip;
use crate::ids::hash64;
use crate::object::{Container, ContainerState, ContainerStatus, PodSpec, Probe, Reference};

/// A pod spec, of a pod or of a template, in a namespace.
pub(super) fn pod_spec(spec: &Value, namespace: &str) -> PodSpec {
    let affinity = &spec["affinity"];
    let affinity_hash = if affinity.as_object().is_none_or(serde_json::Map::is_empty) {
        0
    } else {
        hash64(&[affinity.to_string().as_bytes()])
    };
    let init = items(spec, &["initContainers"]).map(|item| container(item, true, namespace));
    let regular = items(spec, &["containers"]).map(|item| container(item, false, namespace));
    let mut tolerations: Vec<String> = items(spec, &["tolerations"]).map(toleration).collect();
    tolerations.sort();
    let pull_secret = |secret: &Value| text(secret, &["name"]).to_owned();
    PodSpec {
        node: text(spec, &["nodeName"]).to_owned(),
        service_account: text(spec, &["serviceAccountName"]).to_owned(),
        node_selector: entries(spec, &["nodeSelector"]),
        affinity_hash,
        tolerations,
        priority: text(spec, &["priorityClassName"]).to_owned(),
        pull_secrets: items(spec, &["imagePullSecrets"])
            .map(pull_secret)
            .filter(|name| !name.is_empty())
            .collect(),
        containers: init.chain(regular).collect(),
        volumes: volumes(spec, namespace),
    }
}

fn toleration(toleration: &Value) -> String {
    format!(
        "{}={}:{}",
        text(toleration, &["key"]),
        text(toleration, &["value"]),
        text(toleration, &["effect"])
    )
}

fn volumes(spec: &Value, namespace: &str) -> Vec<Reference> {
    let mut found = Vec::new();
    for volume in items(spec, &["volumes"]) {
        let projected = items(volume, &["projected", "sources"]);
        for source in projected.chain([volume]) {
            let optional = |kind: &str| source[kind]["optional"].as_bool().unwrap_or(false);
            let names = [
                (EntityKind::ConfigMap, text(source, &["configMap", "name"]), optional("configMap")),
                (EntityKind::Secret, text(source, &["secret", "secretName"]), optional("secret")),
                (EntityKind::Secret, text(source, &["secret", "name"]), optional("secret")),
                (EntityKind::Claim, text(source, &["persistentVolumeClaim", "claimName"]), false),
            ];
            for (kind, name, optional) in names.into_iter().filter(|(_, name, _)| !name.is_empty()) {
                let entity = Entity::namespaced(kind, namespace, name);
                found.push(Reference { entity, key: String::new(), optional });
            }
        }
    }
    found
}

fn container(value: &Value, init: bool, namespace: &str) -> Container {
    let mut command = strings(value, &["command"]);
    command.extend(strings(value, &["args"]));
    let (mut env, mut env_from) = (BTreeMap::new(), Vec::new());
    for variable in items(value, &["env"]) {
        let name = text(variable, &["name"]).to_owned();
        let from = &variable["valueFrom"];
        let keyed =
            [(EntityKind::ConfigMap, &from["configMapKeyRef"]), (EntityKind::Secret, &from["secretKeyRef"])];
        for (kind, reference) in keyed.into_iter().filter(|(_, reference)| reference.is_object()) {
            env_from.push(reference_to(kind, reference, namespace));
        }
        env.insert(name, clip(text(variable, &["value"])));
    }
    for source in items(value, &["envFrom"]) {
        let whole =
            [(EntityKind::ConfigMap, &source["configMapRef"]), (EntityKind::Secret, &source["secretRef"])];
        for (kind, reference) in whole.into_iter().filter(|(_, reference)| reference.is_object()) {
            env_from.push(reference_to(kind, reference, namespace));
        }
    }
    let probes = ["liveness", "readiness", "startup"];
    Container {
        name: text(value, &["name"]).to_owned(),
        init,
        image: text(value, &["image"]).to_owned(),
        command: clip(&command.join(" ")),
        ports: items(value, &["ports"]).map(port_triple).collect(),
        env,
        env_from,
        probes: probes.iter().filter_map(|role| probe(role, &value[format!("{role}Probe")])).collect(),
        requests: resources(&value["resources"]["requests"]),
        limits: resources(&value["resources"]["limits"]),
    }
}

fn reference_to(kind: EntityKind, reference: &Value, namespace: &str) -> Reference {
    Reference {
        entity: Entity::namespaced(kind, namespace, text(reference, &["name"])),
        key: text(reference, &["key"]).to_owned(),
        optional: reference["optional"].as_bool().unwrap_or(false),
    }
}

fn resources(value: &Value) -> BTreeMap<String, i64> {
    entries(value, &[]).into_iter().filter_map(|(name, quantity)| Some((name, milli(&quantity)?))).collect()
}

fn probe(role: &str, value: &Value) -> Option<Probe> {
    if !value.is_object() {
        return None;
    }
    let (handler, port, target) = if value["httpGet"].is_object() {
        let get = &value["httpGet"];
        let secure = text(get, &["scheme"]).eq_ignore_ascii_case("https");
        let handler = if secure { "https" } else { "http" };
        (handler, number_or_text(&get["port"], &Value::Null), text(get, &["path"]).to_owned())
    } else if value["tcpSocket"].is_object() {
        ("tcp", number_or_text(&value["tcpSocket"]["port"], &Value::Null), String::new())
    } else if value["grpc"].is_object() {
        (
            "grpc",
            number_or_text(&value["grpc"]["port"], &Value::Null),
            text(&value["grpc"], &["service"]).to_owned(),
        )
    } else {
        ("exec", String::new(), clip(&strings(value, &["exec", "command"]).join(" ")))
    };
    Some(Probe {
        role: role.to_owned(),
        handler: handler.to_owned(),
        port,
        target,
        delay_s: int(value, &["initialDelaySeconds"]),
        timeout_s: value["timeoutSeconds"].as_i64().unwrap_or(1),
        period_s: value["periodSeconds"].as_i64().unwrap_or(10),
        failures: value["failureThreshold"].as_i64().unwrap_or(3),
    })
}

/// Statuses of a pod's containers, init containers first.
pub(super) fn container_statuses(status: &Value) -> Vec<ContainerStatus> {
    let init = items(status, &["initContainerStatuses"]).map(|item| container_status(item, true));
    init.chain(items(status, &["containerStatuses"]).map(|item| container_status(item, false))).collect()
}

fn container_status(value: &Value, init: bool) -> ContainerStatus {
    ContainerStatus {
        name: text(value, &["name"]).to_owned(),
        init,
        ready: value["ready"].as_bool().unwrap_or(false),
        restarts: int(value, &["restartCount"]),
        state: container_state(&value["state"]),
        last: container_state(&value["lastState"]),
    }
}

fn container_state(value: &Value) -> ContainerState {
    if value["waiting"].is_object() {
        let waiting = &value["waiting"];
        let (reason, message) = (text(waiting, &["reason"]).to_owned(), clip(text(waiting, &["message"])));
        ContainerState::Waiting { reason, message }
    } else if value["running"].is_object() {
        ContainerState::Running { started: time(value, &["running", "startedAt"]) }
    } else if value["terminated"].is_object() {
        let ended = &value["terminated"];
        ContainerState::Terminated {
            reason: text(ended, &["reason"]).to_owned(),
            exit_code: int(ended, &["exitCode"]),
            message: clip(text(ended, &["message"])),
            finished: time(ended, &["finishedAt"]),
        }
    } else {
        ContainerState::Unknown
    }
}
