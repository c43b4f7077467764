//! Baselines: metric series against their own recent past.
//!
//! Input   samples by (tenant, entity, metric).
//! Output  one occurrence for each run of slots that deviate and last; the entities that are measured.
//! Ties    a slot cites its earliest sample, then the earliest arrival.
//! State   the samples of the horizon in slots, and one summary per slot.
//! See docs/semantics.md, section 4. Integers only: a view must not depend on the order of additions.

use std::collections::VecDeque;
use std::sync::Arc;

use schemas::fact::clip;
use schemas::ids::Tenant;
use schemas::normalize::anomaly::{anomaly_kind, anomaly_severity, spread_floor_micro};
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use crate::operators::maintain::{maintain, summarize};
use crate::rows::{Cite, Named, Occurrence, Subject};
use crate::types::Updates;
use crate::values::Values;

/// Width of a slot: several scrapes of fast series are averaged, slow ones have slots of their own cadence.
const SLOT_MS: i64 = 15_000;
/// Slots that a baseline must have before one is judged.
const BASELINE_SLOTS_MIN: usize = 8;
/// Slots that a baseline remembers, and slots of deviation after which the new level is what is usual.
const BASELINE_SLOTS_MAX: usize = 40;
/// Spreads beyond which a slot stands out.
const DEVIATION: i128 = 6;
/// Slots that a deviation must last, counted from the last good one.
const LASTS_SLOTS: i64 = 2;
/// Greatest magnitude told, in tenths of a spread.
const MAGNITUDE_MAX: i128 = 100_000;

/// A metric series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Series {
    pub(crate) tenant: Tenant,
    pub(crate) on: Named,
    pub(crate) metric: String,
}

/// One sample of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) at: EventTime,
    pub(crate) cite: Cite,
    pub(crate) value_micro: i64,
}

/// The samples of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Slot {
    number: i64,
    first: Point,
    last: EventTime,
    mean_micro: i64,
}

/// A deviation of one slot from what is usual.
#[derive(Clone, Copy)]
struct Deviation {
    up: bool,
    median: i64,
    magnitude: u32,
}

/// Compares every series with its baseline.
pub(crate) fn baselines<'scope>(
    points: Updates<'scope, (Series, Point)>,
) -> (Updates<'scope, (Subject, Arc<Occurrence>)>, Updates<'scope, (Tenant, Named)>) {
    let slotted = points.map(|(series, point)| ((series, point.at.0.div_euclid(SLOT_MS)), point));
    let slots = summarize(slotted, "BaselineSlots", |(series, number), points| {
        slot(*number, points).map(|slot| (series.clone(), slot))
    });
    let measured = slots.clone().map(|(series, _)| (series.tenant, series.on));
    let anomalies = maintain(slots, "Baselines", |series, slots| {
        let slots: Vec<Slot> = slots.distinct().copied().collect();
        anomalies(&slots, spread_floor_micro(&series.metric))
            .into_iter()
            .map(|found| occurrence(series, &slots, &found))
            .collect()
    });
    (anomalies, measured)
}

fn slot(number: i64, points: &Values<Point>) -> Option<Slot> {
    let (first, last) = (points.first()?, points.last()?);
    let copies: i128 = points.iter().map(|(_, copies)| i128::from(copies)).sum();
    let sum: i128 =
        points.iter().map(|(point, copies)| i128::from(point.value_micro) * i128::from(copies)).sum();
    let mean = sum / copies.max(1);
    // The mean of 64-bit numbers is one.
    let mean_micro = i64::try_from(mean).unwrap_or(i64::MAX);
    Some(Slot { number, first: *first, last: last.at, mean_micro })
}

/// A run of slots that deviate in one direction, by index.
struct Anomaly {
    from: usize,
    to: usize,
    deviation: Deviation,
}

/// What is usual: the latest slots that did not deviate.
#[derive(Default)]
struct Baseline {
    usual: VecDeque<i64>,
    /// Slots that deviated since the last usual one.
    unusual: Vec<i64>,
}

impl Baseline {
    /// Judges a slot, then learns from it. A level that stays is usual in the end.
    fn take(&mut self, mean: i64, floor: i64) -> Option<Deviation> {
        let deviation = self.judge(mean, floor);
        if deviation.is_none() {
            self.unusual.clear();
            self.usual.push_back(mean);
            if BASELINE_SLOTS_MAX < self.usual.len() {
                self.usual.pop_front();
            }
        } else {
            self.unusual.push(mean);
            if self.unusual.len() == BASELINE_SLOTS_MAX {
                self.usual = self.unusual.split_off(BASELINE_SLOTS_MAX - BASELINE_SLOTS_MIN).into();
                self.unusual.clear();
            }
        }
        deviation
    }

