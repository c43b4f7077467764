//! Services: selectors, ports and protocols.

use super::{Edge, Namespace, finding, matches};
use crate::entity::RelationKind;
use crate::fact::Signal;
use crate::object::{Container, ObjectState, PodSpec, ServicePort, nobody_serves};

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>, edges: &mut Vec<Edge>) {
    for service in namespace.services().filter(|service| !service.selector.is_empty()) {
        let pods: Vec<&ObjectState> =
            namespace.pods().filter(|pod| matches(&service.selector, &pod.labels)).collect();
        let workloads: Vec<&ObjectState> = namespace
            .workloads()
            .filter(|workload| matches(&service.selector, &workload.template_labels))
            .collect();
        for selected in pods.iter().chain(&workloads) {
            edges.push((service.entity.clone(), RelationKind::Selects, selected.entity.clone()));
        }
        if pods.is_empty() && workloads.is_empty() {
            signals.extend(no_match(namespace, service));
        } else {
            let specs = pods.iter().chain(&workloads).filter_map(|state| state.pod.as_ref());
            let containers: Vec<&Container> =
                specs.flat_map(|pod| &pod.containers).filter(|c| !c.init).collect();
            signals.extend(service.ports.iter().filter_map(|port| misrouted(service, port, &containers)));
            let ready = pods.iter().any(|pod| is_ready(pod));
            if ready && is_empty(namespace, service) {
                signals.extend(service.ports.iter().find_map(|port| unnamed(service, port, &containers)));
            }
        }
    }
    for workload in namespace.workloads() {
        let Some(pod) = &workload.pod else { continue };
        signals.extend(conflict(namespace, workload, pod));
    }
}

/// A selector that matches nothing, although there are workloads it was meant for: of the same name, or with labels
/// in common.
fn no_match(namespace: &Namespace<'_>, service: &ObjectState) -> Option<Signal> {
    let shared = |workload: &ObjectState| {
        let labels = &workload.template_labels;
        service.selector.iter().filter(|(key, value)| labels.get(*key) == Some(*value)).count()
    };
    let meant = namespace
        .workloads()
        .map(|workload| (workload.entity.name == service.entity.name, shared(workload), workload))
        .filter(|(same_name, shared, _)| *same_name || 0 < *shared)
        .max_by_key(|(same_name, shared, _)| (*same_name, *shared))?;
    let detail = format!(
        "selector {:?} matches no pod; {} has labels {:?}",
        service.selector, meant.2.entity, meant.2.template_labels
    );
    Some(finding(service, "k8s.service.SelectorMismatch", &detail))
}

/// A service port that none of the containers behind it serves. Undeclared ports are allowed by Kubernetes, so that
/// nothing is said when no container declares any.
fn misrouted(service: &ObjectState, port: &ServicePort, containers: &[&Container]) -> Option<Signal> {
    let declared: Vec<&(u16, String, String)> =
        containers.iter().flat_map(|container| &container.ports).collect();
    if nobody_serves(containers, &port.target) {
        let shown: Vec<String> = declared.iter().map(|known| format!("{}/{}", known.0, known.1)).collect();
        let detail =
            format!("targetPort {} is not among the container ports {}", port.target, shown.join(", "));
        return Some(finding(service, "k8s.service.TargetPortMismatch", &detail));
    }
    let same_port =
        |known: &&&(u16, String, String)| port.target == known.0.to_string() || port.target == known.2;
    let known = declared.iter().find(same_port)?;
    let (here, there) = (protocol(&port.protocol), protocol(&known.1));
    let detail = format!("port {} is {here}, the container serves {there}", port.port);
    (here != there).then(|| finding(service, "k8s.service.ProtocolMismatch", &detail))
}

/// A target port by a name that the source does not show of any container. A name that a ready pod does not have leaves it
/// out of the endpoints, where a wrong number would not.
fn unnamed(service: &ObjectState, port: &ServicePort, containers: &[&Container]) -> Option<Signal> {
    let by_name = !port.target.is_empty() && port.target.parse::<u16>().is_err();
    let unknown = !containers.iter().any(|container| container.declares(&port.target));
    let detail = format!("targetPort {} leads to no address, although pods are ready", port.target);
    (by_name && unknown).then(|| finding(service, "k8s.service.TargetPortMismatch", &detail))
}

fn is_ready(pod: &ObjectState) -> bool {
    pod.conditions.iter().any(|condition| condition.name == "Ready" && condition.status == "True")
}

/// Whether the endpoints of a service are shown and there are none.
fn is_empty(namespace: &Namespace<'_>, service: &ObjectState) -> bool {
    let mut shown = namespace
        .of(service.entity.kind)
        .filter(|state| state.entity == service.entity)
        .filter_map(|state| state.endpoints.as_ref())
        .peekable();
    shown.peek().is_some() && shown.all(|known| known.ready.is_empty() && known.not_ready.is_empty())
}

fn protocol(name: &str) -> &str {
    if name.is_empty() { "TCP" } else { name }
}

/// Two containers of one pod that declare the same port, where one of them does not stay up.
fn conflict(namespace: &Namespace<'_>, workload: &ObjectState, pod: &PodSpec) -> Option<Signal> {
    let regular: Vec<&Container> = pod.containers.iter().filter(|container| !container.init).collect();
    let ports = regular.iter().enumerate().flat_map(|(index, container)| {
        container.ports.iter().map(move |(port, protocol, _)| (index, *port, protocol.as_str()))
    });
    let ports: Vec<_> = ports.collect();
    let (_, port, _) = ports.iter().find(|(index, port, spoken)| {
        ports
            .iter()
            .any(|(other, same, also)| index < other && port == same && protocol(spoken) == protocol(also))
    })?;
    let failing = namespace.pods().any(|pod| {
        matches(&workload.template_labels, &pod.labels)
            && pod.containers.iter().any(|status| !status.init && (!status.ready || 0 < status.restarts))
    });
    let detail = format!("two containers of a pod serve port {port}");
    failing.then(|| finding(workload, "k8s.workload.PortConflict", &detail))
}
