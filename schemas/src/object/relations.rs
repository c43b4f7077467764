//! Edges that one object asserts about itself.

use crate::entity::{Entity, EntityKind, RelationKind};
use crate::object::{ObjectState, PodSpec};

/// Every edge that a state asserts. What needs two objects (a selector and the pods it matches) is in `checks`.
pub fn relations(state: &ObjectState) -> Vec<(Entity, RelationKind, Entity)> {
    let me = &state.entity;
    let mut edges = Vec::new();
    edges.extend(state.owners.iter().map(|owner| (owner.clone(), RelationKind::Owns, me.clone())));
    if !me.namespace.is_empty() {
        let namespace = Entity::global(EntityKind::Namespace, &me.namespace);
        edges.push((me.clone(), RelationKind::MemberOf, namespace));
    }
    if let Some(pod) = &state.pod {
        pod_relations(me, pod, &mut edges);
    }
    if let Some(storage) = &state.storage
        && me.kind == EntityKind::Claim
        && !storage.bound_to.is_empty()
    {
        let volume = Entity::global(EntityKind::Volume, &storage.bound_to);
        edges.push((me.clone(), RelationKind::MemberOf, volume));
    }
    if let Some(endpoints) = &state.endpoints {
        for address in endpoints.ready.iter().chain(&endpoints.not_ready).filter(|name| is_pod_name(name)) {
            let pod = Entity::namespaced(EntityKind::Pod, &me.namespace, address);
            edges.push((me.clone(), RelationKind::Selects, pod));
        }
    }
    let verb = match me.kind {
        EntityKind::Autoscaler => Some(RelationKind::Scales),
        EntityKind::Ingress => Some(RelationKind::Routes),
        _ => None,
    };
    edges.extend(
        verb.into_iter().flat_map(|verb| state.targets.iter().map(move |to| (me.clone(), verb, to.clone()))),
    );
    edges.sort();
    edges.dedup();
    edges
}

fn pod_relations(me: &Entity, pod: &PodSpec, edges: &mut Vec<(Entity, RelationKind, Entity)>) {
    if !pod.node.is_empty() {
        edges.push((me.clone(), RelationKind::RunsOn, Entity::global(EntityKind::Node, &pod.node)));
    }
    let named = |kind: EntityKind, name: &String| Entity::namespaced(kind, &me.namespace, name);
    let account = Some(&pod.service_account).filter(|name| !name.is_empty());
    let mut references: Vec<Entity> =
        account.map(|name| named(EntityKind::ServiceAccount, name)).into_iter().collect();
    references.extend(pod.pull_secrets.iter().map(|name| named(EntityKind::Secret, name)));
    references.extend(pod.volumes.iter().map(|volume| volume.entity.clone()));
    for container in &pod.containers {
        references.extend(container.env_from.iter().map(|reference| reference.entity.clone()));
        if !container.image.is_empty() {
            let (image, registry) = image_and_registry(&container.image);
            edges.push((me.clone(), RelationKind::BuiltFrom, image.clone()));
            edges.push((image, RelationKind::HostedOn, registry));
        }
    }
    edges.extend(references.into_iter().map(|to| (me.clone(), RelationKind::References, to)));
}

/// The image without its digest, and the registry's host; images without a host come from the default registry.
fn image_and_registry(reference: &str) -> (Entity, Entity) {
    let image = reference.split('@').next().unwrap_or(reference);
    let host = match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    };
    (Entity::global(EntityKind::Image, image), Entity::global(EntityKind::Registry, host))
}

fn is_pod_name(address: &str) -> bool {
    address.chars().any(|c| c.is_ascii_alphabetic()) && !address.contains(':')
}
