//! Sections 4 and 5: metric baselines and log templates.

use std::collections::BTreeMap;

use schemas::catalogue::Kind;
use schemas::entity::Entity;
use schemas::envelope::Severity;
use schemas::fact::{Fact, LogLine, clip};
use schemas::ids::EventId;
use schemas::normalize::anomaly::anomaly_kind;
use schemas::time::EventTime;

use super::admission::{Event, Occurrence};

const SLOT_MS: i64 = 60_000;

/// A sample: time, arrival, event, value.
type Point = (EventTime, u64, EventId, i64);

pub(super) fn baselines(current: &[Event]) -> Vec<Occurrence> {
    let mut series: BTreeMap<(Entity, String), BTreeMap<i64, Vec<Point>>> = BTreeMap::new();
    for event in current {
        for fact in &event.arrival.normalized.facts {
            if let Fact::Sample(sample) = fact {
                let slots = series.entry((sample.entity.clone(), sample.metric.clone())).or_default();
                let point = (sample.at, event.seq, event.arrival.envelope.ingest_id, sample.value_milli);
                slots.entry(sample.at.0.div_euclid(SLOT_MS)).or_default().push(point);
            }
        }
    }
    let mut found = Vec::new();
    for ((entity, metric), slots) in series {
        let mut slots: Vec<Vec<Point>> = slots.into_values().collect();
        slots.iter_mut().for_each(|points| points.sort());
        let means: Vec<i128> = slots
            .iter()
            .map(|points| points.iter().map(|point| i128::from(point.3)).sum::<i128>() / points.len() as i128)
            .collect();
        let verdicts: Vec<Option<(bool, i128)>> =
            (0..slots.len()).map(|index| verdict(&means, index)).collect();
        let mut index = 0;
        while index < slots.len() {
            let Some((up, median)) = verdicts[index] else {
                index += 1;
                continue;
            };
            let first = index;
            while index < slots.len() && verdicts[index].is_some_and(|(direction, _)| direction == up) {
                index += 1;
            }
            let (at, seq, event, _) = slots[first][0];
            let kind = anomaly_kind(&metric, up);
            found.push(Occurrence {
                onset: at,
                seq,
                event,
                earliest: at,
                last: slots[index - 1].iter().map(|point| point.0).max().unwrap_or(at),
                ended: slots.get(index).map(|points| points[0].0),
                standing: false,
                count: (index - first) as u64,
                severity: kind.spec().severity,
                detail: clip(&format!("{metric} went from {median} to {} (thousandths)", means[first])),
                entity: entity.clone(),
                kind,
            });
        }
    }
    found
}

fn verdict(means: &[i128], index: usize) -> Option<(bool, i128)> {
    if index < 8 {
        return None;
    }
    let before = &means[index.saturating_sub(30)..index];
    let median = lower_median(before.to_vec());
    let spread = lower_median(before.iter().map(|mean| (mean - median).abs()).collect()) * 3 / 2;
    let spread = spread.max(median.abs() / 10).max(1_000);
    let distance = means[index] - median;
    (6 * spread < distance.abs()).then_some((0 < distance, median))
}

fn lower_median(mut values: Vec<i128>) -> i128 {
    values.sort_unstable();
    values[(values.len() - 1) / 2]
}

pub(super) fn templates(current: &[Event]) -> Vec<Occurrence> {
    let mut lines: BTreeMap<Entity, Vec<(EventTime, u64, EventId, &LogLine)>> = BTreeMap::new();
    for event in current {
        for fact in &event.arrival.normalized.facts {
            if let Fact::LogLine(line) = fact {
                lines.entry(line.entity.clone()).or_default().push((
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
            });
        }
    }
    found
}
