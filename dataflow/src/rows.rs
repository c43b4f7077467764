//! Rows inside the engine: ids for joining, shared text for showing.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use schemas::catalogue::{Kind, RuleIndex};
use schemas::entity::{Entity, RelationKind};
use schemas::envelope::Severity;
use schemas::ids::{EntityId, EpisodeId, EventId, Tenant};
use schemas::time::EventTime;
use schemas::view::{EpisodeRow, Shared};
use serde::{Deserialize, Serialize};

/// The event that states something, and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Cite {
    pub(crate) seq: u64,
    pub(crate) event: EventId,
}

/// An entity of a tenant: known by its id, with its name at hand.
///
/// Compared and hashed by the id alone, which is a hash of the name: names would be most of the work of every sort.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) id: EntityId,
    pub(crate) entity: Arc<Entity>,
}

impl Named {
    pub(crate) fn of(tenant: Tenant, entity: &Entity) -> Named {
        Named { id: entity.id(tenant), entity: Arc::new(entity.clone()) }
    }
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Named {}

impl PartialOrd for Named {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Named {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// One statement that something was the case on an entity.
///
/// Field order is the order in which occurrences are folded into episodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Occurrence {
    pub(crate) onset: EventTime,
    pub(crate) cite: Cite,
    pub(crate) earliest: EventTime,
    pub(crate) last: EventTime,
    pub(crate) ended: Option<EventTime>,
    pub(crate) standing: bool,
    pub(crate) count: u64,
    pub(crate) severity: Severity,
    pub(crate) detail: Arc<str>,
    /// Tenths of a spread, for anomalies on metrics; else 0.
    pub(crate) magnitude: u32,
}

/// What occurrences are folded by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) tenant: Tenant,
    pub(crate) on: Named,
    pub(crate) kind: Kind,
}

/// A run of one kind on one entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) tenant: Tenant,
    pub(crate) on: Named,
    /// Some occurrence still holds.
    pub(crate) standing: bool,
    /// Earliest arrival of all that it had: the identity of the episode hangs on it. Need not be live.
    pub(crate) anchor: Cite,
    /// The public row, which links, chains and incidents show too.
    pub(crate) row: Shared<EpisodeRow>,
}

/// A typed edge between entities as one fact states it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct EdgeClaim {
    pub(crate) valid_from: EventTime,
    pub(crate) cite: Cite,
    /// `None` while it holds.
    pub(crate) valid_to: Option<EventTime>,
}

/// The two ends and the verb of an edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct EdgeKey {
    pub(crate) tenant: Tenant,
    pub(crate) from: Named,
    pub(crate) relation: RelationKind,
    pub(crate) to: Named,
}

/// An edge with valid time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Edge {
    pub(crate) key: EdgeKey,
    pub(crate) valid_from: EventTime,
    pub(crate) valid_to: Option<EventTime>,
    pub(crate) event: EventId,
}

/// A proposed cause of an effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) tenant: Tenant,
    pub(crate) effect: EpisodeId,
    pub(crate) cause: EpisodeId,
    pub(crate) rule: RuleIndex,
    /// Node of the walk that led from the effect's entity to the cause's entity.
    pub(crate) way: u16,
    pub(crate) lag_ms: i64,
    /// 0 to 1000.
    pub(crate) strength: u32,
    /// It is the effect's best cause.
    pub(crate) best: bool,
}

#[cfg(test)]
mod tests {
    use schemas::view::EventRow;

    use super::*;
    use crate::operators::admit::{EventDelivery, LiveEvent};

    #[test]
    fn what_every_event_has_is_as_small_as_it_can_be() {
        assert_eq!(size_of::<Cite>(), 24);
        assert_eq!(size_of::<LiveEvent>(), 8);
        // Both with two counts of those that share them: 128 and 96 bytes, of which the allocator has places.
        assert_eq!(size_of::<EventDelivery>(), 112);
        assert_eq!(size_of::<EventRow>(), 80);
    }
}
