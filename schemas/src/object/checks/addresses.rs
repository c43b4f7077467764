//! Addresses that workloads and routes are configured with: who calls whom, and whether it can.

use super::{Edge, Namespace, finding, matches};
use crate::entity::{EntityKind, RelationKind};
use crate::fact::Signal;
use crate::object::{Container, ObjectState, PodSpec, Reference, ServicePort};

/// Ports of relational databases: what is behind such a service is one.
const DATABASE_PORTS: [u16; 4] = [1433, 1521, 3306, 5432];
/// Words of environment variables that hold addresses.
const ADDRESS_WORDS: [&str; 8] = ["ADDR", "URL", "URI", "HOST", "ENDPOINT", "SERVICE", "SERVER", "UPSTREAM"];
/// Ports that schemes have when none is written.
const DEFAULT_PORTS: [(&str, u16); 7] = [
    ("http", 80),
    ("https", 443),
    ("jdbc:mysql", 3306),
    ("jdbc:postgresql", 5432),
    ("mysql", 3306),
    ("postgresql", 5432),
    ("redis", 6379),
];

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>, edges: &mut Vec<Edge>) {
    if namespace.services().next().is_none() {
        return;
    }
    for route in namespace.of(EntityKind::Ingress) {
        signals.extend(route.ports.iter().find_map(|to| leads_nowhere(namespace, route, to)));
    }
    for workload in namespace.workloads() {
        let Some(pod) = &workload.pod else { continue };
        environment(namespace, workload, pod, signals, edges);
        config_maps(namespace, workload, pod, signals, edges);
    }
}

/// Where an address leads.
enum Leads<'a> {
    /// To a service of the namespace that has the port.
    To(&'a ObjectState),
    /// To a service of the namespace that does not have the port.
    WrongPort(&'a ObjectState),
    /// Nowhere, but a service of nearly that name exists.
    Misspelled(&'a str),
    /// To a service of this namespace that does not exist, or of another one although one of its name is here.
    Unknown,
    /// Out of the namespace.
    Elsewhere,
}

fn leads<'a>(namespace: &Namespace<'a>, home: &str, host: &str, port: Option<u16>) -> Leads<'a> {
    let Some(name) = local(host, home) else {
        let here = host.split_once('.').filter(|(_, rest)| rest.split('.').nth(1) == Some("svc"));
        let same = here.and_then(|(name, _)| service_named(namespace, name));
        return if same.is_some() { Leads::Unknown } else { Leads::Elsewhere };
    };
    let Some(service) = service_named(namespace, name) else {
        return meant(namespace, name).map_or(Leads::Unknown, Leads::Misspelled);
    };
    let served = |port: u16| service.ports.is_empty() || service.ports.iter().any(|known| known.port == port);
    if port.is_none_or(served) { Leads::To(service) } else { Leads::WrongPort(service) }
}

/// Environment values that are addresses.
fn environment(
    namespace: &Namespace<'_>,
    workload: &ObjectState,
    pod: &PodSpec,
    signals: &mut Vec<Signal>,
    edges: &mut Vec<Edge>,
) {
    for (name, value) in pod.containers.iter().flat_map(addresses) {
        let Some((host, port)) = address(&value) else { continue };
        let mut says = |kind, why: String| {
            signals.push(finding(workload, kind, &format!("{name} is {host}:{}, {why}", port.unwrap_or(0))));
        };
        match leads(namespace, &workload.entity.namespace, host, port) {
            Leads::To(service) => calls(namespace, workload, service, edges),
            Leads::WrongPort(service) => {
                says(wrong_port(service), format!("but service {host} listens on {}", ports(service)));
                calls(namespace, workload, service, edges);
            }
            Leads::Misspelled(meant) => {
                says("k8s.service.AddressMismatch", format!("which does not exist, but {meant} does"));
            }
            // Optional peers are often configured and not deployed: weak evidence, unlike a port that an existing
            // service does not have.
            Leads::Unknown if is_address(name) => {
                says("k8s.service.AddressUnknown", "and no such service exists in the namespace".to_owned());
            }
            Leads::Unknown | Leads::Elsewhere => {}
        }
    }
}

