//! Which entity labels, tags and envelope fields mean, and which edges they state.

use crate::entity::{Entity, EntityKind, Relation, RelationKind};
use crate::envelope::EnvelopeEntity;
use crate::fact::Fact;
use crate::time::EventTime;

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
const BY_LABEL: [(&str, EntityKind); 14] = [
    ("pod", EntityKind::Pod),
    ("deployment", EntityKind::Deployment),
    ("statefulset", EntityKind::StatefulSet),
    ("daemonset", EntityKind::DaemonSet),
    ("job_name", EntityKind::Job),
    ("cronjob", EntityKind::CronJob),
    ("horizontalpodautoscaler", EntityKind::Autoscaler),
    ("persistentvolumeclaim", EntityKind::Claim),
    // A managed database as exporters of CloudWatch label it.
    ("dbinstance_identifier", EntityKind::External),
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
        Some((kind @ (EntityKind::External | EntityKind::Node | EntityKind::Topic), name)) => {
            Entity::global(kind, name)
        }
        Some((kind, name)) => Entity::namespaced(kind, namespace, name),
        None if !namespace.is_empty() => Entity::global(EntityKind::Namespace, namespace),
        None => return None,
    };
    Some(entity.in_cluster(cluster))
}

/// Whoever names both a service and a pod says that the pod is one of the service; whoever names a service and a
/// namespace, that the service is in it.
pub(super) fn membership(place: &EnvelopeEntity, at: EventTime) -> Vec<Fact> {
    service_of_envelope(place).map_or_else(Vec::new, |service| {
        let pod = place.pod.as_ref().and_then(|_| of_envelope(place));
        member_edges(service, pod, at)
    })
}

/// The same of labels.
pub(super) fn membership_of_labels<'a>(label: impl Fn(&str) -> Option<&'a str>, at: EventTime) -> Vec<Fact> {
    let (namespace, cluster) = (label("namespace").unwrap_or_default(), label("cluster").unwrap_or_default());
    let of = |kind, name| Entity::namespaced(kind, namespace, name).in_cluster(cluster);
    let service = label("service").or_else(|| label("app"));
    service.map_or_else(Vec::new, |service| {
        let pod = label("pod").map(|pod| of(EntityKind::Pod, pod));
        member_edges(of(EntityKind::Service, service), pod, at)
    })
}

fn member_edges(service: Entity, pod: Option<Entity>, at: EventTime) -> Vec<Fact> {
    let in_namespace = in_namespace(&service, at);
    let has_pod = pod.and_then(|pod| edge(service, RelationKind::Selects, pod, at));
    in_namespace.into_iter().chain(has_pod).collect()
}

/// Whatever has a namespace is a member of it.
pub(super) fn in_namespace(entity: &Entity, at: EventTime) -> Option<Fact> {
    if entity.namespace.is_empty() {
        return None;
    }
    let namespace = Entity::global(EntityKind::Namespace, &entity.namespace).in_cluster(&entity.cluster);
    edge(entity.clone(), RelationKind::MemberOf, namespace, at)
}

fn edge(from: Entity, kind: RelationKind, to: Entity, valid_from: EventTime) -> Option<Fact> {
    (from != to).then_some(Fact::Relation(Relation { from, kind, to, valid_from, valid_to: None }))
}
