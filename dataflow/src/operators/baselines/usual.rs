//! What is usual for a series: its latest values that did not stand out, and how far a value must lie from them to do so.

use std::collections::VecDeque;

use schemas::normalize::anomaly::LeastSpread;

use super::BASELINE_SLOTS_MAX;

/// Values that a baseline must have before one is judged.
pub(super) const BASELINE_SLOTS_MIN: usize = 8;
/// Spreads beyond which a value stands out.
const DEVIATION: i128 = 6;
/// Greatest magnitude told, in tenths of a spread.
const MAGNITUDE_MAX: i128 = 100_000;

/// How far a value lies from what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deviation {
    pub(super) up: bool,
    pub(super) median: i64,
    /// Tenths of a spread.
    pub(super) magnitude: u32,
}

/// Between which values some lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extremes {
    least: i64,
    greatest: i64,
}

impl Extremes {
    /// With no value yet.
    pub(super) const NONE: Extremes = Extremes { least: i64::MAX, greatest: i64::MIN };

    /// With one more value.
    pub(super) fn with(self, value: i64) -> Extremes {
        Extremes { least: self.least.min(value), greatest: self.greatest.max(value) }
    }

    /// Whether none of the values, of which there is one at least, stands out, whichever of them are what is usual: their
    /// median is between them, too, and none is further from it than they are apart.
    pub(super) fn is_calm(self, least: LeastSpread) -> bool {
        let apart = i128::from(self.greatest) - i128::from(self.least);
        let nearest_to_zero = 0.clamp(self.least, self.greatest);
        apart <= DEVIATION * least.at(nearest_to_zero)
    }
}

/// The latest usual values.
#[derive(Debug, Default)]
pub(super) struct Usual {
    latest: VecDeque<i64>,
    /// The same values by size.
    sorted: Vec<i64>,
}

impl Usual {
    /// These values, the latest last, at most [`BASELINE_SLOTS_MAX`].
    pub(super) fn of(latest: VecDeque<i64>) -> Usual {
        // With room for the next one.
        let mut sorted: Vec<i64> = Vec::with_capacity(BASELINE_SLOTS_MAX + 1);
        sorted.extend(&latest);
        sorted.sort_unstable();
        Usual { latest, sorted }
    }

    /// Adds the latest value; the oldest goes if there are too many.
    pub(super) fn know(&mut self, value: i64) {
        self.latest.push_back(value);
        self.sorted.insert(self.sorted.partition_point(|other| *other < value), value);
        let oldest = if BASELINE_SLOTS_MAX < self.latest.len() { self.latest.pop_front() } else { None };
        if let Some(oldest) = oldest {
            self.sorted.remove(self.sorted.partition_point(|other| *other < oldest));
        }
    }

    /// Whether a value stands out.
    pub(super) fn judge(&self, value: i64, least: LeastSpread) -> Option<Deviation> {
        let count = self.sorted.len();
        if count < BASELINE_SLOTS_MIN {
            return None;
        }
        let median = self.sorted[(count - 1) / 2];
        let distance = i128::from(value) - i128::from(median);
        // No spread is less than this: what lies within it needs no look at all values.
        let least = least.at(median);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_from_the_median_meets_distances_in_order() {
        let mut usual = Usual::default();
        for value in [7, 1, 5, 100, 6, 6, 2, 9] {
            usual.know(value);
        }
        // Distances from 6: 0, 0, 1, 1, 3, 4, 5, 94.
        let all: Vec<u64> = (0..8).map(|place| usual.distances(place, place).1).collect();
        assert_eq!(all, [0, 0, 1, 1, 3, 4, 5, 94]);
        assert_eq!(usual.distances(3, 7), (1, 94));
    }

    #[test]
    fn values_in_one_go_are_values_one_by_one() {
        let values = [7, 1, 5, 100, 6, 6, 2, 9];
        let mut usual = Usual::default();
        values.iter().for_each(|value| usual.know(*value));
        let whole = Usual::of(values.into());
        assert_eq!((whole.latest, whole.sorted), (usual.latest, usual.sorted));
    }
}
