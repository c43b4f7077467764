//! Rows inside the engine: ids for joining, shared text for showing.

use std::sync::Arc;

use schemas::catalogue::{Kind, RuleIndex};
use schemas::entity::{Entity, RelationKind};
use schemas::envelope::Severity;
use schemas::fact::Fact;
use schemas::ids::{EntityId, EpisodeId, EventId, Tenant};
use schemas::time::EventTime;
use schemas::view::{EpisodeRow, EventRow};
use serde::{Deserialize, Serialize};

/// What a current event carries: its view row and its facts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct EventBody {
    pub(crate) row: Arc<EventRow>,
    pub(crate) facts: Vec<Fact>,
}

/// The event that states something, and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Cite {
    pub(crate) seq: u64,
    pub(crate) event: EventId,
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
    pub(crate) detail: String,
    /// Tenths of a spread, for anomalies on metrics; else 0.
    pub(crate) magnitude: u32,
}

/// What occurrences are folded by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Subject {
    pub(crate) tenant: Tenant,
    pub(crate) id: EntityId,
    pub(crate) kind: Kind,
    pub(crate) entity: Arc<Entity>,
}

/// A run of one kind on one entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Episode {
    pub(crate) tenant: Tenant,
    pub(crate) id: EpisodeId,
    pub(crate) entity_id: EntityId,
    pub(crate) entity: Arc<Entity>,
    pub(crate) kind: Kind,
    pub(crate) onset: EventTime,
    pub(crate) earliest: EventTime,
    pub(crate) last: EventTime,
    pub(crate) ended: Option<EventTime>,
    pub(crate) standing: bool,
    pub(crate) count: u64,
    pub(crate) severity: Severity,
    /// Least arrival of its occurrences: the identity of the episode hangs on it.
    pub(crate) anchor: Cite,
    pub(crate) evidence: Vec<EventId>,
    pub(crate) detail: String,
    /// The greatest of its occurrences.
    pub(crate) magnitude: u32,
}

impl Episode {
    /// The public row.
    pub(crate) fn row(&self) -> EpisodeRow {
        EpisodeRow {
            episode_id: self.id,
            entity: Entity::clone(&self.entity),
            kind: self.kind,
            class: self.kind.spec().class,
            onset: self.onset,
            earliest: self.earliest,
            last: self.last,
            ended: self.ended,
            count: self.count,
            severity: self.severity,
            event_ids: self.evidence.clone(),
            detail: self.detail.clone(),
            magnitude: self.magnitude,
        }
    }
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
    pub(crate) from_id: EntityId,
    pub(crate) relation: RelationKind,
    pub(crate) to_id: EntityId,
    pub(crate) from: Arc<Entity>,
    pub(crate) to: Arc<Entity>,
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
