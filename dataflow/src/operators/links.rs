//! Links: for each effect, the episodes that can have caused it.
//!
//! Input   episodes; edges with valid time.
//! Output  per effect at most eight links, the best one marked.
//! Ties    one link per (effect, cause): the strongest way; then the first rule, then the first path as text.
//! State   edges by each end; walks by the entity they have reached; episodes by (entity, kind). All join keys are
//!         (tenant, entity, label): a storm on one entity meets only the causes that a rule names.
//!
//! Walks start at effects and follow the trie of paths one edge at a time, so that the work is in proportion to
//! what changed. A walk carries only what does not change when an episode repeats. See docs/semantics.md, section 8.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::catalogue::{Class, Direction, Kind, RuleIndex};
use schemas::entity::RelationKind;
use schemas::ids::{EntityId, EpisodeId, Tenant};
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use crate::operators::links::strength::{When, in_time, strength};
use crate::operators::links::ways::{START, Ways};
use crate::operators::maintain::maintain;
use crate::rows::{Edge, Episode, Link};
use crate::types::Updates;
use crate::values::Values;

mod strength;
pub(crate) mod ways;

/// How long an edge outlives its end, and how late it may be seen first: a pod deleted minutes ago still explains.
const EDGE_SLACK_MS: i64 = 300_000;
/// Causes kept per effect: the fan-in cap.
const CAUSES_MAX: usize = 8;

/// An effect, as far as a walk needs it. Stable while the episode merely repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Effect {
    id: EpisodeId,
    kind: Kind,
    onset: EventTime,
    earliest: EventTime,
}

/// A cause, as far as judging it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Cause {
    id: EpisodeId,
    kind: Kind,
    onset: EventTime,
    earliest: EventTime,
    last: EventTime,
    ended: Option<EventTime>,
    standing: bool,
}

/// A place in the topology and the verb to follow from there.
type Place = (Tenant, EntityId, RelationKind, Direction);

/// A judged way from an effect to a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    let reached = walks(episodes.clone(), edges, ways);
    let sought = {
        let ways = Arc::clone(ways);
        reached.flat_map(move |(tenant, entity, way, effect)| {
            let mut sought = Vec::new();
            for (rule, spec) in ways.rules(way, tenant, effect.kind) {
                sought
                    .extend(spec.causes.iter().map(|cause| ((tenant, entity, *cause), (effect, rule, way))));
            }
            sought
        })
    };
    let causes = episodes
        .filter(|episode| episode.kind.spec().class != Class::Context)
        .map(|episode| ((episode.tenant, episode.entity_id, episode.kind), cause(&episode)));
    let judged = {
        let ways = Arc::clone(ways);
        let sought = sought.arrange_by_key_named("ArrangeSought");
        let causes = causes.arrange_by_key_named("ArrangeCauses");
        sought.join_core(causes, move |(tenant, _, _), (effect, rule, way), cause| {
            judge(&ways, horizon_ms, effect, cause, *rule, *way)
                .map(|candidate| ((*tenant, effect.id), candidate))
        })
    };
    let ways = Arc::clone(ways);
    maintain(judged, "Links", move |(tenant, effect), candidates| choose(&ways, *tenant, *effect, candidates))
}

