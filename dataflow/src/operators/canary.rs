//! Canaries: the pods that a release brought against the pods that were there before, at the same time.
//!
//! Input   occurrences of releases; edges from services to pods; samples on pods.
//! Output  for each release one occurrence that says how its pods compare; a second one that cites what differs.
//! Ties    the differing reading with the least (slot, pod, metric); the first event of that minute is cited.
//! State   per pod and metric one mean a minute; per service with a release its steps, pods and their readings.
//! See docs/semantics.md, section 5a. Both versions serve the same requests in the same minute, so that load, callees
//! and time of day cancel out, and a new pod can be judged without a history.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::fact::clip;
use schemas::ids::{EntityId, Tenant};
use schemas::normalize::anomaly::anomaly_kind;
use schemas::time::{Diff, EventTime};
use serde::{Deserialize, Serialize};

use crate::operators::baselines::{Point, Series};
use crate::operators::episodes::SLOT_MS;
use crate::operators::maintain::{maintain, summarize};
use crate::rows::{Cite, Edge, Named, Occurrence, Subject};
use crate::types::Updates;
use crate::values::Values;

/// Deviations, in spreads of the old pods, beyond which a new pod differs.
const DEVIATION: i128 = 6;
/// Smallest spread, in millionths of a unit.
const SPREAD_MIN: i128 = 1_000_000;

/// What a metric measures, as far as pods are compared in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Measure {
    Errors,
    Latency,
    Memory,
    Processor,
}

/// One metric of one pod in one minute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Reading {
    slot: i64,
    pod: EntityId,
    metric: Arc<str>,
    measure: Measure,
    mean_micro: i64,
    at: EventTime,
    cite: Cite,
    name: String,
}

/// What is known of a service with a release. The order is that in which steps are looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    Step(EventTime, Cite, Arc<Entity>),
    Pod(EntityId, EventTime),
    Reading(Reading),
}

type Group = (Tenant, EntityId);

/// Says of every release how its pods compare.
pub(crate) fn canary<'scope>(
    stated: Updates<'scope, (Subject, Arc<Occurrence>)>,
    edges: Updates<'scope, Edge>,
    points: Updates<'scope, (Series, Point)>,
    gap_ms: i64,
) -> Updates<'scope, (Subject, Arc<Occurrence>)> {
    let released = ["deploy.canary_step", "deploy.rollout"].map(Kind::named);
    let steps = stated.filter(move |(subject, _)| released.contains(&subject.kind)).map(|(subject, step)| {
        ((subject.tenant, subject.on.id), Part::Step(step.onset, step.cite, subject.on.entity))
    });
    let changed = steps.clone().map(|(group, _)| group).distinct_core::<Diff>();
    let members = edges.flat_map(member).semijoin(changed);
    let readings = readings(points).join_map(
        members.clone().map(|((tenant, group), (pod, _))| ((tenant, pod), group)),
        |(tenant, _), reading, group| ((*tenant, *group), Part::Reading(reading.clone())),
    );
    let pods = members.map(|(group, (pod, since))| (group, Part::Pod(pod, since)));
    maintain(steps.concat(pods).concat(readings), "Canary", move |group, parts| judge(*group, parts, gap_ms))
}

fn member(edge: Edge) -> Option<(Group, (EntityId, EventTime))> {
    let key = edge.key;
    let holds = matches!(key.relation, RelationKind::Selects | RelationKind::Owns);
    (holds && key.to.entity.kind == EntityKind::Pod)
        .then_some(((key.tenant, key.from.id), (key.to.id, edge.valid_from)))
}

fn measure(metric: &str) -> Option<Measure> {
    match anomaly_kind(metric, true).id() {
        "trace.error_rate" => Some(Measure::Errors),
        "trace.latency" => Some(Measure::Latency),
        "metric.memory_high" => Some(Measure::Memory),
        "metric.cpu_high" => Some(Measure::Processor),
        _ => None,
    }
}

