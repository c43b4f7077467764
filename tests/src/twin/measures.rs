//! Sections 4 and 5: metric baselines and log templates.

use std::collections::BTreeMap;

use schemas::catalogue::Kind;
use schemas::entity::Entity;
use schemas::envelope::Severity;
use schemas::fact::{Fact, LogLine, clip};
use schemas::ids::EventId;
use schemas::normalize::anomaly::{Center, LeastSpread, anomaly_kind, anomaly_severity};
use schemas::time::EventTime;

use super::admission::{Event, Occurrence};

const SLOT_MS: i64 = 60_000;
const SAMPLE_SLOT_MS: i64 = 15_000;

/// A sample: time, arrival, event, value.
type Point = (EventTime, u64, EventId, i64);

pub(super) fn baselines(current: &[Event]) -> Vec<Occurrence> {
    let mut series: BTreeMap<(&Entity, &str), BTreeMap<i64, Vec<Point>>> = BTreeMap::new();
    for event in current {
        for fact in &event.arrival.normalized.facts {
            if let Fact::Sample(sample) = fact {
                let slots = series.entry((&sample.entity, &sample.metric)).or_default();
                let point = (sample.at, event.seq, event.arrival.envelope.ingest_id, sample.value_micro);
                slots.entry(sample.at.0.div_euclid(SAMPLE_SLOT_MS)).or_default().push(point);
            }
        }
    }
    let mut found = Vec::new();
    for ((entity, metric), slots) in series {
        let numbers: Vec<i64> = slots.keys().copied().collect();
        let mut slots: Vec<Vec<Point>> = slots.into_values().collect();
        slots.iter_mut().for_each(|points| points.sort());
        let center = Center::of(metric);
        let centers: Vec<i128> = slots.iter().map(|points| center_of(points, center)).collect();
        let verdicts = verdicts(&numbers, &centers, LeastSpread::of(metric));
        let mut index = 0;
        while index < slots.len() {
            let Some((up, median, _)) = verdicts[index] else {
                index += 1;
                continue;
            };
            let first = index;
            let mut magnitude = 0;
            while let Some((_, _, far)) =
                verdicts.get(index).copied().flatten().filter(|(direction, ..)| *direction == up)
            {
                magnitude = magnitude.max(far);
                index += 1;
            }
            let mut lasted = numbers[index - 1] - numbers[first - 1];
            if index - first == 1 {
                lasted = numbers.get(index).map_or(lasted, |after| lasted.min(after - numbers[first]));
                if lasted * SAMPLE_SLOT_MS < 120_000 && magnitude < 120 {
                    continue;
                }
            }
            if lasted < 2 {
                continue;
            }
            let (at, seq, event, _) = slots[first][0];
            let kind = anomaly_kind(metric, up);
            let (from, to) = (units(median), units(centers[first]));
            found.push(Occurrence {
                onset: at,
                seq,
                event,
                earliest: slots[first - 1].iter().map(|point| point.0).max().unwrap_or(at),
                last: slots[index - 1].iter().map(|point| point.0).max().unwrap_or(at),
                ended: slots.get(index).map(|points| points[0].0),
                standing: false,
                count: (index - first) as u64,
                severity: anomaly_severity(kind, entity.kind, magnitude, lasted * SAMPLE_SLOT_MS),
                detail: clip(&format!("{metric} went from {from} to {to}, {} spreads away", magnitude / 10)),
                entity: entity.clone(),
                kind,
                magnitude,
            });
        }
    }
    found
}

/// What a slot comes to.
fn center_of(points: &[Point], center: Center) -> i128 {
    let mut values: Vec<i128> = points.iter().map(|point| i128::from(point.3)).collect();
    values.sort_unstable();
    match center {
        Center::Mean => values.iter().sum::<i128>() / values.len() as i128,
        Center::Median => values[(values.len() - 1) / 2],
    }
}

