//! What is unusual in a stretch of time, and who calls whom. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use schemas::answer::TimeWindow;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::time::EventTime;
use schemas::view::EpisodeRow;

use crate::evidence::Known;

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
pub(super) const WIRE: &str = "trace.wire_time";
/// Calls after which requests stop that used to go on.
pub(super) const STOPS: &str = "trace.stops_after";
/// Kinds that users feel.
const SYMPTOMS: [&str; 3] = ["trace.latency", "trace.median_latency", "trace.error_rate"];
/// The usual window of a rate, in milliseconds: what begins within it begins together.
pub(super) const TOGETHER_MS: i64 = 60_000;
/// Where an anomaly begins, in tenths of a spread.
const THRESHOLD: u32 = 60;
/// Episodes that are weighed against each other; the strongest.
const EPISODES_MAX: usize = 400;

/// One anomaly and whom it is about: a service, or both ends of a call.
pub(super) struct Clue<'a> {
    pub(super) row: &'a EpisodeRow,
    pub(super) ends: Vec<Entity>,
}

/// Numbers of different calls by who makes them, and by who answers them.
#[derive(Default)]
pub(super) struct Counted([BTreeMap<Entity, u64>; 2]);

impl Counted {
    pub(super) fn of<'e>(entities: impl Iterator<Item = &'e Entity>) -> Self {
        let mut counted = Counted::default();
        for (caller, callee) in entities.collect::<BTreeSet<_>>().into_iter().filter_map(call) {
            *counted.0[0].entry(caller).or_default() += 1;
            *counted.0[1].entry(callee).or_default() += 1;
        }
        counted
    }

    pub(super) fn of_clues(clues: &[Clue<'_>]) -> Self {
        Counted::of(clues.iter().map(|clue| &*clue.row.entity))
    }

    /// Those of an entity at one end: 0 for those that it makes, 1 for those that it answers.
    pub(super) fn at(&self, end: usize, entity: &Entity) -> u64 {
        self.0.get(end).and_then(|by_entity| by_entity.get(entity)).copied().unwrap_or(0)
    }

    pub(super) fn all(&self, entity: &Entity) -> u64 {
        self.at(0, entity) + self.at(1, entity)
    }
}

/// Unusual metrics in a window, and who calls whom.
pub(super) struct Scene<'a> {
    pub(super) resources: Vec<Clue<'a>>,
    pub(super) symptoms: Vec<Clue<'a>>,
    pub(super) wires: Vec<Clue<'a>>,
    pub(super) stops: Vec<Clue<'a>>,
    /// Callees by caller.
    pub(super) calls: BTreeMap<Entity, BTreeSet<Entity>>,
    /// Calls that are measured.
    pub(super) measured: Counted,
    /// Those that are slow or fail.
    pub(super) slow: Counted,
    /// Those that lose time on the way.
    pub(super) losing: Counted,
    /// When the stretch begins.
    pub(super) from: EventTime,
}

impl<'a> Scene<'a> {
    pub(super) fn of(known: &'a Known, window: TimeWindow) -> Self {
        let mut rows: Vec<&EpisodeRow> = known.episodes.iter().map(|row| row.as_ref()).collect();
        rows.retain(|row| unusual_in(row, window));
        rows.sort_by_key(|row| (Reverse(row.magnitude), row.episode_id));
        rows.truncate(EPISODES_MAX);
        let mut calls: BTreeMap<Entity, BTreeSet<Entity>> = BTreeMap::new();
        let mut serves: BTreeMap<&Entity, &Entity> = BTreeMap::new();
        for row in &known.relations {
            match row.relation {
                RelationKind::Calls => {
                    calls.entry(Entity::clone(&row.from)).or_default().insert(Entity::clone(&row.to));
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
        let (resources, wires, stops) = (clues(&RESOURCES), clues(&[WIRE]), clues(&[STOPS]));
        let measured = Counted::of(known.entities.iter().map(|row| &*row.entity));
        let (slow, losing) = (Counted::of_clues(&symptoms), Counted::of_clues(&wires));
        Scene { resources, symptoms, wires, stops, calls, measured, slow, losing, from: window.from }
    }

    /// Everything that a service needs, itself included.
    pub(super) fn needs(&self, service: &Entity) -> BTreeSet<Entity> {
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
    pub(super) fn explained(
        &self,
        entity: &Entity,
        since: Option<i64>,
        by_itself: bool,
    ) -> Vec<(&'a EpisodeRow, u64)> {
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
}

/// Whether a metric deviated in a stretch. What was last unusual before it is no evidence in it, even if nothing was measured
/// in between.
pub(super) fn unusual_in(row: &EpisodeRow, window: TimeWindow) -> bool {
    0 < row.magnitude && row.onset <= window.to && window.from <= row.last
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
pub(super) fn call(entity: &Entity) -> Option<(Entity, Entity)> {
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
pub(super) fn strength(magnitude: u32) -> u64 {
    let quarters = |value: u32| u64::from(u128::from(value.max(1)).pow(4).ilog2());
    (quarters(magnitude) + 4).saturating_sub(quarters(THRESHOLD))
}
