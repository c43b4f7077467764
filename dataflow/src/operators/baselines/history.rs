//! The history of one series: its samples in slots, each judged by those before it.
//!
//! A verdict rests on the slots before it alone, so that a change is judged from where it lies, and only until as many
//! usual slots as a baseline remembers follow with the verdict that they had: from there on nothing can differ. Only a
//! series that is old enough for habits is judged to its end. What was usual before a slot is read off the verdicts before
//! it; nothing else is kept. Where all values lie so close together that none of them can stand out, they are not put in order to
//! find that out: most series are calm, and each slot that expires has those after it judged.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;

use schemas::normalize::anomaly::{Center, LeastSpread};
use schemas::time::{Diff, EventTime};

use super::habit::{HABIT_SLOTS_MIN, Habit};
use super::usual::{BASELINE_SLOTS_MIN, Deviation, Extremes, Usual};
use super::{BASELINE_SLOTS_MAX, Point, SLOT_MS};
use crate::values::Values;

/// Slots of deviation after which the new level is what is usual.
const STAYS_SLOTS: usize = 40;
/// Slots that a deviation must last, counted from the last good one.
const LASTS_SLOTS: i64 = 2;
/// The same where it has but one slot, two minutes: the mean of five minutes proves something, one scrape does not.
const SINGLE_SLOTS: i64 = 120_000 / SLOT_MS;
/// Magnitude, twice that of a deviation, from which one scrape does prove something.
const SINGLE_MAGNITUDE: u32 = 120;
/// Slots that change at once, from which on all are put in order anew: each place made or closed moves those after it.
const MANY: usize = 32;

/// What was found of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Usual,
    Unusual,
    /// Unusual, and the last of so many that their level is usual from now on.
    Stays,
}

/// The samples of one slot; never none.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: i64,
    points: Values<Point>,
    pub(super) center_micro: i64,
    verdict: Verdict,
}

impl Slot {
    /// Its earliest sample.
    pub(super) fn first(&self) -> &Point {
        let Some(first) = self.points.first() else { panic!("a slot without samples was kept") };
        first
    }

    /// When its latest sample was taken.
    pub(super) fn last(&self) -> EventTime {
        self.points.last().map_or(self.first().at, |last| last.at)
    }

    fn new(number: i64) -> Slot {
        Slot { number, points: Values::default(), center_micro: 0, verdict: Verdict::Usual }
    }

    /// Changes its samples; false if none is left.
    fn change(&mut self, changes: Vec<(Point, Diff)>, center: Center) -> bool {
        self.points.apply(changes);
        self.center_micro = match center {
            Center::Mean => self.mean(),
            Center::Median => self.median(),
        };
        !self.points.is_empty()
    }

    fn mean(&self) -> i64 {
        let copies: i128 = self.points.iter().map(|(_, copies)| i128::from(copies)).sum();
        let value = |(point, copies): (&Point, Diff)| i128::from(point.value_micro) * i128::from(copies);
        let mean = self.points.iter().map(value).sum::<i128>() / copies.max(1);
        // The mean of 64-bit numbers is one.
        i64::try_from(mean).unwrap_or(i64::MAX)
    }

    /// The middle value, the lesser of two.
    fn median(&self) -> i64 {
        let mut values: Vec<(i64, Diff)> =
            self.points.iter().map(|(point, copies)| (point.value_micro, copies)).collect();
        values.sort_unstable();
        let mut above = values.iter().map(|(_, copies)| copies).sum::<Diff>().saturating_add(1) / 2;
        let middle = values.iter().find(|(_, copies)| {
            above -= copies;
            above <= 0
        });
        middle.map_or(0, |(value, _)| *value)
    }
}

/// A run of slots that deviate in one direction, by index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) from: usize,
    pub(super) to: usize,
    /// That of its first slot, with the greatest magnitude.
    pub(super) deviation: Deviation,
}

/// The slots of a series, by number.
#[derive(Debug, Default)]
pub(super) struct History {
    slots: VecDeque<Slot>,
    /// By number of the slot.
    deviations: BTreeMap<i64, Deviation>,
}