/// The mean of each minute, by pod.
fn readings<'scope>(
    points: Updates<'scope, (Series, Point)>,
) -> Updates<'scope, ((Tenant, EntityId), Reading)> {
    let slotted = points.flat_map(|(series, point)| {
        let measure = measure(&series.metric)?;
        Some(((series, measure, point.at.0.div_euclid(SLOT_MS)), point))
    });
    summarize(slotted, "CanarySlots", |(series, measure, slot), points: &Values<Point>| {
        let first = points.first()?;
        let copies: i128 = points.iter().map(|(_, copies)| i128::from(copies)).sum();
        let sum: i128 =
            points.iter().map(|(point, copies)| i128::from(point.value_micro) * i128::from(copies)).sum();
        let reading = Reading {
            slot: *slot,
            pod: series.on.id,
            metric: series.metric.clone(),
            measure: *measure,
            mean_micro: i64::try_from(sum / copies.max(1)).unwrap_or(i64::MAX),
            at: first.at,
            cite: first.cite,
            name: series.on.entity.name.clone(),
        };
        Some(((series.tenant, series.on.id), reading))
    })
}

/// Steps that follow one another within the gap.
struct Release {
    onset: EventTime,
    last: EventTime,
    cite: Cite,
    steps: u64,
    entity: Arc<Entity>,
}

fn judge((tenant, id): Group, parts: &Values<Part>, gap_ms: i64) -> Vec<(Subject, Arc<Occurrence>)> {
    let mut releases: Vec<Release> = Vec::new();
    let mut since: BTreeMap<EntityId, EventTime> = BTreeMap::new();
    let mut readings: Vec<&Reading> = Vec::new();
    for part in parts.distinct() {
        match part {
            Part::Step(onset, cite, entity) => match releases.last_mut() {
                Some(open) if *onset <= open.last.plus_ms(gap_ms) => {
                    open.last = *onset;
                    open.cite = open.cite.min(*cite);
                    open.steps += 1;
                }
                _ => releases.push(Release {
                    onset: *onset,
                    last: *onset,
                    cite: *cite,
                    steps: 1,
                    entity: Arc::clone(entity),
                }),
            },
            Part::Pod(pod, from) => {
                let known = since.entry(*pod).or_insert(*from);
                *known = (*known).min(*from);
            }
            Part::Reading(reading) => readings.push(reading),
        }
    }
    let mut found = Vec::new();
    for (index, release) in releases.iter().enumerate() {
        // A pod may be measured a little before its deployer speaks of it.
        let begun = |release: &Release| release.onset.plus_ms(-SLOT_MS);
        let next = releases.get(index + 1).map(begun);
        let new = |pod: &EntityId| {
            since.get(pod).is_some_and(|at| begun(release) <= *at && next.is_none_or(|next| *at < next))
        };
        let old = |pod: &EntityId| since.get(pod).is_some_and(|at| *at < begun(release));
        let present = since.keys().any(&new);
        let verdict = compare(&readings, new, old);
        found.extend(occurrences((tenant, id), release, present, &verdict));
    }
    found
}

