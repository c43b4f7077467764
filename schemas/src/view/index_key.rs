//! Index keys: what a row can be looked up by besides its key.
//!
//! An index key is a hash: two may be alike by chance, so that whoever looks rows up asks each whether it bears it in full.

use crate::catalogue::{Class, Layer};
use crate::entity::{Entity, EntityKind};
use crate::ids::{EpisodeId, hash64};
use crate::view::{EpisodeRow, Row, ViewName};

/// Shortest beginning of a name that is an index key, in bytes.
pub const BEGINNING_BYTES_MIN: usize = 4;

/// Something that rows can be looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey(u64);

impl IndexKey {
    /// The row names this entity.
    pub fn entity(entity: &Entity) -> IndexKey {
        let Entity { kind, cluster, namespace, name } = entity;
        IndexKey::of(["entity", kind.as_str(), cluster, namespace, name])
    }

    /// The entity is called so, in whatever letters.
    pub fn name(name: &str) -> IndexKey {
        IndexKey::of(["name", &name.to_ascii_lowercase()])
    }

    /// The name of a service or workload begins with this and a hyphen, in whatever letters.
    pub fn beginning(beginning: &str) -> IndexKey {
        IndexKey::of(["beginning", &beginning.to_ascii_lowercase()])
    }

    /// The entity is a service, or the calls of one service to another.
    pub fn kind(kind: EntityKind) -> IndexKey {
        IndexKey::of(["kind", kind.as_str()])
    }

    /// The episode is a state of a node.
    pub fn node_state() -> IndexKey {
        IndexKey::of(["node_state"])
    }

    /// The episode is what people have said in a chat.
    pub fn chat() -> IndexKey {
        IndexKey::of(["chat"])
    }

    /// The link is from this episode, which is a change or a state of a node.
    pub fn cause(EpisodeId(id): EpisodeId) -> IndexKey {
        IndexKey(hash64(&[b"cause", &id.to_le_bytes()]))
    }

    /// Everything that a row of a view is indexed by, each once.
    pub fn all(view: ViewName, row: &Row) -> Vec<IndexKey> {
        match (view, row) {
            (ViewName::Episodes, Row::Episode(row)) => {
                let state = is_node_state(row).then(IndexKey::node_state);
                let chat = row.kind.id().starts_with("chat.").then(IndexKey::chat);
                [Some(IndexKey::entity(&row.entity)), state, chat].into_iter().flatten().collect()
            }
            (ViewName::Changes, Row::Episode(row)) => vec![IndexKey::entity(&row.entity)],
            (_, Row::Entity(row)) => of_entity(&row.entity),
            (_, Row::Relation(_) | Row::Chain(_) | Row::Incident(_)) => {
                let mut entities = row.entities();
                // Where one link of a chain ends the next begins.
                entities.dedup();
                let mut index_keys: Vec<IndexKey> = entities.into_iter().map(IndexKey::entity).collect();
                index_keys.sort_unstable();
                index_keys.dedup();
                index_keys
            }
            (_, Row::Link(row)) if row.cause.class == Class::Change || is_node_state(&row.cause) => {
                vec![IndexKey::cause(row.cause.episode_id)]
            }
            _ => Vec::new(),
        }
    }

    /// Whether every row of a view is indexed by all entities that it names.
    pub fn names_entities(view: ViewName) -> bool {
        use ViewName::{Chains, Changes, Episodes, Incidents, Topology};
        matches!(view, Episodes | Changes | Topology | Chains | Incidents)
    }

    /// Whether rows of a view with one key can bear now these index keys, now those.
    pub fn may_change(view: ViewName) -> bool {
        matches!(view, ViewName::Chains | ViewName::Incidents)
    }

    /// What it is, and what is said of it.
    fn of<const PARTS: usize>(parts: [&str; PARTS]) -> IndexKey {
        IndexKey(hash64(&parts.map(str::as_bytes)))
    }
}

fn is_node_state(row: &EpisodeRow) -> bool {
    row.class == Class::State && row.kind.spec().layer == Layer::Node
}

fn of_entity(entity: &Entity) -> Vec<IndexKey> {
    let mut index_keys = vec![IndexKey::name(&entity.name)];
    if matches!(entity.kind, EntityKind::Service | EntityKind::Call) {
        index_keys.push(IndexKey::kind(entity.kind));
    }
    if matches!(entity.kind, EntityKind::Service | EntityKind::Deployment | EntityKind::StatefulSet) {
        let hyphens = entity.name.match_indices('-').map(|(at, _)| &entity.name[..at]);
        index_keys
            .extend(hyphens.filter(|begin| BEGINNING_BYTES_MIN <= begin.len()).map(IndexKey::beginning));
    }
    index_keys
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ids::EntityId;
    use crate::view::EntityRow;

    fn index_keys(kind: EntityKind, name: &str) -> Vec<IndexKey> {
        let entity = Entity::namespaced(kind, "shop", name);
        let row = Row::Entity(Arc::new(EntityRow { entity_id: EntityId(1), entity: entity.into() }));
        IndexKey::all(ViewName::Entities, &row)
    }

    #[test]
    fn services_are_indexed_by_the_beginnings_of_their_names_and_pods_are_not() {
        let gateway = index_keys(EntityKind::Service, "Payment-gateway-eu");
        for index_key in [
            IndexKey::name("payment-gateway-EU"),
            IndexKey::beginning("payment"),
            IndexKey::beginning("payment-gateway"),
            IndexKey::kind(EntityKind::Service),
        ] {
            assert!(gateway.contains(&index_key));
        }
        assert_eq!(gateway.len(), 4);
        assert_eq!(index_keys(EntityKind::Pod, "payment-gateway-0").len(), 1);
    }

    #[test]
    fn parts_of_an_index_key_do_not_run_into_each_other() {
        let entity =
            |namespace, name| IndexKey::entity(&Entity::namespaced(EntityKind::Pod, namespace, name));
        assert_ne!(entity("ab", "c"), entity("a", "bc"));
        assert_ne!(IndexKey::name("api"), IndexKey::beginning("api"));
    }
}
