//! One series of samples against its own recent past, slot by slot: the definition of the engine's baselines
//! (docs/semantics.md, section 4), of which only rises count here.

use std::collections::VecDeque;

use crate::peers::workload::{FLOOR_MICRO, Happened, LASTS_SLOTS, SLOT_MS, SLOTS, STAYS_SLOTS};

/// The slot of an instant.
pub fn slot_of(at: i64) -> i64 {
    at.div_euclid(SLOT_MS)
}

/// What is usual: the latest slots that did not deviate.
#[derive(Debug, Default)]
pub struct Usual {
    values: VecDeque<i64>,
    /// The same in order.
    sorted: Vec<i64>,
    /// Slots that deviated since the last usual one.
    unusual: Vec<i64>,
}

impl Usual {
    /// Judges the next slot, then learns from it. Whether it deviates, and if so, whether it rises.
    pub fn take(&mut self, mean: i64) -> Option<bool> {
        let rises = self.judge(mean);
        if rises.is_none() {
            self.unusual.clear();
            self.learn(mean);
            return None;
        }
        self.unusual.push(mean);
        if self.unusual.len() == STAYS_SLOTS {
            let level = self.unusual.split_off(STAYS_SLOTS - SLOTS.0);
            self.unusual.clear();
            self.values.clear();
            self.sorted.clear();
            level.into_iter().for_each(|mean| self.learn(mean));
        }
        rises
    }

    fn learn(&mut self, mean: i64) {
        if self.values.len() == SLOTS.1
            && let Some(oldest) = self.values.pop_front()
        {
            self.sorted.remove(self.sorted.partition_point(|value| *value < oldest));
        }
        self.values.push_back(mean);
        self.sorted.insert(self.sorted.partition_point(|value| *value < mean), mean);
    }

    fn judge(&self, mean: i64) -> Option<bool> {
        let count = self.sorted.len();
        if count < SLOTS.0 {
            return None;
        }
        let median = self.sorted[(count - 1) / 2];
        let (distance, least) = (mean - median, FLOOR_MICRO.max(median.abs() / 10));
        // The spread is at least this, so that most slots need no look at all values.
        if distance.abs() <= 6 * least {
            return None;
        }
        let mut distances: Vec<i64> = self.sorted.iter().map(|value| (value - median).abs()).collect();
        distances.sort_unstable();
        let (middle, ninth) = (distances[(count - 1) / 2], distances[count * 9 / 10]);
        let spread = least.max(middle * 3 / 2).max(ninth * 3 / 5);
        (6 * spread < distance.abs()).then_some(0 < distance)
    }
}

/// A slot: its number, first and last sample, mean.
pub type Summary = (i64, i64, i64, i64);

/// Runs of slots that rise, of those that last.
pub fn runs(slots: &[Summary]) -> Vec<Happened> {
    let mut usual = Usual::default();
    let rises: Vec<bool> = slots.iter().map(|(.., mean)| usual.take(*mean) == Some(true)).collect();
    let mut found = Vec::new();
    let mut from = 1;
    while let Some(begun) = (from..slots.len()).find(|index| rises[*index]) {
        let after = (begun..slots.len()).find(|index| !rises[*index]).unwrap_or(slots.len());
        let (before, first, last) = (slots[begun - 1], slots[begun], slots[after - 1]);
        if LASTS_SLOTS <= last.0 - before.0 {
            let over = slots.get(after).map_or(last.2, |after| after.1);
            found.push(Happened { onset: first.1, earliest: before.2, over });
        }
        from = after;
    }
    found
}

/// The samples of a slot.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    number: i64,
    sum: i64,
    count: i64,
    first: i64,
    last: i64,
}

/// Slots in a row that deviate in one direction.
#[derive(Clone, Copy, Debug)]
struct Run {
    rises: bool,
    onset: i64,
    earliest: i64,
    /// The slot before it.
    before: i64,
    told: bool,
}

/// A series whose samples come in order.
#[derive(Debug, Default)]
pub struct Series {
    slot: Slot,
    before: Slot,
    usual: Usual,
    run: Option<Run>,
}

impl Series {
    /// Adds a sample. Whether it begins a slot, and whether it ends, or goes on with, an anomaly that was told.
    pub fn add(&mut self, at: i64, value: i64) -> (bool, bool) {
        if 0 < self.slot.count && self.slot.number == slot_of(at) {
            self.slot.sum += value;
            self.slot.count += 1;
            self.slot.last = at;
            return (false, false);
        }
        self.before = self.slot;
        self.slot = Slot { number: slot_of(at), sum: value, count: 1, first: at, last: at };
        (true, self.run.is_some_and(|run| run.told))
    }

    /// A slot is complete; the anomaly so far if it is part of one that lasts.
    pub fn close(&mut self, number: i64) -> Option<Happened> {
        let Slot { number: known, sum, count, first, last } = self.slot;
        if count == 0 || known != number {
            return None;
        }
        let Some(rises) = self.usual.take(sum / count) else {
            self.run = None;
            return None;
        };
        let before = self.before;
        let begun = Run { rises, onset: first, earliest: before.last, before: before.number, told: false };
        let mut run = self.run.filter(|run| run.rises == rises).unwrap_or(begun);
        run.told = rises && LASTS_SLOTS <= number - run.before;
        self.run = Some(run);
        run.told.then_some(Happened { onset: run.onset, earliest: run.earliest, over: last })
    }
}
