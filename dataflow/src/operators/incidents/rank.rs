//! Rank: which episode is the root cause of a group. Pure integer arithmetic; docs/semantics.md, section 9.

use std::cmp::Reverse;

use schemas::confidence::Confidence;
use schemas::envelope::Severity;
use schemas::view::Hypothesis;

use crate::operators::incidents::group::Group;
use crate::operators::incidents::neighborhood::EpisodeNumber;
use crate::operators::links::ways::Ways;
use crate::rows::Episode;

/// Hypotheses kept per incident.
const HYPOTHESES_MAX: usize = 5;
/// What a cause without a link to any member counts as.
const OUT_DEFAULT: u64 = 500;
/// Magnitude at which an anomaly begins, in tenths of a spread.
const DEVIATION: u32 = 60;

/// The ranking of a group.
pub(super) struct Ranked<'a> {
    pub(super) hypotheses: Vec<Hypothesis>,
    /// Where following best links ends.
    pub(super) root: EpisodeNumber,
    /// Of each hypothesis, in rank order.
    pub(super) candidates: Vec<Candidate<'a>>,
}

/// What may be the root cause.
pub(super) struct Candidate<'a> {
    pub(super) number: EpisodeNumber,
    episode: &'a Episode,
    /// Places of the members that it reaches, in order.
    pub(super) reach: Vec<u32>,
    score: u64,
}

/// Ranks the candidates of a group.
pub(super) fn rank<'a>(group: Group<'a>, ways: &Ways) -> Ranked<'a> {
    let root = root(group);
    let total: u64 = group.episodes().map(|episode| weight(episode.row.severity)).sum();
    let causes = group.members.iter().flat_map(|member| &group.hood[*member].causes).map(|kept| kept.cause);
    let mut named: Vec<EpisodeNumber> =
        causes.filter(|cause| group.place(*cause).is_none()).chain([root]).collect();
    named.sort_unstable();
    named.dedup();
    let mut reaching = Reaching::in_group(group);
    let candidate = |number| candidate(group, ways, total, number, reaching.from(number));
    let mut candidates: Vec<Candidate<'_>> = named.into_iter().filter_map(candidate).collect();
    candidates.sort_by_key(|candidate| {
        (Reverse(candidate.score), candidate.episode.row.onset, candidate.episode.row.episode_id)
    });
    let hypotheses = hypotheses(&candidates, group.members.len() == 1);
    candidates.truncate(HYPOTHESES_MAX);
    candidates.iter_mut().for_each(|candidate| candidate.reach.sort_unstable());
    Ranked { hypotheses, root, candidates }
}

/// Where following best links to causes ends, whichever member they are followed from. A cycle ends at its earliest member.
fn root(group: Group<'_>) -> EpisodeNumber {
    let Some(first) = group.members.first() else { panic!("a group has at least one member") };
    let (mut present, mut walked) = (*first, Vec::new());
    // As many steps as there are members lead into the cycle, if there is one.
    for _ in group.members {
        let Some(kept) = group.best(present) else { return present };
        present = kept.cause;
    }
    let start = present;
    while let Some(kept) = group.best(present) {
        walked.push(present);
        present = kept.cause;
        if present == start {
            break;
        }
    }
    let least = walked.into_iter().min_by_key(|number| {
        let row = &group.episode(*number).row;
        (row.onset, row.kind.spec().layer, row.episode_id)
    });
    least.unwrap_or(start)
}

/// What speaks for a cause that is there.
fn candidate<'a>(
    group: Group<'a>,
    ways: &Ways,
    total: u64,
    number: EpisodeNumber,
    reach: Vec<u32>,
) -> Option<Candidate<'a>> {
    let (hood, node) = (group.hood, &group.hood[number]);
    let episode = node.episode()?;
    let member = |place: &u32| group.episode(group.members[*place as usize]);
    let support: u64 = reach.iter().map(|place| weight(member(place).row.severity)).sum();
    let out = node
        .effects()
        .filter(|effect| group.place(*effect).is_some())
        .filter_map(|effect| hood[effect].link_to(number))
        .map(|kept| u64::from(kept.strength) * hood.learned.of_rule(&ways.rule(kept.rule).id) / 1_000)
        .max()
        .unwrap_or(OUT_DEFAULT);
    let prior = u64::from(episode.row.kind.spec().prior);
    let score = (prior + 1) * out * support / total.max(1) * strength(episode.row.magnitude) / 8;
    let score = score * hood.learned.of_kind(episode.row.kind) / 1_000;
    Some(Candidate { number, episode, reach, score })
}

/// Finds what candidates reach, one after the other.
struct Reaching<'a> {
    group: Group<'a>,
    /// Of each member the last search that came by.
    seen: Vec<u32>,
    searches: u32,
}

impl<'a> Reaching<'a> {
    fn in_group(group: Group<'a>) -> Self {
        Reaching { group, seen: vec![0; group.members.len()], searches: 0 }
    }

    /// Places of the members that kept links lead to from a candidate, itself included if it is one.
    fn from(&mut self, candidate: EpisodeNumber) -> Vec<u32> {
        self.searches += 1;
        let (mut reached, mut open) = (Vec::new(), vec![candidate]);
        self.reach(candidate, &mut reached);
        while let Some(number) = open.pop() {
            self.group.hood[number].effects().for_each(|effect| {
                if self.reach(effect, &mut reached) {
                    open.push(effect);
                }
            });
        }
        reached
    }

    /// Notes a member; false if it is none, or known already.
    fn reach(&mut self, number: EpisodeNumber, reached: &mut Vec<u32>) -> bool {
        let Some(place) = self.group.place(number) else { return false };
        let new = self.seen[place] != self.searches;
        if new {
            self.seen[place] = self.searches;
            reached.push(place as u32);
        }
        new
    }
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
            root: candidate.episode.row.clone(),
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
