//! Marks: what a row can be looked up by besides its key.
//!
//! A mark is a hash: two may be alike by chance, so that whoever looks rows up asks each whether it bears the mark in full.

use std::collections::BTreeSet;

use crate::catalogue::{Class, Layer};
use crate::entity::{Entity, EntityKind};
use crate::ids::{EpisodeId, hash64};
use crate::view::{EpisodeRow, Row, ViewName};

/// Shortest beginning of a name that is a mark, in bytes.
pub const BEGINNING_BYTES_MIN: usize = 4;

/// Something that rows can be looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(u64);

impl Mark {
    /// The row names this entity.
    pub fn entity(entity: &Entity) -> Mark {
        let Entity { kind, cluster, namespace, name } = entity;
        Mark::of("entity", &[kind.as_str(), cluster, namespace, name])
    }

    /// The entity is called so, in whatever letters.
    pub fn name(name: &str) -> Mark {
        Mark::of("name", &[&name.to_ascii_lowercase()])
    }

    /// The name of a service or workload begins with this and a hyphen, in whatever letters.
    pub fn beginning(beginning: &str) -> Mark {
        Mark::of("beginning", &[&beginning.to_ascii_lowercase()])
    }

    /// The entity is a service, or the calls of one service to another.
    pub fn kind(kind: EntityKind) -> Mark {
        Mark::of("kind", &[kind.as_str()])
    }

    /// The episode is a state of a node.
    pub fn node_state() -> Mark {
        Mark::of("node_state", &[])
    }

    /// The episode is what people have said in a chat.
    pub fn chat() -> Mark {
        Mark::of("chat", &[])
    }

    /// The link is from this episode, which is a change or a state of a node.
    pub fn cause(EpisodeId(id): EpisodeId) -> Mark {
        Mark(hash64(&[b"cause", &id.to_le_bytes()]))
    }

    /// Everything that a row of a view is marked with.
    pub fn all(view: ViewName, row: &Row) -> BTreeSet<Mark> {
        match (view, row) {
            (ViewName::Episodes, Row::Episode(row)) => {
                let state = is_node_state(row).then(Mark::node_state);
                let chat = row.kind.id().starts_with("chat.").then(Mark::chat);
                [Some(Mark::entity(&row.entity)), state, chat].into_iter().flatten().collect()
            }
            (ViewName::Changes, Row::Episode(row)) => BTreeSet::from([Mark::entity(&row.entity)]),
            (_, Row::Entity(row)) => of_entity(&row.entity),
            (_, Row::Relation(_) | Row::Chain(_) | Row::Incident(_)) => {
                row.entities().into_iter().map(Mark::entity).collect()
            }
            (_, Row::Link(row)) if row.cause.class == Class::Change || is_node_state(&row.cause) => {
                BTreeSet::from([Mark::cause(row.cause.episode_id)])
            }
            _ => BTreeSet::new(),
        }
    }

    /// Whether every row of a view is marked with all entities that it names.
    pub fn names_entities(view: ViewName) -> bool {
        use ViewName::{Chains, Changes, Episodes, Incidents, Topology};
        matches!(view, Episodes | Changes | Topology | Chains | Incidents)
    }

    /// Whether rows of a view with one key can bear now these marks, now those.
    pub fn may_change(view: ViewName) -> bool {
        matches!(view, ViewName::Chains | ViewName::Incidents)
    }

    fn of(what: &str, parts: &[&str]) -> Mark {
        let parts: Vec<&[u8]> = [what].iter().chain(parts).map(|part| part.as_bytes()).collect();
        Mark(hash64(&parts))
    }
}

fn is_node_state(row: &EpisodeRow) -> bool {
    row.class == Class::State && row.kind.spec().layer == Layer::Node
}

fn of_entity(entity: &Entity) -> BTreeSet<Mark> {
    let mut marks = BTreeSet::from([Mark::name(&entity.name)]);
    if matches!(entity.kind, EntityKind::Service | EntityKind::Call) {
        marks.insert(Mark::kind(entity.kind));
    }
    if matches!(entity.kind, EntityKind::Service | EntityKind::Deployment | EntityKind::StatefulSet) {
        let hyphens = entity.name.match_indices('-').map(|(at, _)| &entity.name[..at]);
        marks.extend(hyphens.filter(|begin| BEGINNING_BYTES_MIN <= begin.len()).map(Mark::beginning));
    }
    marks
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::EntityId;
    use crate::view::EntityRow;

    fn marks(kind: EntityKind, name: &str) -> BTreeSet<Mark> {
        let entity = Entity::namespaced(kind, "shop", name);
        let row = Row::Entity(Arc::new(EntityRow { entity_id: EntityId(1), entity }));
        Mark::all(ViewName::Entities, &row)
    }

    #[test]
    fn services_are_marked_with_the_beginnings_of_their_names_and_pods_are_not() {
        let gateway = marks(EntityKind::Service, "Payment-gateway-eu");
        for mark in [
            Mark::name("payment-gateway-EU"),
            Mark::beginning("payment"),
            Mark::beginning("payment-gateway"),
            Mark::kind(EntityKind::Service),
        ] {
            assert!(gateway.contains(&mark));
        }
        assert_eq!(gateway.len(), 4);
        assert_eq!(marks(EntityKind::Pod, "payment-gateway-0").len(), 1);
    }

    #[test]
    fn parts_of_a_mark_do_not_run_into_each_other() {
        let entity = |namespace, name| Mark::entity(&Entity::namespaced(EntityKind::Pod, namespace, name));
        assert_ne!(entity("ab", "c"), entity("a", "bc"));
        assert_ne!(Mark::name("api"), Mark::beginning("api"));
    }
}
