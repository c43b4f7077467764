//! What the objects of one namespace say together that none says alone: names that point at nothing, ports that do not
//! line up, placement that no node satisfies. Absence is only told where it can be seen: a missing secret, for
//! example, only when other secrets of the namespace were shown.

use std::collections::BTreeMap;

use crate::catalogue::Kind;
use crate::entity::{Entity, EntityKind, RelationKind};
use crate::fact::Signal;
use crate::object::ObjectState;

mod addresses;
mod placement;
mod probes;
mod quota;
mod references;
mod routing;
mod scheduler;
mod storage;

/// Edges that take two objects to see.
pub type Edge = (Entity, RelationKind, Entity);

/// The latest states of a namespace, by role.
pub(crate) struct Namespace<'a> {
    all: &'a [&'a ObjectState],
}

impl<'a> Namespace<'a> {
    fn of(&self, kind: EntityKind) -> impl Iterator<Item = &'a ObjectState> + use<'a> {
        self.all.iter().copied().filter(move |state| state.entity.kind == kind)
    }

    /// Services proper; their endpoints are objects of the same entity.
    fn services(&self) -> impl Iterator<Item = &'a ObjectState> + use<'a> {
        self.of(EntityKind::Service).filter(|state| state.endpoints.is_none())
    }

    /// Controllers that own pods, without those that another controller owns.
    fn workloads(&self) -> impl Iterator<Item = &'a ObjectState> + use<'a> {
        self.all.iter().copied().filter(|state| {
            let controller = matches!(
                state.entity.kind,
                EntityKind::Deployment
                    | EntityKind::StatefulSet
                    | EntityKind::DaemonSet
                    | EntityKind::Rollout
            );
            controller && state.owners.is_empty()
        })
    }

    fn pods(&self) -> impl Iterator<Item = &'a ObjectState> + use<'a> {
        self.of(EntityKind::Pod).filter(|pod| pod.phase != "Succeeded" && pod.phase != "Failed")
    }

    fn has(&self, entity: &Entity) -> bool {
        self.all.iter().any(|state| state.entity == *entity)
    }
}

/// Everything found among the latest states of one namespace, and the nodes and volumes of the tenant.
pub fn checks(objects: &[&ObjectState]) -> (Vec<Signal>, Vec<Edge>) {
    let namespace = Namespace { all: objects };
    let (mut signals, mut edges) = (Vec::new(), Vec::new());
    routing::check(&namespace, &mut signals, &mut edges);
    addresses::check(&namespace, &mut signals, &mut edges);
    references::check(&namespace, &mut signals);
    probes::check(&namespace, &mut signals);
    placement::check(&namespace, &mut signals);
    storage::check(&namespace, &mut signals);
    quota::check(&namespace, &mut signals, &mut edges);
    scheduler::check(&namespace, &mut signals, &mut edges);
    signals.sort();
    signals.dedup();
    edges.sort();
    edges.dedup();
    (signals, edges)
}

/// Whether labels satisfy a selector.
fn matches(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A finding about one object: the case at the latest since it was seen, at the earliest since it was made.
fn finding(state: &ObjectState, kind: &'static str, detail: &str) -> Signal {
    Signal::at(state.entity.clone(), Kind::named(kind), state.at, detail)
        .since(state.created.unwrap_or(state.at))
}

#[cfg(test)]
mod tests;