/// Of every slot: direction, median and magnitude if it deviates.
fn verdicts(numbers: &[i64], means: &[i128], least: LeastSpread) -> Vec<Option<(bool, i128, u32)>> {
    let (mut usual, mut streak, mut habit) = (Vec::new(), Vec::new(), Vec::new());
    let mut found = Vec::new();
    for (number, mean) in numbers.iter().zip(means) {
        let recent = &usual[usual.len().saturating_sub(60)..];
        let verdict = verdict(recent, *mean, least).filter(|(up, ..)| news(&habit, *number, *mean, *up));
        found.push(verdict);
        streak.push((*number, *mean));
        if verdict.is_none() {
            usual.push(*mean);
            habit.append(&mut streak);
        } else if streak.len() == 40 {
            usual = streak[32..].iter().map(|slot| slot.1).collect();
            habit.append(&mut streak);
        }
    }
    found
}

/// Whether no slot of the week before went as far; series younger than two days have no habits.
fn news(habit: &[(i64, i128)], number: i64, mean: i128, up: bool) -> bool {
    const DAY: i64 = 86_400_000 / SAMPLE_SLOT_MS;
    let Some((first, _)) = habit.first() else { return true };
    let mut week = habit.iter().filter(|(at, _)| number <= at + 7 * DAY);
    number - first < 2 * DAY || !week.any(|(_, value)| if up { mean <= *value } else { *value <= mean })
}

fn verdict(usual: &[i128], mean: i128, least: LeastSpread) -> Option<(bool, i128, u32)> {
    if usual.len() < 8 {
        return None;
    }
    let at = |mut values: Vec<i128>, place: usize| {
        values.sort_unstable();
        values[place]
    };
    let middle = (usual.len() - 1) / 2;
    let median = at(usual.to_vec(), middle);
    let distances: Vec<i128> = usual.iter().map(|value| (value - median).abs()).collect();
    let ninth = at(distances.clone(), usual.len() * 9 / 10);
    let least = least.at(i64::try_from(median).unwrap_or(i64::MAX));
    let spread = least.max(at(distances, middle) * 3 / 2).max(ninth * 3 / 5);
    let distance = mean - median;
    let magnitude = (distance.abs() * 10 / spread).min(100_000) as u32;
    (6 * spread < distance.abs()).then_some((0 < distance, median, magnitude))
}

fn units(micro: i128) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", micro.abs() / 1_000_000, micro.abs() % 1_000_000)
}

pub(super) fn templates(current: &[Event]) -> Vec<Occurrence> {
    let mut lines: BTreeMap<&Entity, Vec<(EventTime, u64, EventId, &LogLine)>> = BTreeMap::new();
    for event in current {
        for fact in &event.arrival.normalized.facts {
            if let Fact::LogLine(line) = fact {
                lines.entry(&line.entity).or_default().push((
                    line.at,
                    event.seq,
                    event.arrival.envelope.ingest_id,
                    line,
                ));
            }
        }
    }
    let mut found = Vec::new();
    for (entity, lines) in lines {
        let Some(heard_since) = lines.iter().map(|line| line.0).min() else { continue };
        let mut by_template: BTreeMap<&str, Vec<(EventTime, u64, EventId, &LogLine)>> = BTreeMap::new();
        for line in
            lines.iter().filter(|line| Severity::Error <= line.3.severity && !line.3.template.is_empty())
        {
            by_template.entry(&line.3.template).or_default().push(*line);
        }
        for mut same in by_template.into_values() {
            same.sort_by(|left, right| {
                (left.0, left.1, left.2, &left.3.detail).cmp(&(right.0, right.1, right.2, &right.3.detail))
            });
            let (at, seq, event, line) = same[0];
            if at < heard_since.plus_ms(5 * SLOT_MS) {
                continue;
            }
            found.push(Occurrence {
                onset: at,
                seq,
                event,
                earliest: at,
                last: same.iter().map(|line| line.0).max().unwrap_or(at),
                ended: None,
                standing: false,
                count: (same.len() as u64).min(u64::from(u32::MAX)),
                severity: Severity::Error,
                detail: line.detail.clone(),
                entity: entity.clone(),
                kind: Kind::named("log.error_new_template"),
                magnitude: 0,
            });
        }
    }
    found
}