/// Addresses in the config maps that a workload uses: the routes of a proxy, the peers of a program.
fn config_maps(
    namespace: &Namespace<'_>,
    workload: &ObjectState,
    pod: &PodSpec,
    signals: &mut Vec<Signal>,
    edges: &mut Vec<Edge>,
) {
    let from_env = pod.containers.iter().flat_map(|container| &container.env_from);
    let mut used: Vec<&Reference> = pod.volumes.iter().chain(from_env).collect();
    used.sort();
    used.dedup_by_key(|reference| &reference.entity);
    for map in used.into_iter().filter(|reference| reference.entity.kind == EntityKind::ConfigMap) {
        let Some(map) = namespace.of(EntityKind::ConfigMap).find(|state| state.entity == map.entity) else {
            continue;
        };
        for to in &map.ports {
            let (host, port) = (to.name.as_str(), Some(to.port).filter(|port| *port != 0));
            let mut says = |kind, why: String| {
                let detail = format!("{} names {host}:{}, {why}", map.entity, to.port);
                signals.push(finding(workload, kind, &detail));
            };
            match leads(namespace, &workload.entity.namespace, host, port) {
                Leads::To(service) => calls(namespace, workload, service, edges),
                Leads::WrongPort(service) => {
                    says("k8s.ingress.BackendMissing", format!("which listens on {}", ports(service)));
                }
                Leads::Misspelled(meant) => {
                    says("k8s.ingress.BackendMissing", format!("which does not exist, but {meant} does"));
                }
                Leads::Unknown => says("k8s.service.AddressUnknown", "which does not exist".to_owned()),
                Leads::Elsewhere => {}
            }
        }
    }
}

/// The services in front of a workload call another.
fn calls(namespace: &Namespace<'_>, workload: &ObjectState, callee: &ObjectState, edges: &mut Vec<Edge>) {
    let in_front = namespace.services().filter(|service| {
        !service.selector.is_empty() && matches(&service.selector, &workload.template_labels)
    });
    edges.extend(in_front.map(|caller| (caller.entity.clone(), RelationKind::Calls, callee.entity.clone())));
}

/// A route to a service that does not exist, or to a port that it does not have.
fn leads_nowhere(namespace: &Namespace<'_>, route: &ObjectState, to: &ServicePort) -> Option<Signal> {
    let name = local(&to.name, &route.entity.namespace)?;
    let detail = match service_named(namespace, name) {
        None => format!("service {name} does not exist"),
        Some(service) => {
            let known = |port: &ServicePort| {
                if to.port == 0 {
                    to.target.is_empty() || port.name == to.target
                } else {
                    port.port == to.port
                }
            };
            if service.ports.is_empty() || service.ports.iter().any(known) {
                return None;
            }
            format!("service {name} listens on {}, not on {}{}", ports(service), to.port, to.target)
        }
    };
    Some(finding(route, "k8s.ingress.BackendMissing", &detail))
}

fn ports(service: &ObjectState) -> String {
    let ports: Vec<String> = service.ports.iter().map(|known| known.port.to_string()).collect();
    ports.join(", ")
}

fn wrong_port(service: &ObjectState) -> &'static str {
    let database = service.ports.iter().any(|port| DATABASE_PORTS.contains(&port.port));
    if database { "k8s.service.DatabasePortMismatch" } else { "k8s.service.AddressMismatch" }
}

fn is_address(variable: &str) -> bool {
    let name = variable.to_ascii_uppercase();
    ADDRESS_WORDS.iter().any(|word| name.contains(word))
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

/// Host and port of `host:port` or `scheme://host:port/…`; with a scheme the port may be left out.
fn address(value: &str) -> Option<(&str, Option<u16>)> {
    let (scheme, rest) = value.split_once("://").map_or((None, value), |(scheme, rest)| (Some(scheme), rest));
    let authority = rest.split(['/', '?']).next()?;
    let authority = authority.rsplit('@').next()?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => {
            let default = DEFAULT_PORTS.iter().find(|(name, _)| scheme == Some(*name));
            (authority, default.map(|(_, port)| *port))
        }
    };
    let named = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    let numeric = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let whole = scheme.is_some() || port.is_some();
    (named && !numeric && whole && host != "localhost").then_some((host, port))
}

/// The name of a service of a namespace that a host means: `name`, `name.namespace` or `name.namespace.svc.…`.
fn local<'a>(host: &'a str, namespace: &str) -> Option<&'a str> {
    let Some((name, rest)) = host.split_once('.') else { return Some(host) };
    let mut rest = rest.split('.');
    let here = rest.next() == Some(namespace) && rest.next().is_none_or(|next| next == "svc");
    here.then_some(name)
}

fn service_named<'a>(namespace: &Namespace<'a>, name: &str) -> Option<&'a ObjectState> {
    namespace.services().find(|service| service.entity.name == name)
}

/// The service that a name of this namespace is a misspelling of: one begins with the other, or they differ in two
/// letters at most.
fn meant<'a>(namespace: &Namespace<'a>, host: &str) -> Option<&'a str> {
    if host.len() < 4 {
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
