//! Suspects among unusual metrics: who is most likely to blame when measurements are all there is. Pure.
//!
//! What an SRE does with dashboards: a resource that ran out explains that its service, and whoever calls it, is slow.
//! What was slow before the resource moved is not explained by it. Calls that lose their time on the way accuse the end
//! most of whose calls do. Code that stops after a call it used to go on from is to blame itself, unless it is not alone: what
//! several callers stop after answers wrongly. Where none of that is seen, the service that the slow calls have in common is to blame; a
//! service of which most calls are fine is not.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use schemas::answer::TimeWindow;
use schemas::entity::Entity;
use schemas::view::EpisodeRow;

use crate::evidence::Known;

mod scene;
#[cfg(test)]
mod tests;

use scene::{Clue, Counted, Scene, TOGETHER_MS, strength};

/// Kinds that leave out what callees did.
const BY_ITSELF: [&str; 2] = ["trace.own_errors", "trace.own_time"];
/// Scores below this are noise: one lone measurement that left its range by little.
const SCORE_MIN: u64 = 16 * SCALE;
/// Fixed point of scores.
const SCALE: u64 = 16;
/// Somebody to blame.
pub(crate) struct Suspect<'a> {
    /// What would have to be fixed.
    pub(crate) entity: Entity,
    /// What speaks most for it.
    pub(crate) episode: &'a EpisodeRow,
    /// Of all suspects, in thousandths.
    pub(crate) share_milli: u32,
    /// What it would explain.
    pub(crate) explains: Vec<&'a EpisodeRow>,
}

/// The suspects in a stretch of time, best first, one for each entity; none when nothing stands out.
pub(crate) fn suspects(known: &Known, window: TimeWindow) -> Vec<Suspect<'_>> {
    let scene = Scene::of(known, window);
    let mut by_entity: BTreeMap<Entity, Scored<'_>> = BTreeMap::new();
    // Signs of different sorts of one entity add up; those of one sort are one sign.
    for sort in [scene.resources(), scene.wires(), scene.stops()] {
        for scored in best(sort) {
            match by_entity.entry(scored.entity.clone()) {
                Entry::Vacant(empty) => {
                    empty.insert(scored);
                }
                Entry::Occupied(mut other) => other.get_mut().join(scored),
            }
        }
    }
    let mut all = best(by_entity.into_values().chain(scene.services()));
    all.sort_by_key(|scored| (Reverse(scored.score), scored.episode.onset, scored.episode.episode_id));
    if all.first().is_none_or(|first| first.score < SCORE_MIN) {
        return Vec::new();
    }
    let rivals: u64 = all.iter().take(2).map(|scored| scored.score).sum();
    let share = |score: u64| u32::try_from(1_000 * score / rivals.max(1)).unwrap_or(1_000);
    all.into_iter()
        .map(|scored| Suspect {
            share_milli: share(scored.score),
            entity: scored.entity,
            episode: scored.episode,
            explains: scored.explains,
        })
        .collect()
}

struct Scored<'a> {
    entity: Entity,
    episode: &'a EpisodeRow,
    explains: Vec<&'a EpisodeRow>,
    score: u64,
}

impl<'a> Scored<'a> {
    /// Another sort of sign of the same entity: both count.
    fn join(&mut self, other: Scored<'a>) {
        if self.score < other.score {
            self.episode = other.episode;
        }
        self.score += other.score;
        for row in other.explains {
            if !self.explains.iter().any(|known| known.episode_id == row.episode_id) {
                self.explains.push(row);
            }
        }
    }
}

/// The best of each entity.
fn best<'a>(all: impl IntoIterator<Item = Scored<'a>>) -> Vec<Scored<'a>> {
    let mut by_entity: BTreeMap<Entity, Scored<'_>> = BTreeMap::new();
    for scored in all {
        let better = by_entity.get(&scored.entity).is_none_or(|best| best.score < scored.score);
        if better {
            by_entity.insert(scored.entity.clone(), scored);
        }
    }
    by_entity.into_values().collect()
}

