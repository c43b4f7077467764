//! Services: selectors, ports, protocols, and the addresses that clients are configured with.

use super::{Edge, Namespace, finding, matches};
use crate::entity::{EntityKind, RelationKind};
use crate::fact::Signal;
use crate::object::{Container, ObjectState, PodSpec, ServicePort};

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
        }
    }
    signals.extend(namespace.of(EntityKind::Ingress).filter_map(|ingress| leads_nowhere(namespace, ingress)));
    for workload in namespace.workloads() {
        let Some(pod) = &workload.pod else { continue };
        signals.extend(conflict(namespace, workload, pod));
        clients(namespace, workload, pod, signals, edges);
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
    if declared.is_empty() {
        return None;
    }
    let same_port =
        |known: &&&(u16, String, String)| port.target == known.0.to_string() || port.target == known.2;
    let shown: Vec<String> = declared.iter().map(|known| format!("{}/{}", known.0, known.1)).collect();
    let Some(known) = declared.iter().find(same_port) else {
        let detail =
            format!("targetPort {} is not among the container ports {}", port.target, shown.join(", "));
        return Some(finding(service, "k8s.service.TargetPortMismatch", &detail));
    };
    let (here, there) = (protocol(&port.protocol), protocol(&known.1));
    let detail = format!("port {} is {here}, the container serves {there}", port.port);
    (here != there).then(|| finding(service, "k8s.service.ProtocolMismatch", &detail))
}

fn protocol(name: &str) -> &str {
    if name.is_empty() { "TCP" } else { name }
}

/// Environment values of the form `service:port` or `scheme://service:port/…`: who calls whom, and whether it can.
fn clients(
    namespace: &Namespace<'_>,
    workload: &ObjectState,
    pod: &PodSpec,
    signals: &mut Vec<Signal>,
    edges: &mut Vec<Edge>,
) {
    let callers: Vec<&ObjectState> = namespace
        .services()
        .filter(|service| {
            !service.selector.is_empty() && matches(&service.selector, &workload.template_labels)
        })
        .collect();
    for (name, value) in pod.containers.iter().flat_map(addresses) {
        let Some((host, port)) = address(&value) else { continue };
        let Some(service) = service_named(namespace, workload, host) else {
            if let Some(meant) = meant(namespace, host) {
                let detail = format!("{name} is {value}; no service {host} exists, but {meant} does");
                signals.push(finding(workload, "k8s.service.AddressMismatch", &detail));
                continue;
            }
            let looks_internal = !host.contains('.') && name.to_ascii_uppercase().contains("ADDR");
            let detail = format!("{name} is {value}, and no service {host} exists in the namespace");
            // A host without dots can only be a service of this namespace. Optional peers are often configured and not
            // deployed: weak evidence, unlike a port that an existing service does not have.
            if looks_internal && namespace.services().count() != 0 {
                signals.push(finding(workload, "k8s.service.AddressUnknown", &detail));
            }
            continue;
        };
        edges.extend(
            callers.iter().map(|caller| (caller.entity.clone(), RelationKind::Calls, service.entity.clone())),
        );
        if !service.ports.is_empty() && !service.ports.iter().any(|known| known.port == port) {
            let ports: Vec<String> = service.ports.iter().map(|known| known.port.to_string()).collect();
            let detail = format!("{name} is {value}, but service {host} listens on {}", ports.join(", "));
            signals.push(finding(workload, wrong_port(service), &detail));
        }
    }
}

/// Ports of relational databases: what is behind such a service is one.
const DATABASE_PORTS: [u16; 4] = [1433, 1521, 3306, 5432];

fn wrong_port(service: &ObjectState) -> &'static str {
    let database = service.ports.iter().any(|port| DATABASE_PORTS.contains(&port.port));
    if database { "k8s.service.DatabasePortMismatch" } else { "k8s.service.AddressMismatch" }
}

/// Addresses in the environment of a container: values that are one, and pairs such as `DB_HOST` and `DB_PORT`.
fn addresses(container: &Container) -> Vec<(&str, String)> {
    let env = &container.env;
    let pair = |(name, host): (&String, &String)| {
        let port = env.get(&format!("{}PORT", name.strip_suffix("HOST")?))?;
        Some(format!("{host}:{port}"))
    };
    env.iter().map(|entry| (entry.0.as_str(), pair(entry).unwrap_or_else(|| entry.1.clone()))).collect()
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

/// A route to a service that does not exist, where services of the namespace are shown.
fn leads_nowhere(namespace: &Namespace<'_>, ingress: &ObjectState) -> Option<Signal> {
    namespace.services().next()?;
    let missing = ingress
        .targets
        .iter()
        .find(|target| !namespace.services().any(|service| service.entity == **target))?;
    Some(finding(ingress, "k8s.ingress.BackendMissing", &format!("{missing} does not exist")))
}

/// The service that a host of this namespace is a misspelling of: one name begins with the other, or they differ in two
/// letters at most.
fn meant<'a>(namespace: &Namespace<'a>, host: &str) -> Option<&'a str> {
    if host.contains('.') || host.len() < 4 {
        return None;
    }
    let near = |name: &str| {
        let extends = 4 <= name.len() && (host.starts_with(name) || name.starts_with(host));
        // A workload of the name is meant itself: its service is missing.
        !namespace.workloads().any(|workload| workload.entity.name == host)
            && (extends || distance_within(host, name, 2))
    };
    namespace.services().map(|service| service.entity.name.as_str()).find(|name| near(name))
}

/// Whether two names are at most `most` insertions, deletions or replacements apart.
fn distance_within(left: &str, right: &str, most: usize) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if most < left.len().abs_diff(right.len()) || left.len() < 3 * most {
        return false;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()] <= most
}

fn address(value: &str) -> Option<(&str, u16)> {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    let authority = authority.rsplit('@').next()?;
    let (host, port) = authority.rsplit_once(':')?;
    let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if named && !numeric && host != "localhost" { Some((host, port.parse().ok()?)) } else { None }
}

fn service_named<'a>(
    namespace: &Namespace<'a>,
    workload: &ObjectState,
    host: &str,
) -> Option<&'a ObjectState> {
    let (name, rest) = host.split_once('.').unwrap_or((host, ""));
    let here = rest.is_empty() || rest.split('.').next() == Some(&workload.entity.namespace);
    namespace.services().find(|service| here && service.entity.name == name)
}
