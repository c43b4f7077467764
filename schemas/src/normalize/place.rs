//! Which entity labels, tags and envelope fields mean.

use crate::entity::{Entity, EntityKind};
use crate::envelope::EnvelopeEntity;

/// The most specific entity of an envelope: its pod, else its service, else its namespace.
pub(super) fn of_envelope(place: &EnvelopeEntity) -> Option<Entity> {
    let namespace = place.namespace.as_deref().unwrap_or_default();
    let cluster = place.cluster.as_deref().unwrap_or_default();
    let entity = match (&place.pod, &place.service) {
        (Some(pod), _) => Entity::namespaced(EntityKind::Pod, namespace, pod),
        (None, Some(service)) => Entity::namespaced(EntityKind::Service, namespace, service),
        (None, None) if !namespace.is_empty() => Entity::global(EntityKind::Namespace, namespace),
        (None, None) => return None,
    };
    Some(entity.in_cluster(cluster))
}

/// The service of an envelope.
pub(super) fn service_of_envelope(place: &EnvelopeEntity) -> Option<Entity> {
    let namespace = place.namespace.as_deref().unwrap_or_default();
    let service = Entity::namespaced(EntityKind::Service, namespace, place.service.as_deref()?);
    Some(service.in_cluster(place.cluster.as_deref().unwrap_or_default()))
}

/// The calls of one service to another.
pub(super) fn of_call(caller: &Entity, callee: &Entity) -> Entity {
    let name = format!("{}->{}", caller.name, callee.name);
    Entity::namespaced(EntityKind::Call, &callee.namespace, &name).in_cluster(&callee.cluster)
}

/// Caller and callee, where labels of a mesh name both.
pub(super) fn call_of_labels<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<(Entity, Entity)> {
    let cluster = label("cluster").unwrap_or_default();
    let side = |workload: &str, namespace: &str| {
        let name = label(workload).filter(|name| *name != "unknown")?;
        let namespace = label(namespace).unwrap_or_default();
        Some(Entity::namespaced(EntityKind::Service, namespace, name).in_cluster(cluster))
    };
    let caller = side("source_workload", "source_workload_namespace")?;
    Some((caller, side("destination_workload", "destination_workload_namespace")?))
}

/// Labels of monitoring systems, most specific first.
const BY_LABEL: [(&str, EntityKind); 13] = [
    ("pod", EntityKind::Pod),
    ("deployment", EntityKind::Deployment),
    ("statefulset", EntityKind::StatefulSet),
    ("daemonset", EntityKind::DaemonSet),
    ("job_name", EntityKind::Job),
    ("cronjob", EntityKind::CronJob),
    ("horizontalpodautoscaler", EntityKind::Autoscaler),
    ("persistentvolumeclaim", EntityKind::Claim),
    ("service", EntityKind::Service),
    ("app", EntityKind::Service),
    ("topic", EntityKind::Topic),
    ("node", EntityKind::Node),
    ("job", EntityKind::Service),
];

/// The entity that labels mean. `label` looks one up.
pub(super) fn of_labels<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<Entity> {
    let namespace = label("namespace").unwrap_or_default();
    let cluster = label("cluster").unwrap_or_default();
    let found = BY_LABEL.iter().find_map(|(key, kind)| Some((*kind, label(key)?)));
    let entity = match found {
        Some((EntityKind::Node, name)) => Entity::global(EntityKind::Node, name),
        Some((EntityKind::Topic, name)) => Entity::global(EntityKind::Topic, name),
        Some((kind, name)) => Entity::namespaced(kind, namespace, name),
        None if !namespace.is_empty() => Entity::global(EntityKind::Namespace, namespace),
        None => return None,
    };
    Some(entity.in_cluster(cluster))
}
