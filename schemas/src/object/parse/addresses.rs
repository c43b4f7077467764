//! Addresses of services in routes and in the text of config maps.

use serde_json::Value;

use super::{ITEMS_MAX, items, number16, text};
use crate::object::ServicePort;

/// Text of a config map that is looked through, in bytes.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// Words of proxies before an address that has no scheme.
const PASSES: [&str; 5] = ["proxy_pass", "grpc_pass", "fastcgi_pass", "uwsgi_pass", "server"];
/// What ends a word in configuration, besides blanks.
const ENDS: [char; 13] = ['"', '\'', '`', ',', ';', '(', ')', '{', '}', '[', ']', '<', '='];

/// What an Ingress, a VirtualService or an HTTPRoute sends requests to.
pub(super) fn backends(object: &Value) -> Vec<ServicePort> {
    let spec = &object["spec"];
    let ruled = items(spec, &["rules"]).flat_map(|rule| items(rule, &["http", "paths"]));
    let ingress = [&spec["defaultBackend"]].into_iter().chain(ruled.map(|path| &path["backend"]));
    let ingress =
        ingress.map(|backend| &backend["service"]).map(|service| (service, &service["port"]["number"]));
    let mesh = items(spec, &["http"])
        .chain(items(spec, &["tcp"]))
        .flat_map(|route| items(route, &["route"]))
        .map(|route| &route["destination"]);
    let mesh = mesh.map(|to| (to, &to["port"]["number"]));
    let gateway = items(spec, &["rules"]).flat_map(|rule| items(rule, &["backendRefs"]));
    let gateway = gateway.map(|to| (to, &to["port"]));
    let backend = |(to, port): (&Value, &Value)| ServicePort {
        name: [text(to, &["name"]), text(to, &["host"])].concat(),
        port: number16(port),
        target: text(to, &["port", "name"]).to_owned(),
        protocol: String::new(),
    };
    tidy(ingress.chain(mesh).chain(gateway).map(backend))
}

/// Hosts and ports in the values of a config map: URLs, and what a proxy passes requests to. Nothing else of them, since
/// URLs can hold credentials.
pub(super) fn named(object: &Value) -> Vec<ServicePort> {
    let mut found = Vec::new();
    for value in object["data"].as_object().into_iter().flat_map(|data| data.values()) {
        let Some(value) = value.as_str() else { continue };
        let mut end = value.len().min(TEXT_BYTES_MAX);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let mut before = "";
        for word in value[..end].split(|c: char| c.is_whitespace() || ENDS.contains(&c)) {
            found.extend(address(word, PASSES.contains(&before)));
            if !word.is_empty() {
                before = word;
            }
        }
    }
    tidy(found)
}

fn address(word: &str, passed: bool) -> Option<ServicePort> {
    let (scheme, rest) = match word.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if passed => ("", word),
        None => return None,
    };
    let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None if scheme == "http" => (authority, 80),
        None if scheme == "https" => (authority, 443),
        // Other schemes name no port: `lb://orders` is looked up in a registry.
        None => (authority, 0),
    };
    let named = host.starts_with(|c: char| c.is_ascii_alphabetic())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    let (name, target, protocol) = (host.to_owned(), String::new(), String::new());
    (named && host != "localhost").then_some(ServicePort { name, port, target, protocol })
}

fn tidy(found: impl IntoIterator<Item = ServicePort>) -> Vec<ServicePort> {
    let mut found: Vec<ServicePort> =
        found.into_iter().filter(|to| !to.name.is_empty()).take(ITEMS_MAX).collect();
    found.sort();
    found.dedup();
    found
}
