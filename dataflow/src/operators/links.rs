//! Links: for each effect, the episodes that can have caused it.
//!
//! Input   episodes; edges with valid time.
//! Output  per effect at most eight links, the best one marked.
//! Ties    one link per (effect, cause): the strongest way; then the first rule, then the first path as text.
//! State   on each worker all edges by either end, and all causes by entity and kind; its share of the effects with their
//!         links, and where the walks from their entities lead: see `links/index.rs`.
//!
//! Effects are divided by (tenant, entity, kind), so that all of one entity and kind share a walk; what links are chosen from
//! goes to every worker, so that a walk never leaves it. Effects are reduced to what linking needs, so that a repeat changes
//! nothing. See docs/semantics.md, section 8, and docs/adr/0019.

use std::sync::Arc;

use differential_dataflow::{AsCollection, Hashable};
use schemas::catalogue::{Class, Direction, Kind, RuleIndex};
use schemas::entity::RelationKind;
use schemas::ids::{EntityId, EpisodeId, Tenant};
use schemas::time::{Diff, Epoch, EventTime};
use serde::{Deserialize, Serialize};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Exchange;
use timely::dataflow::operators::vec::Broadcast;

use crate::operators::each::each_epoch;
use crate::operators::links::index::Index;
use crate::operators::links::strength::When;
use crate::operators::links::ways::Ways;
use crate::rows::{Edge, Episode, Link};
use crate::types::Updates;

mod choice;
mod entities;
mod index;
mod strength;
mod subjects;
mod walks;
pub(crate) mod ways;

/// How long an edge outlives its end, and how late it may be seen first: a pod deleted minutes ago still explains.
const EDGE_SLACK_MS: i64 = 300_000;

/// Effects of one kind on one entity of a tenant: a [`crate::rows::Subject`] by its ids.
type Subject = (Tenant, EntityId, Kind);

/// A place in the topology and the verb to follow from there.
type Place = (Tenant, EntityId, RelationKind, Direction);

/// An effect, as far as it is linked. Stable while the episode merely repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Effect {
    onset: EventTime,
    id: EpisodeId,
    earliest: EventTime,
}

/// A cause, as far as judging it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Cause {
    id: EpisodeId,
    when: When,
}

/// When an edge held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Valid {
    from: EventTime,
    /// `i64::MAX` while it still holds.
    to: EventTime,
}

impl Valid {
    /// It held before an effect, or was seen soon after.
    fn has_begun(self, effect: &Effect) -> bool {
        self.from <= effect.onset.plus_ms(EDGE_SLACK_MS)
    }

    /// It had not ended long before an effect.
    fn still_held(self, effect: &Effect) -> bool {
        effect.earliest <= self.to.plus_ms(EDGE_SLACK_MS)
    }
}

/// What links are made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    /// Something to explain.
    Effect(Subject, Effect),
    /// Something that can explain it: its entity and kind.
    Cause(Subject, Cause),
    /// Where a step leads.
    Edge(Place, (EntityId, Valid)),
}

/// A judged way from an effect to a cause.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    cause: EpisodeId,
    cause_kind: Kind,
    cause_onset: EventTime,
    rule: RuleIndex,
    way: u16,
    lag_ms: i64,
    strength: u32,
}

/// Proposes causes for every effect.
pub(crate) fn links<'scope>(
    episodes: Updates<'scope, Arc<Episode>>,
    edges: Updates<'scope, Edge>,
    ways: &Arc<Ways>,
    horizon_ms: i64,
) -> Updates<'scope, Link> {
    let route = |((subject, _), _, _): &((Subject, Effect), Epoch, Diff)| subject.hashed();
    let effects = effects(episodes.clone(), Arc::clone(ways)).inner.exchange(route).as_collection();
    let effects = effects.map(|(subject, effect)| Part::Effect(subject, effect));
    let shared = causes(episodes, Arc::clone(ways)).concat(steps(edges, Arc::clone(ways)));
    let shared = shared.consolidate_stream().inner.broadcast().as_collection();
    let mut index = Index::new(Arc::clone(ways), horizon_ms);
    each_epoch(effects.concat(shared), Pipeline, "Links", move |parts, emit| index.change(parts, emit))
}

fn effects<'scope>(
    episodes: Updates<'scope, Arc<Episode>>,
    ways: Arc<Ways>,
) -> Updates<'scope, (Subject, Effect)> {
    let effect = move |episode: Arc<Episode>| {
        let row = &episode.row;
        let effect = Effect { onset: row.onset, id: row.episode_id, earliest: row.earliest };
        (row.class != Class::Context && ways.explains(row.kind)).then(|| (subject(&episode), effect))
    };
    episodes.flat_map(effect).consolidate_stream()
}

fn causes<'scope>(episodes: Updates<'scope, Arc<Episode>>, ways: Arc<Ways>) -> Updates<'scope, Part> {
    episodes.flat_map(move |episode| {
        let row = &episode.row;
        let when = When {
            onset: row.onset,
            earliest: row.earliest,
            last: row.last,
            ended: row.ended,
            standing: episode.standing,
        };
        let cause = Cause { id: row.episode_id, when };
        (row.class != Class::Context && ways.causes(row.kind)).then(|| Part::Cause(subject(&episode), cause))
    })
}

fn subject(episode: &Episode) -> Subject {
    (episode.tenant, episode.on.id, episode.row.kind)
}

/// Edges from either end, as far as any rule walks them.
fn steps<'scope>(edges: Updates<'scope, Edge>, ways: Arc<Ways>) -> Updates<'scope, Part> {
    edges.flat_map(move |Edge { key, valid_from, valid_to, .. }| {
        let valid = Valid { from: valid_from, to: valid_to.unwrap_or(EventTime(i64::MAX)) };
        let end = |here: EntityId, direction, there: EntityId| {
            ways.walks((key.relation, direction))
                .then_some(Part::Edge((key.tenant, here, key.relation, direction), (there, valid)))
        };
        let forward = end(key.from.id, Direction::Forward, key.to.id);
        let backward = end(key.to.id, Direction::Backward, key.from.id);
        forward.into_iter().chain(backward)
    })
}