impl History {
    /// Changes samples of a metric with such a spread.
    pub(super) fn apply(&mut self, mut changes: Vec<(Point, Diff)>, center: Center, least: LeastSpread) {
        let number = |(point, _): &(Point, Diff)| point.at.0.div_euclid(SLOT_MS);
        changes.sort_unstable();
        let by_slot: Vec<&[(Point, Diff)]> =
            changes.chunk_by(|left, right| number(left) == number(right)).collect();
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return };
        let (from, to) = (number(first), number(last));
        // As it is or was: a first slot that goes takes its habits along.
        let begun = self.slots.front().map_or(from, |first| from.min(first.number));
        let changed = || by_slot.iter().map(|changes| (number(&changes[0]), changes.to_vec()));
        if MANY < by_slot.len() {
            self.change_many(changed(), center);
        } else {
            changed().for_each(|(number, changes)| self.change(number, changes, center));
        }
        let ends = self.slots.back().map_or(to, |last| to.max(last.number));
        let habits = HABIT_SLOTS_MIN <= ends.saturating_sub(begun);
        // What goes lies at the beginning and what comes at the end: a stretch between two changes is not looked at.
        let mut changed = by_slot.iter().map(|changes| number(&changes[0])).peekable();
        while let Some(from) = changed.peek().map(|from| self.index(*from)) {
            if let Some(from) = self.pass_calm(from, &mut changed, least, habits) {
                self.judge(from, &mut changed, least, habits);
            }
        }
    }

    /// Whether there is no sample.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// A slot by its index.
    pub(super) fn slot(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index)
    }

    /// Runs that last.
    pub(super) fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (number, deviation) in &self.deviations {
            let index = self.index(*number);
            match runs.last_mut() {
                Some(run) if run.to + 1 == index && run.deviation.up == deviation.up => {
                    run.to = index;
                    run.deviation.magnitude = run.deviation.magnitude.max(deviation.magnitude);
                }
                _ => runs.push(Run { from: index, to: index, deviation: *deviation }),
            }
        }
        runs.retain(|run| {
            let lasted = self.lasted(run);
            let proves = SINGLE_SLOTS <= lasted || SINGLE_MAGNITUDE <= run.deviation.magnitude;
            LASTS_SLOTS <= lasted && (run.from < run.to || proves)
        });
        runs
    }

    /// Slots from the last good one to the end of a run; the slots of a slow series each last as long as its cadence. Of a
    /// run of one slot the next good one may say that it was shorter: a series that pauses is not slow.
    pub(super) fn lasted(&self, run: &Run) -> i64 {
        let end = self.slots[run.to].number;
        let lasted = end.saturating_sub(self.slots[run.from.saturating_sub(1)].number);
        match self.slots.get(run.to + 1).filter(|_| run.from == run.to) {
            Some(after) => lasted.min(after.number.saturating_sub(end)),
            None => lasted,
        }
    }

    fn index(&self, number: i64) -> usize {
        self.slots.partition_point(|slot| slot.number < number)
    }

    /// Changes the samples of a slot, which comes with its first and goes with its last.
    fn change(&mut self, number: i64, changes: Vec<(Point, Diff)>, center: Center) {
        let index = self.index(number);
        if self.slots.get(index).is_none_or(|slot| slot.number != number) {
            self.slots.insert(index, Slot::new(number));
        }
        if !self.slots[index].change(changes, center) {
            self.slots.remove(index);
            self.deviations.remove(&number);
        }
    }

    /// The same for many slots, which come in order: those that are known and those that change are merged.
    fn change_many(&mut self, by_slot: impl Iterator<Item = (i64, Vec<(Point, Diff)>)>, center: Center) {
        let mut known = std::mem::take(&mut self.slots).into_iter().peekable();
        let mut slots = VecDeque::with_capacity(known.len());
        for (number, changes) in by_slot {
            slots.extend(std::iter::from_fn(|| known.next_if(|slot| slot.number < number)));
            let mut slot = known.next_if(|slot| slot.number == number).unwrap_or_else(|| Slot::new(number));
            if slot.change(changes, center) {
                slots.push_back(slot);
            } else {
                self.deviations.remove(&number);
            }
        }
        slots.extend(known);
        self.slots = slots;
    }

    /// Passes slots that were usual and have to be now, from an index on; takes the changed numbers that it comes past. Gives the
    /// first that has to be judged, unless a change can tell no more before.
    fn pass_calm(
        &self,
        start: usize,
        changed: &mut Peekable<impl Iterator<Item = i64>>,
        least: LeastSpread,
        habits: bool,
    ) -> Option<usize> {
        let usual = self.slots.range(..start).rev().filter(|slot| slot.verdict != Verdict::Unusual);
        let mut extremes = Extremes::NONE;
        for slot in usual.take(BASELINE_SLOTS_MAX) {
            if slot.verdict == Verdict::Stays {
                return Some(start);
            }
            extremes = extremes.with(slot.center_micro);
        }
        let mut as_before = 0;
        for (index, slot) in (start..).zip(self.slots.range(start..)) {
            extremes = extremes.with(slot.center_micro);
            if slot.verdict != Verdict::Usual || !extremes.is_calm(least) {
                return Some(index);
            }
            let moved =
                std::iter::from_fn(|| changed.next_if(|changed| *changed <= slot.number)).count() != 0;
            as_before = if moved { 0 } else { as_before + 1 };
            if as_before == BASELINE_SLOTS_MAX && !habits {
                return None;
            }
        }
        // Slots that went from the end have none after them.
        changed.by_ref().for_each(drop);
        None
    }

    /// Judges the slots from an index on, until a change can tell no more; takes the changed numbers that it comes past.
    fn judge(
        &mut self,
        start: usize,
        changed: &mut Peekable<impl Iterator<Item = i64>>,
        least: LeastSpread,
        habits: bool,
    ) {
        let (mut usual, mut unusual) = self.before(start);
        let mut habit = None;
        // Usual slots since the last one that changed or has another verdict.
        let mut as_before = 0;
        for index in start..self.slots.len() {
            let Slot { number, center_micro, verdict: before, .. } = self.slots[index];
            let past = std::iter::from_fn(|| changed.next_if(|changed| *changed <= number));
            let moved = past.count() != 0;
            let found = usual.judge(center_micro, least);
            let found = found.filter(|found| self.is_news(index, unusual, found.up, &mut habit));
            let verdict = match found {
                None => {
                    self.deviations.remove(&number);
                    usual.know(center_micro);
                    unusual = 0;
                    Verdict::Usual
                }
                Some(deviation) => {
                    self.deviations.insert(number, deviation);
                    unusual += 1;
                    if unusual < STAYS_SLOTS { Verdict::Unusual } else { Verdict::Stays }
                }
            };
            if verdict == Verdict::Stays {
                usual = Usual::of(self.level(index));
                unusual = 0;
            }
            self.slots[index].verdict = verdict;
            match verdict {
                verdict if verdict != before || moved => as_before = 0,
                Verdict::Usual => as_before += 1,
                Verdict::Unusual | Verdict::Stays => {}
            }
            // Habits reach further back than a baseline.
            if as_before == BASELINE_SLOTS_MAX && !habits {
                return;
            }
        }
        // Slots that went from the end have none after them.
        changed.by_ref().for_each(drop);
    }

    /// What was usual before a slot, and how many unusual ones precede it, by the verdicts on those before it.
    fn before(&self, index: usize) -> (Usual, usize) {
        let past = || self.slots.range(..index).enumerate().rev();
        let unusual = past().take_while(|(_, slot)| slot.verdict == Verdict::Unusual).count();
        let mut latest = VecDeque::with_capacity(BASELINE_SLOTS_MAX + BASELINE_SLOTS_MIN);
        for (place, slot) in past().skip(unusual) {
            match slot.verdict {
                Verdict::Unusual => continue,
                Verdict::Usual => latest.push_front(slot.center_micro),
                Verdict::Stays => {
                    self.level(place).into_iter().rev().for_each(|value| latest.push_front(value))
                }
            }
            if BASELINE_SLOTS_MAX <= latest.len() || slot.verdict == Verdict::Stays {
                break;
            }
        }
        latest.drain(..latest.len().saturating_sub(BASELINE_SLOTS_MAX));
        (Usual::of(latest), unusual)
    }

    /// The level of a run that stays: its last slots.
    fn level(&self, last: usize) -> VecDeque<i64> {
        self.slots
            .range((last + 1).saturating_sub(BASELINE_SLOTS_MIN)..=last)
            .map(|slot| slot.center_micro)
            .collect()
    }

    /// Whether the last days have held no such value before the unusual slots that precede it. A series without that much
    /// past has no habits.
    fn is_news(&self, index: usize, unusual: usize, up: bool, habit: &mut Option<Habit>) -> bool {
        let slot = &self.slots[index];
        if slot.number.saturating_sub(self.slots[0].number) < HABIT_SLOTS_MIN {
            return true;
        }
        let habit = habit.get_or_insert_with(|| Habit::before(&self.slots, slot.number));
        habit.learn(&self.slots, index - unusual);
        habit.is_news(slot.number, slot.center_micro, up)
    }
}

#[cfg(test)]
mod tests;
