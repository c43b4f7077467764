//! Suspects among unusual metrics: who is most likely to blame when measurements are all there is. Pure.
//!
//! What an SRE does with dashboards: a resource that ran out explains that its service, and whoever calls it, is slow.
//! What was slow before the resource moved is not explained by it. Where no resource moved, the service that the slow
//! calls have in common is to blame; a service of which most calls are fine is not.

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
    for scored in scene.resources().into_iter().chain(scene.services()) {
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

/// Unusual metrics in a window, and who calls whom.
struct Scene<'a> {
    resources: Vec<Clue<'a>>,
    symptoms: Vec<Clue<'a>>,
    /// Callees by caller.
    calls: BTreeMap<Entity, BTreeSet<Entity>>,
    /// Calls that are measured, by either end.
    measured: BTreeMap<Entity, u64>,
    /// The same for those that are slow or fail.
    slow: BTreeMap<Entity, u64>,
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
        let count = |entities: &mut dyn Iterator<Item = &Entity>| {
            let mut by_end: BTreeMap<Entity, u64> = BTreeMap::new();
            for end in entities.filter_map(call).flat_map(|(caller, callee)| [caller, callee]) {
                *by_end.entry(end).or_default() += 1;
            }
            by_end
        };
        let measured = count(&mut known.entities.iter().map(|row| &row.entity));
        let unusual: BTreeSet<&Entity> = symptoms.iter().map(|clue| &clue.row.entity).collect();
        let slow = count(&mut unusual.into_iter());
        Scene { resources: clues(&RESOURCES), symptoms, calls, measured, slow, from: window.from }
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
    fn explained(&self, entity: &Entity, since: Option<i64>, by_itself: bool) -> (u64, Vec<&'a EpisodeRow>) {
        let (mut weight, mut explains) = (0, Vec::new());
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
                weight += share * strength(clue.row.magnitude);
                explains.push(clue.row);
            }
        }
        (weight, explains)
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
            let (mut weight, mut explains) =
                self.explained(entity, Some(onset), BY_ITSELF.contains(&clue.row.kind.id()));
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
            let (slow, measured) = (self.slow.get(entity), self.measured.get(entity));
            // A service of which no call is measured stands for itself.
            let (slow, measured) = match measured {
                Some(measured) => (slow.copied().unwrap_or(0), *measured),
                None => (1, 1),
            };
            let (weight, explains) = self.explained(entity, None, false);
            let score = self.fresh(strongest.row, weight * SCALE * slow / (2 * measured.max(1)));
            found.push(Scored { entity: entity.clone(), episode: strongest.row, explains, score });
        }
        found
    }
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

#[cfg(test)]
mod tests {
    use schemas::catalogue::Kind;
    use schemas::ids::EpisodeId;

    use super::*;

    fn service(name: &str) -> Entity {
        Entity::namespaced(EntityKind::Service, "shop", name)
    }

    fn row(entity: Entity, kind: &'static str, onset: i64, magnitude: u32) -> EpisodeRow {
        let kind = Kind::named(kind);
        let onset = EventTime(onset);
        EpisodeRow {
            episode_id: EpisodeId(u64::from(magnitude)),
            entity,
            kind,
            class: kind.spec().class,
            onset,
            earliest: onset,
            last: onset.plus_ms(60_000),
            ended: None,
            count: 1,
            severity: kind.spec().severity,
            event_ids: Vec::new(),
            detail: String::new(),
            magnitude,
        }
    }

    /// Web calls pay, and that call is slow.
    fn scene<'a>(call: &'a EpisodeRow, resource: &'a EpisodeRow, from: i64) -> Scene<'a> {
        let clue = |row: &'a EpisodeRow, ends: &[&str]| Clue {
            row,
            ends: ends.iter().map(|name| service(name)).collect(),
        };
        let counted = || ["web", "pay"].into_iter().map(|name| (service(name), 1)).collect();
        Scene {
            resources: vec![clue(resource, &[&resource.entity.name])],
            symptoms: vec![clue(call, &["web", "pay"])],
            calls: BTreeMap::from([(service("web"), BTreeSet::from([service("pay")]))]),
            measured: counted(),
            slow: counted(),
            from: EventTime(from),
        }
    }

    fn slow_call() -> EpisodeRow {
        row(Entity::namespaced(EntityKind::Call, "shop", "web->pay"), "trace.latency", 600_000, 900)
    }

    #[test]
    fn own_time_explains_the_calls_that_are_answered_and_not_those_that_are_made() {
        let call = slow_call();
        let explains = |name: &str, kind: &'static str| {
            let resource = row(service(name), kind, 600_000, 100);
            scene(&call, &resource, 0).resources()[0].explains.len()
        };
        assert_eq!(explains("pay", "trace.own_time"), 1);
        assert_eq!(explains("web", "trace.own_time"), 0);
        assert_eq!(explains("web", "metric.cpu_high"), 1, "a starved caller waits longer for its answers");
    }

    #[test]
    fn what_began_before_the_stretch_counts_half() {
        let (call, resource) = (slow_call(), row(service("pay"), "metric.cpu_high", 590_000, 100));
        let score = |from: i64| scene(&call, &resource, from).resources()[0].score;
        assert_eq!(score(590_001), score(590_000) / 2);
    }
}
