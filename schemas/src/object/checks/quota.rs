//! Quotas that leave no room for what the namespace plainly lacks. Such a refusal reaches only whoever asked, so that no
//! Event tells of it: a service or a claim is just not there.

use super::{Edge, Namespace, finding, matches};
use crate::entity::{Entity, EntityKind, RelationKind};
use crate::fact::Signal;
use crate::object::{ObjectState, Reference};

pub(super) fn check(namespace: &Namespace<'_>, signals: &mut Vec<Signal>, edges: &mut Vec<Edge>) {
    for quota in namespace.of(EntityKind::Namespace).filter(|state| !state.hard.is_empty()) {
        signals.extend(services(namespace, quota));
        if let Some((signal, claim)) = storage(namespace, quota) {
            // A claim that does not exist asserts no edge itself.
            edges.push((claim, RelationKind::MemberOf, quota.entity.clone()));
            signals.push(signal);
        }
    }
}

/// What a quota leaves of a resource, in milli-units.
fn left(quota: &ObjectState, resource: &str) -> Option<i64> {
    let hard = quota.hard.get(resource)?;
    Some(hard.saturating_sub(quota.used.get(resource).copied().unwrap_or(0)))
}

/// No further service is allowed, and a workload that serves a port has none.
fn services(namespace: &Namespace<'_>, quota: &ObjectState) -> Option<Signal> {
    let full = ["services", "count/services"]
        .into_iter()
        .find(|name| left(quota, name).is_some_and(|left| left <= 0))?;
    let serves = |workload: &&ObjectState| {
        let containers = workload.pod.iter().flat_map(|pod| &pod.containers);
        containers.into_iter().any(|container| !container.init && !container.ports.is_empty())
    };
    let reached = |workload: &ObjectState| {
        namespace.services().any(|service| {
            !service.selector.is_empty() && matches(&service.selector, &workload.template_labels)
        })
    };
    // A service of the name exists but selects something else: that is another fault.
    let named = |workload: &ObjectState| {
        namespace.services().any(|service| service.entity.name == workload.entity.name)
    };
    let without =
        namespace.workloads().filter(serves).find(|workload| !reached(workload) && !named(workload))?;
    let hard = quota.hard.get(full).map_or(0, |hard| hard / 1_000);
    let detail = format!("{full}: all {hard} are used, and {} has no service", without.entity);
    Some(finding(quota, "k8s.quota.ServicesExceeded", &detail))
}

/// A pod waits for a claim that does not exist, and what the quota leaves is less than the volumes that are free. The
/// claim is told as well.
fn storage(namespace: &Namespace<'_>, quota: &ObjectState) -> Option<(Signal, Entity)> {
    let waiting = namespace.pods().filter(|pod| pod.phase == "Pending");
    let (pod, missing) = waiting
        .filter_map(|pod| Some((pod, pod.pod.as_ref().filter(|spec| spec.node.is_empty())?)))
        .flat_map(|(pod, spec)| spec.volumes.iter().map(move |volume| (pod, volume)))
        .find(|(_, volume)| lacks(namespace, volume))?;
    let offered = namespace.of(EntityKind::Volume).filter_map(|volume| volume.storage.as_ref());
    let smallest = offered.filter(|volume| volume.bound_to.is_empty()).map(|volume| volume.bytes).min();
    let room = left(quota, "requests.storage").map(|left| left / 1_000);
    let no_room = room.is_some_and(|room| smallest.is_none_or(|smallest| room < smallest));
    let no_more = ["persistentvolumeclaims", "count/persistentvolumeclaims"]
        .into_iter()
        .any(|name| left(quota, name).is_some_and(|left| left <= 0));
    if !no_room && !no_more {
        return None;
    }
    let detail = format!("{} does not exist; the quota leaves {} bytes", missing.entity, room.unwrap_or(0));
    let signal = finding(quota, "k8s.quota.StorageExceeded", &detail);
    // The claim was lacking before the pod waited for it.
    Some((signal.since(pod.created.unwrap_or(pod.at)), missing.entity.clone()))
}

fn lacks(namespace: &Namespace<'_>, volume: &Reference) -> bool {
    volume.entity.kind == EntityKind::Claim && !namespace.has(&volume.entity)
}
