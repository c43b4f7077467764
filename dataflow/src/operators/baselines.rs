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
/// Slots that a baseline remembers.
const BASELINE_SLOTS_MAX: usize = 60;
/// Slots of deviation after which the new level is what is usual.
const STAYS_SLOTS: usize = 40;
/// Slots of past, two days, from which on a series has habits, …
const HABIT_SLOTS_MIN: i64 = 2 * 86_400_000 / SLOT_MS;
/// … and how long it keeps them: a week.
const HABIT_SLOTS_MAX: i64 = 7 * 86_400_000 / SLOT_MS;
/// Spreads beyond which a slot stands out.
const DEVIATION: i128 = 6;
/// Slots that a deviation must last, counted from the last good one.
const LASTS_SLOTS: i64 = 2;
/// The same where it has but one slot, two minutes: the mean of five minutes proves something, one scrape does not.
const SINGLE_SLOTS: i64 = 120_000 / SLOT_MS;
/// Magnitude, twice that of a deviation, from which one scrape does prove something.
const SINGLE_MAGNITUDE: u32 = 120;
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

/// What is usual: the latest slots that did not deviate, and the range of the last days.
#[derive(Default)]
struct Baseline {
    usual: VecDeque<i64>,
    /// The same values by size.
    sorted: Vec<i64>,
    /// Slots that deviated since the last usual one.
    unusual: Vec<(i64, i64)>,
    habit: Habit,
}

impl Baseline {
    /// Judges a slot, then learns from it. A level that stays is usual in the end.
    fn take(&mut self, number: i64, mean: i64, floor: i64) -> Option<Deviation> {
        let deviation = self.judge(mean, floor).filter(|found| self.habit.news(number, mean, found.up));
        if deviation.is_none() {
            self.habit.learn(self.unusual.drain(..));
            self.habit.learn([(number, mean)]);
            self.know(mean);
        } else {
            self.unusual.push((number, mean));
            if self.unusual.len() == STAYS_SLOTS {
                self.usual.clear();
                self.sorted.clear();
                let unusual = std::mem::take(&mut self.unusual);
                unusual[STAYS_SLOTS - BASELINE_SLOTS_MIN..].iter().for_each(|(_, mean)| self.know(*mean));
                self.habit.learn(unusual);
            }
        }
        deviation
    }

    fn know(&mut self, mean: i64) {
        self.usual.push_back(mean);
        self.sorted.insert(self.sorted.partition_point(|other| *other < mean), mean);
        let oldest = if BASELINE_SLOTS_MAX < self.usual.len() { self.usual.pop_front() } else { None };
        if let Some(oldest) = oldest {
            self.sorted.remove(self.sorted.partition_point(|other| *other < oldest));
        }
    }

    fn judge(&self, mean: i64, floor: i64) -> Option<Deviation> {
        let count = self.sorted.len();
        if count < BASELINE_SLOTS_MIN {
            return None;
        }
        let median = self.sorted[(count - 1) / 2];
        let distance = i128::from(mean) - i128::from(median);
        // No spread is less than this: what lies within it needs no look at all values.
        let least = (i128::from(median).abs() / 10).max(i128::from(floor));
        if distance.abs() <= DEVIATION * least {
            return None;
        }
        // The middle and the ninth tenth of the distances: a series of rare bursts is wide although its middle is calm.
        let (middle, ninth) = self.distances((count - 1) / 2, count * 9 / 10);
        let spread = least.max(i128::from(middle) * 3 / 2).max(i128::from(ninth) * 3 / 5);
        let magnitude = (distance.abs() * 10 / spread).min(MAGNITUDE_MAX);
        let magnitude = u32::try_from(magnitude).unwrap_or(u32::MAX);
        (DEVIATION * spread < distance.abs()).then_some(Deviation { up: 0 < distance, median, magnitude })
    }

    /// Distances from the median at two places of their order: a walk outward from the median meets them in it.
    fn distances(&self, middle: usize, ninth: usize) -> (u64, u64) {
        let mut above = (self.sorted.len() - 1) / 2;
        let median = self.sorted[above];
        let mut below = above;
        let (mut distance, mut at_middle) = (0, 0);
        for place in 0..=ninth {
            let left = below.checked_sub(1).map(|left| self.sorted[left].abs_diff(median));
            let right = self.sorted.get(above).map(|right| right.abs_diff(median));
            distance = match (left, right) {
                (Some(left), Some(right)) if left < right => {
                    below -= 1;
                    left
                }
                (_, Some(right)) => {
                    above += 1;
                    right
                }
                (Some(left), None) => {
                    below -= 1;
                    left
                }
                (None, None) => break,
            };
            if place == middle {
                at_middle = distance;
            }
        }
        (at_middle, distance)
    }
}

