//! Suspects among unusual metrics: who is most likely to blame when measurements are all there is. Pure.
//!
//! What an SRE does with dashboards: a resource that ran out explains that its service, and whoever calls it, is slow.
//! What was slow before the resource moved is not explained by it. Calls that lose their time on the way accuse the end
//! most of whose calls do. Where none of that is seen, the service that the slow calls have in common is to blame; a
//! service of which most calls are fine is not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemas::answer::TimeWindow;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::time::EventTime;
use schemas::view::EpisodeRow;

use crate::evidence::Known;

#[cfg(test)]
mod tests;

/// Kinds that say that the trouble is in a service itself: a resource is short, or traces show its own time or failure.
const RESOURCES: [&str; 6] = [
    "metric.cpu_high",
    "metric.cpu_throttling",
    "metric.memory_high",
    "metric.disk_high",
    "trace.own_errors",
    "trace.own_time",
];
/// Calls that lose time between caller and callee.
const WIRE: &str = "trace.wire_time";
/// Those of them that leave out what callees did.
const BY_ITSELF: [&str; 2] = ["trace.own_errors", "trace.own_time"];
/// Kinds that users feel.
const SYMPTOMS: [&str; 3] = ["trace.latency", "trace.median_latency", "trace.error_rate"];
/// The usual window of a rate, in milliseconds: what begins within it begins together.
const TOGETHER_MS: i64 = 60_000;
/// Where an anomaly begins, in tenths of a spread.
const THRESHOLD: u32 = 60;
/// Scores below this are noise: one lone measurement that left its range by little.
const SCORE_MIN: u64 = 24 * SCALE;
/// Fixed point of scores.
const SCALE: u64 = 16;
/// Episodes that are weighed against each other; the strongest.
const EPISODES_MAX: usize = 400;

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
    for scored in scene.resources().into_iter().chain(scene.wires()).chain(scene.services()) {
        let better = by_entity.get(&scored.entity).is_none_or(|best| best.score < scored.score);
        if better {
            by_entity.insert(scored.entity.clone(), scored);
        }
    }
    let mut all: Vec<Scored<'_>> = by_entity.into_values().collect();
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

/// One anomaly and whom it is about: a service, or both ends of a call.
struct Clue<'a> {
    row: &'a EpisodeRow,
    ends: Vec<Entity>,
}

/// Numbers of different calls by who makes them, and by who answers them.
#[derive(Default)]
struct Counted([BTreeMap<Entity, u64>; 2]);

impl Counted {
    fn of<'e>(entities: impl Iterator<Item = &'e Entity>) -> Self {
        let mut counted = Counted::default();
        for (caller, callee) in entities.collect::<BTreeSet<_>>().into_iter().filter_map(call) {
            *counted.0[0].entry(caller).or_default() += 1;
            *counted.0[1].entry(callee).or_default() += 1;
        }
        counted
    }

    fn of_clues(clues: &[Clue<'_>]) -> Self {
        Counted::of(clues.iter().map(|clue| &clue.row.entity))
    }

    /// Those of an entity at one end: 0 for those that it makes, 1 for those that it answers.
    fn at(&self, end: usize, entity: &Entity) -> u64 {
        self.0.get(end).and_then(|by_entity| by_entity.get(entity)).copied().unwrap_or(0)
    }

    fn all(&self, entity: &Entity) -> u64 {
        self.at(0, entity) + self.at(1, entity)
    }
}

/// Unusual metrics in a window, and who calls whom.
struct Scene<'a> {
    resources: Vec<Clue<'a>>,
    symptoms: Vec<Clue<'a>>,
    wires: Vec<Clue<'a>>,
    /// Callees by caller.
    calls: BTreeMap<Entity, BTreeSet<Entity>>,
    /// Calls that are measured.
    measured: Counted,
    /// Those that are slow or fail.
    slow: Counted,
    /// Those that lose time on the way.
    losing: Counted,
    /// When the stretch begins.
    from: EventTime,
}

