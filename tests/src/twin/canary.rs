//! Section 5a: the pods that a release brought against those that were there before.

use std::collections::{BTreeMap, BTreeSet};

use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::fact::{Fact, clip};
use schemas::ids::{EntityId, EventId, Tenant};
use schemas::normalize::anomaly::anomaly_kind;
use schemas::time::EventTime;

use super::admission::{Event, Occurrence};
use super::episodes::Edge;

const SLOT_MS: i64 = 60_000;

/// A sample: time, arrival, event, value.
type Point = (EventTime, u64, EventId, i64);

/// The samples of one pod and metric by minute.
type Minutes = BTreeMap<i64, Vec<Point>>;

/// Samples of pods by metric, pod and minute.
type Measured<'a> = BTreeMap<(&'a str, &'a Entity), Minutes>;

struct Release {
    onset: EventTime,
    last: EventTime,
    cite: (u64, EventId),
    steps: u64,
}

pub(super) fn canary(
    tenant: Tenant,
    current: &[Event],
    stated: &[Occurrence],
    edges: &[Edge],
    gap_ms: i64,
) -> Vec<Occurrence> {
    let mut steps: BTreeMap<&Entity, BTreeSet<(EventTime, u64, EventId)>> = BTreeMap::new();
    for step in stated.iter().filter(|one| ["deploy.canary_step", "deploy.rollout"].contains(&one.kind.id()))
    {
        steps.entry(&step.entity).or_default().insert((step.onset, step.seq, step.event));
    }
    let measured = measured(current);
    let mut found = Vec::new();
    for (entity, steps) in steps {
        let pods: Vec<(&Entity, EventTime)> = edges
            .iter()
            .filter(|edge| edge.from == *entity && edge.to.kind == EntityKind::Pod)
            .filter(|edge| [RelationKind::Selects, RelationKind::Owns].contains(&edge.relation))
            .map(|edge| (&edge.to, edge.valid_from))
            .collect();
        let releases = releases(&steps, gap_ms);
        for (index, release) in releases.iter().enumerate() {
            let begun = release.onset.plus_ms(-SLOT_MS);
            let next = releases.get(index + 1).map(|next| next.onset.plus_ms(-SLOT_MS));
            let since =
                |pod: &Entity| pods.iter().filter(|(known, _)| *known == pod).map(|(_, at)| *at).min();
            let names: BTreeSet<&Entity> = pods.iter().map(|(pod, _)| *pod).collect();
            let new: BTreeSet<&Entity> = names
                .iter()
                .filter(|pod| since(pod).is_some_and(|at| begun <= at && next.is_none_or(|next| at < next)))
                .copied()
                .collect();
            let old: BTreeSet<&Entity> =
                names.iter().filter(|pod| since(pod).is_some_and(|at| at < begun)).copied().collect();
            found.extend(verdict(tenant, entity, release, &measured, (&new, &old)));
        }
    }
    found
}

fn releases(steps: &BTreeSet<(EventTime, u64, EventId)>, gap_ms: i64) -> Vec<Release> {
    let mut releases: Vec<Release> = Vec::new();
    for (onset, seq, event) in steps {
        match releases.last_mut() {
            Some(open) if *onset <= open.last.plus_ms(gap_ms) => {
                open.last = *onset;
                open.cite = open.cite.min((*seq, *event));
                open.steps += 1;
            }
            _ => releases.push(Release { onset: *onset, last: *onset, cite: (*seq, *event), steps: 1 }),
        }
    }
    releases
}

fn measured(current: &[Event]) -> Measured<'_> {
    let mut measured = Measured::new();
    for event in current {
        for fact in &event.arrival.normalized.facts {
            let Fact::Sample(sample) = fact else { continue };
            if sample.entity.kind == EntityKind::Pod {
                let minutes = measured.entry((&sample.metric, &sample.entity)).or_default();
                let point = (sample.at, event.seq, event.arrival.envelope.ingest_id, sample.value_micro);
                minutes.entry(sample.at.0.div_euclid(SLOT_MS)).or_default().push(point);
            }
        }
    }
    for minutes in measured.values_mut() {
        minutes.values_mut().for_each(|points| points.sort());
    }
    measured
}

