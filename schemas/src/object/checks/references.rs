//! References: service accounts, config maps, secrets and claims that do not exist.

use super::{Namespace, finding};
use crate::entity::{Entity, EntityKind};
use crate::fact::Signal;
use crate::object::{ObjectState, PodSpec};

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>) {
    for workload in namespace.workloads() {
        let Some(pod) = &workload.pod else { continue };
        missing_account(namespace, workload, pod, signals);
        missing_objects(namespace, workload, pod, signals);
    }
}

fn missing_account(
    namespace: &Namespace<'_>,
    workload: &ObjectState,
    pod: &PodSpec,
    signals: &mut Vec<Signal>,
) {
    let name = pod.service_account.as_str();
    let seen = namespace.of(EntityKind::ServiceAccount).next().is_some();
    let account = Entity::namespaced(EntityKind::ServiceAccount, &workload.entity.namespace, name);
    if !name.is_empty() && name != "default" && seen && !namespace.has(&account) {
        let detail = format!("service account {name} does not exist");
        signals.push(finding(workload, "k8s.workload.MissingServiceAccount", &detail));
    }
}

fn missing_objects(
    namespace: &Namespace<'_>,
    workload: &ObjectState,
    pod: &PodSpec,
    signals: &mut Vec<Signal>,
) {
    let from_env = pod.containers.iter().flat_map(|container| &container.env_from);
    for reference in pod.volumes.iter().chain(from_env).filter(|reference| !reference.optional) {
        let kind = reference.entity.kind;
        let Some(known) = namespace.of(kind).find(|state| state.entity == reference.entity) else {
            if namespace.of(kind).next().is_some() {
                let detail = format!("{} does not exist", reference.entity);
                signals.push(finding(workload, missing_kind(kind), &detail));
            }
            continue;
        };
        let keyed = !reference.key.is_empty() && !known.data_keys.is_empty();
        if keyed && !known.data_keys.contains(&reference.key) {
            let detail = format!("{} has no key {}", reference.entity, reference.key);
            signals.push(finding(workload, missing_kind(kind), &detail));
        }
    }
}

fn missing_kind(kind: EntityKind) -> &'static str {
    if kind == EntityKind::Secret { "k8s.workload.MissingSecret" } else { "k8s.workload.MissingReference" }
}