/// The range of the last days: least and greatest values, each with those after it that could take its place.
#[derive(Default)]
struct Habit {
    since: Option<i64>,
    least: VecDeque<(i64, i64)>,
    greatest: VecDeque<(i64, i64)>,
}

impl Habit {
    /// Whether a value was not there in the last days. A series without that much past has no habits.
    fn news(&mut self, number: i64, mean: i64, up: bool) -> bool {
        if self.since.is_none_or(|since| number.saturating_sub(since) < HABIT_SLOTS_MIN) {
            return true;
        }
        let extremes = if up { &mut self.greatest } else { &mut self.least };
        while extremes.front().is_some_and(|(at, _)| at.saturating_add(HABIT_SLOTS_MAX) < number) {
            extremes.pop_front();
        }
        extremes.front().is_none_or(|(_, extreme)| if up { *extreme < mean } else { mean < *extreme })
    }

    fn learn(&mut self, slots: impl IntoIterator<Item = (i64, i64)>) {
        for (number, mean) in slots {
            self.since.get_or_insert(number);
            while self.least.back().is_some_and(|(_, least)| mean <= *least) {
                self.least.pop_back();
            }
            self.least.push_back((number, mean));
            while self.greatest.back().is_some_and(|(_, greatest)| *greatest <= mean) {
                self.greatest.pop_back();
            }
            self.greatest.push_back((number, mean));
        }
    }
}

fn anomalies(slots: &[Slot], floor: i64) -> Vec<Anomaly> {
    let mut baseline = Baseline::default();
    let mut found: Vec<Anomaly> = Vec::new();
    for (index, slot) in slots.iter().enumerate() {
        let Some(deviation) = baseline.take(slot.number, slot.mean_micro, floor) else { continue };
        match found.last_mut() {
            Some(run) if run.to + 1 == index && run.deviation.up == deviation.up => {
                run.to = index;
                run.deviation.magnitude = run.deviation.magnitude.max(deviation.magnitude);
            }
            _ => found.push(Anomaly { from: index, to: index, deviation }),
        }
    }
    found.retain(|run| {
        let lasted = lasted(slots, run);
        LASTS_SLOTS <= lasted
            && (run.from < run.to || SINGLE_SLOTS <= lasted || SINGLE_MAGNITUDE <= run.deviation.magnitude)
    });
    found
}

/// Slots from the last good one to the end of a run; the slots of a slow series each last as long as its cadence. Of a
/// run of one slot the next good one may say that it was shorter: a series that pauses is not slow.
fn lasted(slots: &[Slot], run: &Anomaly) -> i64 {
    let before = &slots[run.from.saturating_sub(1)];
    let lasted = slots[run.to].number.saturating_sub(before.number);
    match slots.get(run.to + 1).filter(|_| run.from == run.to) {
        Some(after) => lasted.min(after.number.saturating_sub(slots[run.to].number)),
        None => lasted,
    }
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
        means[10] = 20_000;
        assert_eq!(runs(4, &means), []);
        assert_eq!(runs(8, &means), [(10, 10, 100)]);
        means.extend([30_000, 30_000]);
        assert_eq!(runs(4, &means), [(12, 13, 200)]);
        // A pause before the slot does not make it last.
        let mut paused = slots(1, &means[..12]);
        paused[10..].iter_mut().for_each(|slot| slot.number += 100);
        assert!(anomalies(&paused, 1).is_empty());
    }

    #[test]
    fn what_the_last_days_have_held_is_no_news() {
        // Five minutes a slot: an hour of bustle every day, the third day's a little higher than those before.
        let day = |height: i64| (0..288).map(move |slot| if slot < 276 { 10_000 } else { height });
        let means: Vec<i64> = [30_000, 30_000, 30_000, 31_000].into_iter().flat_map(day).collect();
        let begun: Vec<usize> = runs(20, &means).into_iter().map(|(from, ..)| from).collect();
        assert_eq!(
            begun,
            [276, 276 + 288, 276 + 3 * 288],
            "two days without habits, then only what is higher"
        );
        // What is forgotten after a week is news again.
        let mut calm: Vec<i64> = day(30_000).collect();
        calm.extend(vec![10_000; 288 * 8]);
        calm.extend([30_000; 3]);
        assert_eq!(runs(20, &calm).len(), 2);
    }

    #[test]
    fn the_walk_from_the_median_meets_distances_in_order() {
        let mut baseline = Baseline::default();
        for value in [7, 1, 5, 100, 6, 6, 2, 9] {
            baseline.know(value);
        }
        // Distances from 6: 0, 0, 1, 1, 3, 4, 5, 94.
        let all: Vec<u64> = (0..8).map(|place| baseline.distances(place, place).1).collect();
        assert_eq!(all, [0, 0, 1, 1, 3, 4, 5, 94]);
        assert_eq!(baseline.distances(3, 7), (1, 94));
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