fn mean(points: &[Point]) -> i64 {
    let sum: i128 = points.iter().map(|point| i128::from(point.3)).sum();
    (sum / points.len() as i128) as i64
}

fn verdict(
    tenant: Tenant,
    entity: &Entity,
    release: &Release,
    measured: &Measured<'_>,
    (new, old): (&BTreeSet<&Entity>, &BTreeSet<&Entity>),
) -> Vec<Occurrence> {
    let mut compared = false;
    // What differs, worse before slower, then by minute, pod and metric: the first counts.
    let mut differing: BTreeMap<(bool, i64, EntityId, &str), (&Entity, Point, i64, i64)> = BTreeMap::new();
    for ((metric, pod), minutes) in measured.iter().filter(|((_, pod), _)| new.contains(pod)) {
        let kind = anomaly_kind(metric, true).id();
        let slow = ["trace.latency", "metric.cpu_high"].contains(&kind);
        if !slow && !["trace.error_rate", "metric.memory_high"].contains(&kind) {
            continue;
        }
        let mut differed_before = false;
        for (index, (minute, points)) in minutes.iter().enumerate() {
            let value = mean(points);
            let mut then: Vec<i64> = old
                .iter()
                .filter_map(|other| measured.get(&(*metric, *other)))
                .filter_map(|known| known.get(minute).or_else(|| known.get(&(minute - 1))))
                .map(|points| mean(points))
                .collect();
            then.sort_unstable();
            let Some(worst) = then.last() else {
                differed_before = false;
                continue;
            };
            compared |= kind == "trace.error_rate";
            let median = then[(then.len() - 1) / 2];
            let far = value > worst.saturating_mul(2) && far(value, &then, median);
            let ended = kind == "metric.memory_high" && value <= 0 && 0 < median;
            let differs = (far || ended) && !(slow && index == 0);
            if differs && (differed_before || !slow) {
                differing.insert((slow, *minute, pod.id(tenant), metric), (pod, points[0], value, median));
            }
            differed_before = differs;
        }
    }
    let first = differing.into_iter().next();
    let kind = match (&first, new.is_empty(), compared) {
        (_, true, _) => "rollouts.pods_pending",
        (Some(((false, ..), _)), ..) => "rollouts.pods_differ",
        (Some(_), ..) => "rollouts.pods_slower",
        (None, _, true) => "rollouts.pods_alike",
        (None, _, false) => "rollouts.pods_unproven",
    };
    let kind = Kind::named(kind);
    let detail = match &first {
        Some(((_, _, _, metric), (pod, _, value, median))) => {
            format!("{metric} of {} is {value}, of the pods before {median} (millionths)", pod.name)
        }
        None => kind.spec().title.clone(),
    };
    let stated = Occurrence {
        onset: release.onset,
        seq: release.cite.0,
        event: release.cite.1,
        earliest: release.onset,
        last: release.last,
        ended: None,
        standing: false,
        count: release.steps,
        severity: kind.spec().severity,
        detail: clip(&detail),
        magnitude: 0,
        entity: entity.clone(),
        kind,
    };
    let proof = first.map(|(_, (_, (at, seq, event, _), ..))| Occurrence {
        seq,
        event,
        last: release.last.max(at),
        count: 1,
        ..stated.clone()
    });
    [Some(stated), proof].into_iter().flatten().collect()
}

fn far(value: i64, then: &[i64], median: i64) -> bool {
    let mut distances: Vec<i128> =
        then.iter().map(|other| (i128::from(*other) - i128::from(median)).abs()).collect();
    distances.sort_unstable();
    let spread = distances[(distances.len() - 1) / 2] * 3 / 2;
    let spread = spread.max(i128::from(median).abs() / 10).max(1_000_000);
    6 * spread < i128::from(value) - i128::from(median)
}
