//! Probes: ports that no container serves, protocols that the port does not speak, and patience that is too short.

use super::{Namespace, finding, matches};
use crate::fact::Signal;
use crate::object::{Container, ObjectState, Probe, nobody_serves};

/// A container that is killed sooner than this after its start was given no time to start.
const START_S: i64 = 10;

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>) {
    for workload in namespace.workloads() {
        let containers = workload.pod.iter().flat_map(|pod| &pod.containers);
        for container in containers.filter(|container| !container.init) {
            let wrong = |probe: &Probe| wrong_probe(namespace, workload, container, probe);
            signals.extend(container.probes.iter().filter_map(wrong));
            signals.extend(too_eager(namespace, workload, container));
        }
    }
}

/// A liveness probe that may kill a container within seconds of its start, where it was restarted. A startup probe holds
/// the liveness probe back.
fn too_eager(namespace: &Namespace<'_>, workload: &ObjectState, container: &Container) -> Option<Signal> {
    let of_role = |role: &str| container.probes.iter().find(|probe| probe.role == role);
    let probe = of_role("liveness").filter(|_| of_role("startup").is_none())?;
    let periods = probe.period_s.max(1).saturating_mul(probe.failures.max(1).saturating_sub(1));
    let patience = probe.delay_s.saturating_add(periods).saturating_add(probe.timeout_s);
    let restarted = namespace.pods().any(|pod| {
        matches(&workload.template_labels, &pod.labels)
            && pod.containers.iter().any(|status| status.name == container.name && 0 < status.restarts)
    });
    let detail = format!("liveness probe may kill {} after {patience} s", container.name);
    (restarted && patience < START_S).then(|| finding(workload, "k8s.workload.ProbeTooEager", &detail))
}

/// The kind of a probe that asks the wrong question, by its role.
fn mismatch(role: &str, port: bool) -> &'static str {
    match (role, port) {
        ("liveness", true) => "k8s.workload.LivenessPortMismatch",
        ("liveness", false) => "k8s.workload.LivenessProtocolMismatch",
        ("readiness", true) => "k8s.workload.ReadinessPortMismatch",
        ("readiness", false) => "k8s.workload.ReadinessProtocolMismatch",
        _ => "k8s.workload.ProbeMismatch",
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
    // A probe asks the address of the pod, which all its containers share.
    let siblings: Vec<&Container> =
        workload.pod.iter().flat_map(|pod| &pod.containers).filter(|other| !other.init).collect();
    if !container.ports.is_empty() && nobody_serves(&siblings, &probe.port) {
        let ports: Vec<String> = container.ports.iter().map(|(number, ..)| number.to_string()).collect();
        let detail = format!(
            "{} probe asks port {}; the container serves {}",
            probe.role,
            probe.port,
            ports.join(", ")
        );
        return Some(finding(workload, mismatch(&probe.role, true), &detail));
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
    Some(finding(workload, mismatch(&probe.role, false), &detail))
}

/// The protocol that the name of a service port announces, by the convention of Kubernetes and service meshes.
fn spoken_by_service(namespace: &Namespace<'_>, workload: &ObjectState, port: &str) -> Option<&'static str> {
    let in_front = namespace.services().filter(|service| {
        !service.selector.is_empty() && matches(&service.selector, &workload.template_labels)
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