impl<'a> Scene<'a> {
    fn of(known: &'a Known, window: TimeWindow) -> Self {
        let mut rows: Vec<&EpisodeRow> = known.episodes.iter().map(|row| row.as_ref()).collect();
        rows.retain(|row| {
            0 < row.magnitude
                && row.onset <= window.to
                && window.from <= row.ended.unwrap_or(row.last).max(row.last)
        });
        rows.sort_by_key(|row| (Reverse(row.magnitude), row.episode_id));
        rows.truncate(EPISODES_MAX);
        let mut calls: BTreeMap<Entity, BTreeSet<Entity>> = BTreeMap::new();
        let mut serves: BTreeMap<&Entity, &Entity> = BTreeMap::new();
        for row in &known.relations {
            match row.relation {
                RelationKind::Calls => {
                    calls.entry(row.from.clone()).or_default().insert(row.to.clone());
                }
                RelationKind::Selects => {
                    serves.insert(&row.to, &row.from);
                }
                _ => {}
            }
        }
        let ends = |entity: &Entity| match call(entity) {
            Some((caller, callee)) => vec![caller, callee],
            None => vec![Entity::clone(serves.get(entity).unwrap_or(&entity))],
        };
        let clues = |kinds: &[&str]| -> Vec<Clue<'a>> {
            let mine = rows.iter().filter(|row| kinds.contains(&row.kind.id()));
            mine.map(|row| Clue { row, ends: ends(&row.entity) }).collect()
        };
        let mut symptoms = clues(&SYMPTOMS);
        if symptoms.is_empty() {
            // The slowest requests are few and say little, but they are better than nothing.
            symptoms = clues(&["trace.latency_tail"]);
        }
        let symptoms = each_once(symptoms);
        let (resources, wires) = (clues(&RESOURCES), clues(&[WIRE]));
        let measured = Counted::of(known.entities.iter().map(|row| &row.entity));
        let (slow, losing) = (Counted::of_clues(&symptoms), Counted::of_clues(&wires));
        Scene { resources, symptoms, wires, calls, measured, slow, losing, from: window.from }
    }

    /// Everything that a service needs, itself included.
    fn needs(&self, service: &Entity) -> BTreeSet<Entity> {
        let mut found = BTreeSet::from([service.clone()]);
        let mut open = vec![service.clone()];
        while let Some(caller) = open.pop() {
            for callee in self.calls.get(&caller).into_iter().flatten() {
                if found.insert(callee.clone()) {
                    open.push(callee.clone());
                }
            }
        }
        found
    }

    /// Symptoms that trouble at an entity explains, twice as much where they touch it as where they only need it. What
    /// traces say of an entity by itself leaves out its callees: it does not explain the calls that it makes.
    fn explained(&self, entity: &Entity, since: Option<i64>, by_itself: bool) -> Vec<(&'a EpisodeRow, u64)> {
        let mut explains = Vec::new();
        for clue in &self.symptoms {
            let last = clue.ends.last().map(|end| self.needs(end)).unwrap_or_default();
            let touched =
                if by_itself { clue.ends.last() == Some(entity) } else { clue.ends.contains(entity) };
            let share = match () {
                () if touched => 2,
                () if last.contains(entity) => 1,
                () => continue,
            };
            if since.is_none_or(|since| since - TOGETHER_MS <= clue.row.onset.0) {
                explains.push((clue.row, share * strength(clue.row.magnitude)));
            }
        }
        explains
    }

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

/// Percentiles of one latency tell of one slowness: of those that overlap the strongest stays. Strongest first.
fn each_once(clues: Vec<Clue<'_>>) -> Vec<Clue<'_>> {
    let end = |row: &EpisodeRow| row.ended.unwrap_or(row.last).max(row.last);
    let failed = |row: &EpisodeRow| row.kind.id() == "trace.error_rate";
    let mut kept: Vec<Clue<'_>> = Vec::new();
    for clue in clues {
        let row = clue.row;
        let told = kept.iter().map(|other| other.row).any(|other| {
            other.entity == row.entity
                && failed(other) == failed(row)
                && other.onset <= end(row)
                && row.onset <= end(other)
        });
        if !told {
            kept.push(clue);
        }
    }
    kept
}

/// Both ends of a call.
fn call(entity: &Entity) -> Option<(Entity, Entity)> {
    if entity.kind != EntityKind::Call {
        return None;
    }
    let (caller, callee) = entity.name.split_once("->")?;
    let service = |name: &str| {
        Entity::namespaced(EntityKind::Service, &entity.namespace, name).in_cluster(&entity.cluster)
    };
    Some((service(caller), service(callee)))
}

/// Doublings beyond the threshold, in quarters, so that a deviation ten times as large counts for more, not for all.
fn strength(magnitude: u32) -> u64 {
    let quarters = |value: u32| u64::from(u128::from(value.max(1)).pow(4).ilog2());
    (quarters(magnitude) + 4).saturating_sub(quarters(THRESHOLD))
}