/// How new pods compare with old ones.
#[derive(Default)]
struct Verdict<'a> {
    /// Requests of a new pod were compared with those of old pods.
    compared: bool,
    /// The first reading that is worse, and what the old pods had.
    differs: Option<(&'a Reading, i64)>,
    /// The first reading that is slower or busier, and what the old pods had.
    slower: Option<(&'a Reading, i64)>,
}

fn compare<'a>(
    readings: &[&'a Reading],
    new: impl Fn(&EntityId) -> bool,
    old: impl Fn(&EntityId) -> bool,
) -> Verdict<'a> {
    let mut verdict = Verdict::default();
    // Of each pod and metric, whether its reading before differed; none before its first.
    let mut before: BTreeMap<(EntityId, &str), bool> = BTreeMap::new();
    for reading in readings.iter().filter(|reading| new(&reading.pod)) {
        let mut then: BTreeMap<EntityId, i64> = BTreeMap::new();
        for other in readings.iter().filter(|other| other.metric == reading.metric && old(&other.pod)) {
            // In order of slots, so that the later of the two minutes counts.
            if other.slot == reading.slot || other.slot + 1 == reading.slot {
                then.insert(other.pod, other.mean_micro);
            }
        }
        let slow = matches!(reading.measure, Measure::Latency | Measure::Processor);
        let far = differs(reading, then.into_values().collect());
        verdict.compared |= far.is_some() && reading.measure == Measure::Errors;
        // The first minute of a pod fills its caches, and few requests are slow for any reason: slowness has to last.
        let cold = !before.contains_key(&(reading.pod, &*reading.metric));
        let differed = far.is_some_and(|(far, _)| far && !(slow && cold));
        let lasts = before.insert((reading.pod, &reading.metric), differed).unwrap_or(false) || !slow;
        let told = if slow { &mut verdict.slower } else { &mut verdict.differs };
        if let (None, true, Some((_, median))) = (&told, differed && lasts, far) {
            *told = Some((reading, median));
        }
    }
    verdict
}

/// Whether a reading is far worse than all of the old pods', and their median. `None` without old pods.
fn differs(reading: &Reading, mut then: Vec<i64>) -> Option<(bool, i64)> {
    then.sort_unstable();
    let worst = *then.last()?;
    let median = lower_median(&then);
    let mut distances: Vec<i64> =
        then.iter().map(|value| value.saturating_sub(median).saturating_abs()).collect();
    distances.sort_unstable();
    let spread = i128::from(lower_median(&distances)) * 3 / 2;
    let spread = spread.max(i128::from(median).abs() / 10).max(SPREAD_MIN);
    let above = i128::from(reading.mean_micro) - i128::from(median);
    // Where old pods fail too, a failure is not the new version's: it has to be twice as bad as the worst of them.
    let worse = worst.saturating_mul(2) < reading.mean_micro && DEVIATION * spread < above;
    // A process that holds no memory has ended.
    let ended = reading.measure == Measure::Memory && reading.mean_micro <= 0 && 0 < median;
    Some((worse || ended, median))
}

fn lower_median(sorted: &[i64]) -> i64 {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}

fn occurrences(
    (tenant, id): Group,
    release: &Release,
    present: bool,
    verdict: &Verdict<'_>,
) -> Vec<(Subject, Arc<Occurrence>)> {
    let kind = Kind::named(match (present, &verdict.differs, &verdict.slower, verdict.compared) {
        (false, ..) => "rollouts.pods_pending",
        (true, Some(_), ..) => "rollouts.pods_differ",
        (true, None, Some(_), _) => "rollouts.pods_slower",
        (true, None, None, true) => "rollouts.pods_alike",
        (true, None, None, false) => "rollouts.pods_unproven",
    });
    let told = verdict.differs.or(verdict.slower);
    let detail = match told {
        Some((reading, median)) => format!(
            "{} of {} is {}, of the pods before {} (millionths)",
            reading.metric, reading.name, reading.mean_micro, median
        ),
        None => kind.spec().title.clone(),
    };
    let subject = Subject { tenant, on: Named { id, entity: Arc::clone(&release.entity) }, kind };
    let stated = Occurrence {
        onset: release.onset,
        cite: release.cite,
        earliest: release.onset,
        last: release.last,
        ended: None,
        standing: false,
        count: release.steps,
        severity: kind.spec().severity,
        detail: clip(&detail).into(),
        magnitude: 0,
    };
    let proof = told.map(|(reading, _)| Occurrence {
        cite: reading.cite,
        last: release.last.max(reading.at),
        count: 1,
        ..stated.clone()
    });
    let occurrences = [Some(stated), proof].into_iter().flatten();
    occurrences.map(|occurrence| (subject.clone(), Arc::new(occurrence))).collect()
}
