//! Which causes an effect keeps. Pure; docs/semantics.md, section 8.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemas::catalogue::{Kind, RuleIndex};
use schemas::ids::EpisodeId;

use crate::operators::links::strength::{in_time, strength};
use crate::operators::links::ways::Ways;
use crate::operators::links::{Candidate, Cause, Effect, Subject};
use crate::rows::Link;

/// Causes kept per effect: the fan-in cap.
const CAUSES_MAX: usize = 8;

/// What a cause of a kind comes to, found for an effect by a rule over a way.
pub(super) fn judge(
    ways: &Ways,
    horizon_ms: i64,
    (effect_kind, effect): (Kind, &Effect),
    (cause_kind, cause): (Kind, &Cause),
    (rule, way): (RuleIndex, u16),
) -> Option<Candidate> {
    let spec = ways.rule(rule);
    let (at, effect_spec) = ((&cause.when, cause_kind.spec()), effect_kind.spec());
    if cause.id == effect.id || !in_time(spec, horizon_ms, at, (effect.onset, effect_spec)) {
        return None;
    }
    let cause_onset = cause.when.onset;
    let lag_ms = effect.onset.ms_since(cause_onset);
    let strength = strength(spec, ways.hops(way), lag_ms);
    Some(Candidate { cause: cause.id, cause_kind, cause_onset, rule, way, lag_ms, strength })
}

/// The links of an effect.
pub(super) fn choose(
    ways: &Ways,
    subject: Subject,
    effect: EpisodeId,
    candidates: &[Candidate],
) -> Vec<Link> {
    let by_way =
        |candidate: &Candidate| (candidate.strength, Reverse((candidate.rule, ways.text(candidate.way))));
    let mut strongest: BTreeMap<EpisodeId, &Candidate> = BTreeMap::new();
    for candidate in candidates {
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
        tenant: subject.0,
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