/// Every place that a rule may look for causes at: (tenant, entity, node of the trie, effect).
fn walks<'scope>(
    episodes: Updates<'scope, Arc<Episode>>,
    edges: Updates<'scope, Edge>,
    ways: &Arc<Ways>,
) -> Updates<'scope, (Tenant, EntityId, u16, Effect)> {
    let arranged = edges
        .flat_map(|edge| {
            let valid = (edge.valid_from, edge.valid_to);
            let Edge { key, .. } = edge;
            let forward = ((key.tenant, key.from.id, key.relation, Direction::Forward), (key.to.id, valid));
            let backward = ((key.tenant, key.to.id, key.relation, Direction::Backward), (key.from.id, valid));
            [forward, backward]
        })
        .arrange_by_key_named("ArrangeEdges");
    let explained = Arc::clone(ways);
    let start = episodes
        .filter(move |episode| {
            episode.kind.spec().class != Class::Context && explained.explains(episode.kind)
        })
        .map(|episode| (episode.tenant, episode.entity_id, START, effect(&episode)));
    let mut reached = start.clone();
    let mut present = start;
    for _ in 0..ways.depth() {
        let branching = Arc::clone(ways);
        let steps = present.flat_map(move |(tenant, entity, way, effect)| {
            let onward = |((relation, direction), next)| {
                let place: Place = (tenant, entity, relation, direction);
                (place, (next, effect))
            };
            branching.steps(way, effect.kind).map(onward).collect::<Vec<_>>()
        });
        present = steps.arrange_by_key_named("ArrangeWalks").join_core(
            arranged.clone(),
            |(tenant, ..), (way, effect), (entity, (valid_from, valid_to))| {
                let begun = *valid_from <= effect.onset.plus_ms(EDGE_SLACK_MS);
                let held = valid_to.is_none_or(|end| effect.earliest <= end.plus_ms(EDGE_SLACK_MS));
                (begun && held).then_some((*tenant, *entity, *way, *effect))
            },
        );
        reached = reached.concat(present.clone());
    }
    reached
}

fn effect(episode: &Episode) -> Effect {
    Effect { id: episode.id, kind: episode.kind, onset: episode.onset, earliest: episode.earliest }
}

fn cause(episode: &Episode) -> Cause {
    Cause {
        id: episode.id,
        kind: episode.kind,
        onset: episode.onset,
        earliest: episode.earliest,
        last: episode.last,
        ended: episode.ended,
        standing: episode.standing,
    }
}

fn judge(
    ways: &Ways,
    horizon_ms: i64,
    effect: &Effect,
    cause: &Cause,
    rule: RuleIndex,
    way: u16,
) -> Option<Candidate> {
    let spec = ways.rule(rule);
    let when = When {
        onset: cause.onset,
        earliest: cause.earliest,
        last: cause.last,
        ended: cause.ended,
        standing: cause.standing,
    };
    let allowed = in_time(spec, horizon_ms, (&when, cause.kind.spec()), (effect.onset, effect.kind.spec()));
    if cause.id == effect.id || !allowed {
        return None;
    }
    let lag_ms = effect.onset.ms_since(cause.onset);
    let strength = strength(spec, ways.hops(way), lag_ms);
    let (cause_kind, cause_onset) = (cause.kind, cause.onset);
    Some(Candidate { cause: cause.id, cause_kind, cause_onset, rule, way, lag_ms, strength })
}

fn choose(ways: &Ways, tenant: Tenant, effect: EpisodeId, candidates: &Values<Candidate>) -> Vec<Link> {
    let by_way =
        |candidate: &Candidate| (candidate.strength, Reverse((candidate.rule, ways.text(candidate.way))));
    let mut strongest: BTreeMap<EpisodeId, &Candidate> = BTreeMap::new();
    for candidate in candidates.distinct() {
        let known = strongest.entry(candidate.cause).or_insert(candidate);
        if by_way(known) < by_way(candidate) {
            *known = candidate;
        }
    }
    let mut chosen: Vec<&Candidate> = strongest.into_values().collect();
    chosen.sort_by_key(|candidate| {
        let prior = u32::from(candidate.cause_kind.spec().prior);
        Reverse((candidate.strength + prior * 2, candidate.cause_onset, Reverse(candidate.cause)))
    });
    chosen.truncate(CAUSES_MAX);
    let link = |(index, candidate): (usize, &Candidate)| Link {
        tenant,
        effect,
        cause: candidate.cause,
        rule: candidate.rule,
        way: candidate.way,
        lag_ms: candidate.lag_ms,
        strength: candidate.strength,
        best: index == 0,
    };
    chosen.into_iter().enumerate().map(link).collect()
}
