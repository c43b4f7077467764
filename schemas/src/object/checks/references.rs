//! References: service accounts, config maps, secrets and claims that do not exist, and probes that ask a port which
//! no container serves.

use super::{Namespace, finding};
use crate::entity::{Entity, EntityKind};
use crate::fact::Signal;
use crate::object::{Container, ObjectState, PodSpec, Probe};

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>) {
    for workload in namespace.workloads() {
        let Some(pod) = &workload.pod else { continue };
        missing_account(namespace, workload, pod, signals);
        missing_objects(namespace, workload, pod, signals);
        for container in pod.containers.iter().filter(|container| !container.init) {
            signals.extend(
                container
                    .probes
                    .iter()
                    .filter_map(|probe| wrong_probe(namespace, workload, container, probe)),
            );
        }
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
                signals.push(finding(workload, "k8s.workload.MissingReference", &detail));
            }
            continue;
        };
        let keyed = !reference.key.is_empty() && !known.data_keys.is_empty();
        if keyed && !known.data_keys.contains(&reference.key) {
            let detail = format!("{} has no key {}", reference.entity, reference.key);
            signals.push(finding(workload, "k8s.workload.MissingReference", &detail));
        }
    }
}

/// A probe on a port that no container of its pod declares, or that speaks another protocol than its siblings on the
/// same port or than the service in front says.
fn wrong_probe(
    namespace: &Namespace<'_>,
    workload: &ObjectState,
    container: &Container,
    probe: &Probe,
) -> Option<Signal> {
    if probe.handler == "exec" {
        return None;
    }
    let served = container
        .ports
        .iter()
        .any(|(number, _, name)| probe.port == number.to_string() || probe.port == *name);
    if !container.ports.is_empty() && !served {
        let ports: Vec<String> = container.ports.iter().map(|(number, ..)| number.to_string()).collect();
        let detail = format!(
            "{} probe asks port {}; the container serves {}",
            probe.role,
            probe.port,
            ports.join(", ")
        );
        return Some(finding(workload, "k8s.workload.ProbeMismatch", &detail));
    }
    let sibling = container.probes.iter().find(|other| other.role != probe.role && other.port == probe.port);
    let spoken = spoken_by_service(namespace, workload, &probe.port);
    let odd = |expected: &str| expected != probe.handler && probe.handler != "tcp" && expected != "tcp";
    let against_service = spoken.filter(|expected| odd(expected));
    let against_sibling = sibling.map(|other| other.handler.as_str()).filter(|expected| odd(expected));
    // Of two probes that disagree, the service's own word decides; without it both are suspect.
    let expected = against_service.or(against_sibling.filter(|_| spoken.is_none()))?;
    let detail = format!(
        "{} probe speaks {} to port {}, which serves {expected}",
        probe.role, probe.handler, probe.port
    );
    Some(finding(workload, "k8s.workload.ProbeMismatch", &detail))
}

/// The protocol that the name of a service port announces, by the convention of Kubernetes and service meshes.
fn spoken_by_service(namespace: &Namespace<'_>, workload: &ObjectState, port: &str) -> Option<&'static str> {
    let in_front = namespace.services().filter(|service| {
        !service.selector.is_empty()
            && service.selector.iter().all(|(key, value)| workload.template_labels.get(key) == Some(value))
    });
    let named = in_front.flat_map(|service| &service.ports).find(|known| known.target == port)?;
    let prefix = named.name.split('-').next().unwrap_or_default();
    match prefix {
        "grpc" => Some("grpc"),
        "http" | "http2" => Some("http"),
        "https" => Some("https"),
        _ => None,
    }
}