    fn judge(&self, mean: i64, floor: i64) -> Option<Deviation> {
        if self.usual.len() < BASELINE_SLOTS_MIN {
            return None;
        }
        let mut sorted: Vec<i128> = self.usual.iter().map(|mean| i128::from(*mean)).collect();
        sorted.sort_unstable();
        let median = sorted[(sorted.len() - 1) / 2];
        for value in &mut sorted {
            *value = (*value - median).abs();
        }
        sorted.sort_unstable();
        // The middle and the ninth tenth of the distances: a series of rare bursts is wide although its middle is calm.
        let (middle, ninth) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() * 9 / 10]);
        let spread = (middle * 3 / 2).max(ninth * 3 / 5).max(median.abs() / 10).max(i128::from(floor));
        let distance = i128::from(mean) - median;
        let magnitude = (distance.abs() * 10 / spread).min(MAGNITUDE_MAX);
        let median = i64::try_from(median).unwrap_or(i64::MAX);
        let magnitude = u32::try_from(magnitude).unwrap_or(u32::MAX);
        (DEVIATION * spread < distance.abs()).then_some(Deviation { up: 0 < distance, median, magnitude })
    }
}

fn anomalies(slots: &[Slot], floor: i64) -> Vec<Anomaly> {
    let mut baseline = Baseline::default();
    let mut found: Vec<Anomaly> = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let Some(deviation) = baseline.take(slot.mean_micro, floor) else { continue };
        match found.last_mut() {
            Some(run) if run.to + 1 == index && run.deviation.up == deviation.up => {
                run.to = index;
                run.deviation.magnitude = run.deviation.magnitude.max(deviation.magnitude);
            }
            _ => found.push(Anomaly { from: index, to: index, deviation }),
        }
    }
    found.retain(|run| LASTS_SLOTS <= lasted(slots, run));
    found
}

/// Slots from the last good one to the end of a run; the slots of a slow series each last as long as its cadence.
fn lasted(slots: &[Slot], run: &Anomaly) -> i64 {
    let before = &slots[run.from.saturating_sub(1)];
    slots[run.to].number.saturating_sub(before.number)
}

fn occurrence(series: &Series, slots: &[Slot], found: &Anomaly) -> (Subject, Arc<Occurrence>) {
    let (first, last) = (&slots[found.from], &slots[found.to]);
    let kind = anomaly_kind(&series.metric, found.deviation.up);
    let magnitude = found.deviation.magnitude;
    let lasted_ms = lasted(slots, found).saturating_mul(SLOT_MS);
    let detail = format!(
        "{} went from {} to {}, {} spreads away",
        series.metric,
        units(found.deviation.median),
        units(first.mean_micro),
        magnitude / 10
    );
    let subject = Subject { tenant: series.tenant, on: series.on.clone(), kind };
    let occurrence = Occurrence {
        onset: first.first.at,
        cite: first.first.cite,
        earliest: slots[found.from.saturating_sub(1)].last.min(first.first.at),
        last: last.last,
        ended: slots.get(found.to + 1).map(|after| after.first.at),
        standing: false,
        count: u64::try_from(found.to - found.from + 1).unwrap_or(u64::MAX),
        severity: anomaly_severity(kind, series.on.entity.kind, magnitude, lasted_ms),
        detail: clip(&detail),
        magnitude,
    };
    (subject, Arc::new(occurrence))
}

/// Millionths as a decimal number.
fn units(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let whole = micro.unsigned_abs();
    format!("{sign}{}.{:06}", whole / 1_000_000, whole % 1_000_000)
}

#[cfg(test)]
mod tests {
    use schemas::ids::EventId;

    use super::*;

    /// Slots of one sample each, a minute apart or as told.
    fn slots(step: i64, means: &[i64]) -> Vec<Slot> {
        let slot = |(index, mean): (i64, &i64)| {
            let at = EventTime(index * step * SLOT_MS);
            let first = Point { at, cite: Cite { seq: 0, event: EventId(0) }, value_micro: *mean };
            Slot { number: index * step, first, last: at, mean_micro: *mean }
        };
        (0..).zip(means).map(slot).collect()
    }

    fn runs(step: i64, means: &[i64]) -> Vec<(usize, usize, u32)> {
        let found = anomalies(&slots(step, means), 1);
        found.iter().map(|run| (run.from, run.to, run.deviation.magnitude)).collect()
    }

    #[test]
    fn scale_does_not_matter() {
        for unit in [1_000, 1_000_000_000] {
            let mut means = vec![10 * unit; 10];
            means.extend([30 * unit, 30 * unit, 10 * unit]);
            assert_eq!(runs(1, &means), [(10, 11, 200)]);
        }
    }

    #[test]
    fn one_slot_is_a_blip_unless_the_series_is_slow() {
        let mut means = vec![10_000; 10];
        means.extend([30_000, 10_000]);
        assert_eq!(runs(1, &means), []);
        assert_eq!(runs(4, &means), [(10, 10, 200)]);
    }

    #[test]
    fn trouble_is_not_learned_but_a_level_that_stays_is() {
        let mut means = vec![10_000; 10];
        means.extend([30_000; 60]);
        assert_eq!(runs(1, &means), [(10, 49, 200)]);
    }

    #[test]
    fn extremes_saturate() {
        let mut means = vec![i64::MIN; 10];
        means.extend([i64::MAX; 3]);
        assert_eq!(runs(1, &means), [(10, 12, 200)]);
        assert_eq!(runs(1, &[[0; 10], [i64::MIN; 10]].concat()), [(10, 19, 100_000)]);
    }
}