/// Who is accused by what is seen, and how much.
impl<'a> Scene<'a> {
    /// Each resource that is short, with what it explains.
    fn resources(&self) -> Vec<Scored<'a>> {
        let mut found = Vec::new();
        for clue in &self.resources {
            let Some(entity) = clue.ends.first() else { continue };
            if self.too_late(clue, entity) {
                continue;
            }
            let onset = clue.row.onset.0;
            let by_itself = BY_ITSELF.contains(&clue.row.kind.id());
            let (mut explains, mut weight) = sum(self.explained(entity, Some(onset), by_itself));
            weight += 2 * strength(clue.row.magnitude);
            if clue.row.kind.id() == "metric.memory_high" {
                // Memory that grows costs processor time: to fill it, to collect it, to reclaim it.
                let burned = self.resources.iter().filter(|other| {
                    other.row.kind.id() == "metric.cpu_high"
                        && other.ends == clue.ends
                        && onset - TOGETHER_MS <= other.row.onset.0
                });
                for other in burned {
                    weight += 2 * strength(other.row.magnitude);
                    explains.push(other.row);
                }
            }
            let score = self.fresh(clue.row, weight * SCALE);
            found.push(Scored { entity: entity.clone(), episode: clue.row, explains, score });
        }
        found
    }

    /// Both ends of each call that loses time on the way, by how many of the calls made or answered there do: the network
    /// is that of one of them. That the call itself is slow is the same observation, and does not count again.
    fn wires(&self) -> Vec<Scored<'a>> {
        let mut found = Vec::new();
        for clue in &self.wires {
            for (end, entity) in clue.ends.iter().enumerate() {
                let (lose, all) = (self.losing.at(end, entity), self.measured.at(end, entity));
                let (mut weight, mut explains) = (0, Vec::new());
                for (symptom, share) in self.explained(entity, Some(clue.row.onset.0), false) {
                    if symptom.entity != clue.row.entity {
                        weight += share;
                    }
                    explains.push(symptom);
                }
                weight += 2 * strength(clue.row.magnitude);
                let score = self.fresh(clue.row, weight * SCALE * lose / all.max(1));
                found.push(Scored { entity: entity.clone(), episode: clue.row, explains, score });
            }
        }
        found
    }

    /// Both ends of each call after which requests stop: the caller, half as likely when others stop after the same callee;
    /// the callee, half as likely when none does. That a request stops may explain that the one above it does.
    fn stops(&self) -> Vec<Scored<'a>> {
        let stopping = Counted::of_clues(&self.stops);
        let mut found = Vec::new();
        for clue in &self.stops {
            let [caller, callee] = clue.ends.as_slice() else { continue };
            let shared = 1 < stopping.at(1, callee);
            for (entity, likely) in [(caller, !shared), (callee, shared)] {
                let (mut explains, mut weight) = sum(self.explained(entity, Some(clue.row.onset.0), true));
                for other in self.stops.iter().filter(|other| other.row.episode_id != clue.row.episode_id) {
                    let Some(above) = other.ends.last() else { continue };
                    let share = match above == entity {
                        true => 2,
                        false if self.needs(above).contains(entity) => 1,
                        false => continue,
                    };
                    weight += share * strength(other.row.magnitude);
                    explains.push(other.row);
                }
                weight += 2 * strength(clue.row.magnitude);
                let score = self.fresh(clue.row, weight * SCALE) / if likely { 1 } else { 2 };
                found.push(Scored { entity: entity.clone(), episode: clue.row, explains, score });
            }
        }
        found
    }

    /// What was unusual before the stretch began explains what happens in it half as well.
    fn fresh(&self, row: &EpisodeRow, score: u64) -> u64 {
        if row.onset < self.from { score / 2 } else { score }
    }

    /// A resource that moved while its service had long been in worse trouble is an effect.
    fn too_late(&self, clue: &Clue<'_>, entity: &Entity) -> bool {
        self.symptoms.iter().filter(|symptom| symptom.ends.contains(entity)).any(|symptom| {
            let (row, onset) = (symptom.row, clue.row.onset.0);
            row.onset.0 + TOGETHER_MS < onset
                && onset <= row.last.0.saturating_add(TOGETHER_MS)
                && clue.row.magnitude <= row.magnitude
        })
    }

    /// Each service that slow or failing requests touch, without a resource to show for it: half as likely.
    fn services(&self) -> Vec<Scored<'a>> {
        let touched: BTreeSet<&Entity> = self.symptoms.iter().flat_map(|clue| &clue.ends).collect();
        let mut found = Vec::new();
        for entity in touched {
            let touching = self.symptoms.iter().filter(|clue| clue.ends.contains(entity));
            let Some(strongest) =
                touching.max_by_key(|clue| (clue.row.magnitude, Reverse(clue.row.episode_id)))
            else {
                continue;
            };
            let (slow, measured) = match self.measured.all(entity) {
                // A service of which no call is measured stands for itself.
                0 => (1, 1),
                measured => (self.slow.all(entity), measured),
            };
            let (explains, weight) = sum(self.explained(entity, None, false));
            let score = self.fresh(strongest.row, weight * SCALE * slow / (2 * measured));
            found.push(Scored { entity: entity.clone(), episode: strongest.row, explains, score });
        }
        found
    }
}

/// What is explained, and its weight.
fn sum(explained: Vec<(&EpisodeRow, u64)>) -> (Vec<&EpisodeRow>, u64) {
    let weight = explained.iter().map(|(_, weight)| weight).sum();
    (explained.into_iter().map(|(row, _)| row).collect(), weight)
}
