//! Chains: links in order, from a root cause to each end of its incident. Pure; docs/semantics.md, section 9.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use schemas::ids::{EpisodeId, IncidentId};
use schemas::view::{ChainRow, Hypothesis};

use crate::operators::incidents::group::{Kept, Neighborhood};
use crate::operators::incidents::rank::Ranked;
use crate::rows::Episode;

/// Hypotheses whose chains are shown.
const RANKS_MAX: usize = 3;
/// Ends shown per hypothesis: a storm has thousands, and twenty prove the point.
const ENDS_MAX: usize = 20;

/// The chains of an incident. `graves` are in order of arrival.
pub(super) fn chains(
    hood: &Neighborhood,
    members: &BTreeSet<EpisodeId>,
    graves: &[&Episode],
    ranked: &Ranked,
    incident_id: IncidentId,
) -> Vec<ChainRow> {
    let is_end = |episode: &&&Episode| {
        let effects = hood.effects.get(&episode.row.episode_id).into_iter().flatten();
        !effects.into_iter().any(|(effect, best)| *best && *effect != episode.row.episode_id)
    };
    let ends: Vec<&Episode> = graves.iter().filter(is_end).copied().collect();
    let mut rows = Vec::new();
    for (hypothesis, reach) in ranked.hypotheses.iter().zip(&ranked.reach).take(RANKS_MAX) {
        let root = hypothesis.root.episode_id;
        let paths = Paths::from(hood, members, root, ranked.root);
        for end in ends.iter().filter(|end| reach.contains(&end.row.episode_id)).take(ENDS_MAX) {
            let links = paths.to(end.row.episode_id);
            rows.extend(chain(incident_id, hypothesis, end, &links));
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
        root: Arc::clone(&hypothesis.root),
        symptom: Arc::clone(&end.row),
        links: links.iter().filter_map(|kept| kept.row.clone()).collect(),
    })
}

/// Ways from one root to the members.
struct Paths<'a> {
    hood: &'a Neighborhood,
    root: EpisodeId,
    /// Links from the root to each member; empty when best links are followed instead.
    distance: BTreeMap<EpisodeId, u32>,
}

impl<'a> Paths<'a> {
    fn from(
        hood: &'a Neighborhood,
        members: &BTreeSet<EpisodeId>,
        root: EpisodeId,
        root_of_members: EpisodeId,
    ) -> Self {
        let mut distance = BTreeMap::new();
        if root != root_of_members {
            distance.insert(root, 0);
            let mut open = VecDeque::from([root]);
            while let Some(id) = open.pop_front() {
                let next = distance.get(&id).map_or(0, |hops| hops + 1);
                for effect in hood.effects.get(&id).into_iter().flat_map(BTreeMap::keys) {
                    if members.contains(effect) && !distance.contains_key(effect) {
                        distance.insert(*effect, next);
                        open.push_back(*effect);
                    }
                }
            }
        }
        Paths { hood, root, distance }
    }

    /// Links from the root to a member that it reaches, root first.
    fn to(&self, end: EpisodeId) -> Vec<&'a Kept> {
        let mut links: Vec<&Kept> = Vec::new();
        let mut present = end;
        while present != self.root {
            let Some(kept) = self.back(present) else { break };
            links.push(kept);
            present = kept.link.cause;
        }
        links.reverse();
        links
    }

    fn back(&self, effect: EpisodeId) -> Option<&'a Kept> {
        if self.distance.is_empty() {
            return self.hood.best(effect);
        }
        let wanted = self.distance.get(&effect)?.checked_sub(1)?;
        let causes = self.hood.causes.get(&effect)?.values();
        causes
            .filter(|kept| self.distance.get(&kept.link.cause) == Some(&wanted))
            .max_by_key(|kept| (kept.link.strength, Reverse(kept.link.cause)))
    }
}
