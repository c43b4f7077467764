//! Chains: links in order, from a root cause to each end of its incident. Pure; docs/semantics.md, section 9.

use std::cmp::Reverse;
use std::collections::VecDeque;

use schemas::ids::IncidentId;
use schemas::view::{ChainRow, Hypothesis};

use crate::operators::incidents::group::{Grave, Group};
use crate::operators::incidents::neighborhood::{EpisodeNumber, Kept};
use crate::operators::incidents::rank::Ranked;
use crate::rows::Episode;

/// Hypotheses whose chains are shown.
const RANKS_MAX: usize = 3;
/// Ends shown per hypothesis: a storm has thousands, and twenty prove the point.
const ENDS_MAX: usize = 20;

/// The chains of an incident. `graves` are in order of arrival.
pub(super) fn chains(
    group: Group<'_>,
    graves: &[Grave<'_>],
    ranked: &Ranked<'_>,
    incident_id: IncidentId,
) -> Vec<ChainRow> {
    let is_end =
        |(_, number): &&Grave<'_>| group.hood[*number].best_effects().all(|effect| effect == *number);
    let ends: Vec<Grave<'_>> = graves.iter().filter(is_end).copied().collect();
    let mut rows = Vec::new();
    for (hypothesis, candidate) in ranked.hypotheses.iter().zip(&ranked.candidates).take(RANKS_MAX) {
        let paths = Paths::from(group, candidate.number, ranked.root);
        let reached = |number| {
            group.place(number).is_some_and(|place| candidate.reach.binary_search(&(place as u32)).is_ok())
        };
        for (end, number) in ends.iter().filter(|(_, number)| reached(*number)).take(ENDS_MAX) {
            rows.extend(chain(incident_id, hypothesis, end, &paths.to(*number)));
        }
    }
    rows
}

fn chain(
    incident_id: IncidentId,
    hypothesis: &Hypothesis,
    end: &Episode,
    links: &[&Kept],
) -> Option<ChainRow> {
    if links.is_empty() {
        return None;
    }
    Some(ChainRow {
        incident_id,
        rank: hypothesis.rank,
        root: hypothesis.root.clone(),
        symptom: end.row.clone(),
        links: links.iter().filter_map(|kept| kept.row.clone()).collect(),
    })
}

/// Ways from one root to the members.
struct Paths<'a> {
    group: Group<'a>,
    root: EpisodeNumber,
    /// Links from the root to each member by its place; empty when best links are followed instead.
    hops: Vec<Option<u32>>,
}

impl<'a> Paths<'a> {
    fn from(group: Group<'a>, root: EpisodeNumber, root_of_members: EpisodeNumber) -> Self {
        let mut paths = Paths { group, root, hops: Vec::new() };
        if root != root_of_members {
            paths.hops = vec![None; group.members.len()];
            paths.measure();
        }
        paths
    }

    /// Counts the links from the root to all members that it reaches.
    fn measure(&mut self) {
        let mut open = VecDeque::from([(self.root, 0)]);
        while let Some((number, hops)) = open.pop_front() {
            for effect in self.group.hood[number].effects().filter(|effect| *effect != self.root) {
                let Some(place) = self.group.place(effect) else { continue };
                if self.hops[place].is_none() {
                    self.hops[place] = Some(hops + 1);
                    open.push_back((effect, hops + 1));
                }
            }
        }
    }

    fn hops(&self, number: EpisodeNumber) -> Option<u32> {
        if number == self.root { Some(0) } else { self.hops[self.group.place(number)?] }
    }

    /// Links from the root to a member that it reaches, root first.
    fn to(&self, end: EpisodeNumber) -> Vec<&'a Kept> {
        let mut links: Vec<&Kept> = Vec::new();
        let mut present = end;
        while present != self.root {
            let Some(kept) = self.back(present) else { break };
            links.push(kept);
            present = kept.cause;
        }
        links.reverse();
        links
    }

    fn back(&self, effect: EpisodeNumber) -> Option<&'a Kept> {
        let hood = self.group.hood;
        if self.hops.is_empty() {
            return self.group.best(effect);
        }
        let wanted = self.hops(effect)?.checked_sub(1)?;
        let causes = hood[effect].causes.iter().filter(|kept| self.hops(kept.cause) == Some(wanted));
        causes.max_by_key(|kept| {
            (kept.strength, Reverse(hood[kept.cause].episode().map(|cause| cause.row.episode_id)))
        })
    }
}
