//! Rank: which episode is the root cause of a group. Pure integer arithmetic; docs/semantics.md, section 9.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::confidence::Confidence;
use schemas::envelope::Severity;
use schemas::ids::EpisodeId;
use schemas::view::Hypothesis;

use crate::operators::incidents::group::Neighborhood;
use crate::operators::links::ways::Ways;
use crate::rows::Episode;

/// Hypotheses kept per incident.
const HYPOTHESES_MAX: usize = 5;
/// What a cause without a link to any member counts as.
const OUT_DEFAULT: u64 = 500;
/// Magnitude at which an anomaly begins, in tenths of a spread.
const DEVIATION: u32 = 60;

/// The ranking of a group.
pub(super) struct Ranked {
    pub(super) hypotheses: Vec<Hypothesis>,
    /// Where following best links ends.
    pub(super) root: EpisodeId,
    /// Members reached from each hypothesis, in rank order.
    pub(super) reach: Vec<BTreeSet<EpisodeId>>,
}

struct Candidate<'a> {
    episode: &'a Episode,
    reach: BTreeSet<EpisodeId>,
    score: u64,
}

/// Ranks the candidates of a group that has at least one member.
pub(super) fn rank(
    hood: &Neighborhood,
    ways: &Ways,
    members: &BTreeSet<EpisodeId>,
    episodes: &[&Episode],
) -> Ranked {
    let root = root(hood, members);
    let total: u64 = episodes.iter().map(|episode| weight(episode.row.severity)).sum();
    let outside = members.iter().filter_map(|member| hood.causes.get(member)).flat_map(BTreeMap::keys);
    let named: BTreeSet<EpisodeId> =
        outside.copied().filter(|cause| !members.contains(cause)).chain([root]).collect();
    let mut candidates: Vec<Candidate<'_>> = named
        .iter()
        .filter_map(|id| hood.episodes.get(id))
        .map(|episode| candidate((hood, ways), members, total, episode))
        .collect();
    candidates.sort_by_key(|candidate| {
        (Reverse(candidate.score), candidate.episode.row.onset, candidate.episode.row.episode_id)
    });
    let hypotheses = hypotheses(&candidates, members.len() == 1);
    candidates.truncate(HYPOTHESES_MAX);
    let reach = candidates.into_iter().map(|candidate| candidate.reach).collect();
    Ranked { hypotheses, root, reach }
}

/// Where following best links to causes ends. A cycle ends at its earliest member.
fn root(hood: &Neighborhood, members: &BTreeSet<EpisodeId>) -> EpisodeId {
    let Some(first) = members.first() else { panic!("a group has at least one member") };
    let mut walked = vec![*first];
    let mut present = *first;
    while let Some(kept) = hood.best(present) {
        present = kept.link.cause;
        if let Some(start) = walked.iter().position(|id| *id == present) {
            let cycle = walked[start..].iter().filter_map(|id| hood.episodes.get(id));
            let least = cycle.min_by_key(|episode| {
                (episode.row.onset, episode.row.kind.spec().layer, episode.row.episode_id)
            });
            return least.map_or(present, |episode| episode.row.episode_id);
        }
        walked.push(present);
    }
    present
}

fn candidate<'a>(
    (hood, ways): (&Neighborhood, &Ways),
    members: &BTreeSet<EpisodeId>,
    total: u64,
    episode: &'a Episode,
) -> Candidate<'a> {
    let reach = reach(hood, members, episode.row.episode_id);
    let support: u64 =
        reach.iter().filter_map(|id| hood.episodes.get(id)).map(|member| weight(member.row.severity)).sum();
    let effects = hood.effects.get(&episode.row.episode_id).into_iter().flat_map(BTreeMap::keys);
    let out = effects
        .filter(|effect| members.contains(effect))
        .filter_map(|effect| hood.causes.get(effect)?.get(&episode.row.episode_id))
        .map(|kept| &kept.link)
        .map(|link| u64::from(link.strength) * hood.learned.of_rule(&ways.rule(link.rule).id) / 1_000)
        .max()
        .unwrap_or(OUT_DEFAULT);
    let prior = u64::from(episode.row.kind.spec().prior);
    let score = (prior + 1) * out * support / total.max(1) * strength(episode.row.magnitude) / 8;
    let score = score * hood.learned.of_kind(episode.row.kind) / 1_000;
    Candidate { episode, reach, score }
}

/// Members that kept links lead to from a candidate, itself included if it is one.
fn reach(hood: &Neighborhood, members: &BTreeSet<EpisodeId>, from: EpisodeId) -> BTreeSet<EpisodeId> {
    let mut reached: BTreeSet<EpisodeId> = BTreeSet::new();
    if members.contains(&from) {
        reached.insert(from);
    }
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for effect in hood.effects.get(&id).into_iter().flat_map(BTreeMap::keys) {
            if members.contains(effect) && reached.insert(*effect) {
                open.push(*effect);
            }
        }
    }
    reached
}

/// The first ones as rows. What the confidence of the first leaves is shared by the others in proportion to their scores.
fn hypotheses(candidates: &[Candidate<'_>], alone: bool) -> Vec<Hypothesis> {
    let rest: u64 = candidates.iter().skip(1).map(|candidate| candidate.score).sum();
    let mut left: u64 = 1_000;
    let hypothesis = |(rank, candidate): (u32, &Candidate<'_>)| {
        let evidence_milli = evidence(candidate, candidates, alone);
        let confidence_milli = if rank == 1 {
            let first = Confidence::built_in().of(candidate.episode.row.class, evidence_milli);
            left = left.saturating_sub(u64::from(first));
            first
        } else {
            u32::try_from(left * candidate.score / rest.max(1)).unwrap_or(u32::MAX)
        };
        Hypothesis {
            rank,
            confidence_milli,
            evidence_milli,
            root: Arc::clone(&candidate.episode.row),
            explains: u32::try_from(candidate.reach.len()).unwrap_or(u32::MAX),
        }
    };
    (1..).zip(candidates.iter().take(HYPOTHESES_MAX)).map(hypothesis).collect()
}

/// What speaks for a candidate: its prior, and its score against the best rival on another entity. A group of one episode
/// has no rival and explains nothing: half.
fn evidence(candidate: &Candidate<'_>, candidates: &[Candidate<'_>], alone: bool) -> u32 {
    let prior = u64::from(candidate.episode.row.kind.spec().prior);
    if alone {
        return u32::try_from(prior * 5).unwrap_or(u32::MAX);
    }
    let elsewhere = candidates.iter().filter(|rival| rival.episode.on.id != candidate.episode.on.id);
    let rival = elsewhere.map(|rival| rival.score).max().unwrap_or(0);
    u32::try_from(prior * 10 * candidate.score / (candidate.score + rival).max(1)).unwrap_or(u32::MAX)
}

/// Eighths: of two causes of one kind the one that deviates by more, an eighth for every doubling.
fn strength(magnitude: u32) -> u64 {
    8 + u64::from((magnitude / DEVIATION).max(1).ilog2())
}

fn weight(severity: Severity) -> u64 {
    match severity {
        Severity::Debug | Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Error => 4,
        Severity::Critical => 8,
    }
}
