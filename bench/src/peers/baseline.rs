//! One series of samples against its own recent past, slot by slot.

use std::collections::VecDeque;

use crate::peers::workload::{SLOT_MS, SLOTS};

/// The slot of an instant.
pub fn slot_of(at: i64) -> i64 {
    at.div_euclid(SLOT_MS)
}

/// A series whose samples come in order.
#[derive(Debug, Default)]
pub struct Series {
    slot: i64,
    sum: i64,
    count: i64,
    first: i64,
    last: i64,
    means: VecDeque<i64>,
    deviates: bool,
}

impl Series {
    /// Adds a sample. Whether it begins a slot, and whether that slot follows one that deviated.
    pub fn add(&mut self, at: i64, value: i64) -> (bool, bool) {
        if 0 < self.count && self.slot == slot_of(at) {
            self.sum += value;
            self.count += 1;
            self.last = at;
            return (false, false);
        }
        (self.slot, self.sum, self.count, self.first, self.last) = (slot_of(at), value, 1, at, at);
        (true, self.deviates)
    }

    /// A slot is complete; times of its first and last sample if it deviates.
    ///
    /// A run of deviating slots is one occurrence that lasts. Here each is told by itself: what follows the one before
    /// within a gap is folded into the same episode, and slots of one run always do.
    pub fn close(&mut self, slot: i64) -> Option<(i64, i64)> {
        if self.count == 0 || self.slot != slot {
            return None;
        }
        let mean = self.sum / self.count;
        self.deviates = SLOTS.0 <= self.means.len() && rises(self.means.make_contiguous(), mean);
        self.means.push_back(mean);
        if SLOTS.1 < self.means.len() {
            self.means.pop_front();
        }
        self.deviates.then_some((self.first, self.last))
    }
}

/// Whether a value stands out above the slots before it.
pub fn rises(before: &[i64], value: i64) -> bool {
    let median = lower_median(before.to_vec());
    let spread = lower_median(before.iter().map(|mean| (mean - median).abs()).collect()) * 3 / 2;
    6 * spread.max(median.abs() / 10).max(1_000) < value - median
}

fn lower_median(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0)
}
