//! The habits of a series: the range of its last days, without what is unusual right now.

use std::collections::VecDeque;

use super::SLOT_MS;
use super::history::Slot;

/// Slots of past, two days, from which on a series has habits, …
pub(super) const HABIT_SLOTS_MIN: i64 = 2 * 86_400_000 / SLOT_MS;
/// … and how long it keeps them: a week.
const HABIT_SLOTS_MAX: i64 = 7 * 86_400_000 / SLOT_MS;

/// Least and greatest values of slots, each with those after it that could take its place: a slot is looked at once, however
/// many ask.
pub(super) struct Habit {
    /// Index of the first slot that is not in it.
    next: usize,
    least: VecDeque<(i64, i64)>,
    greatest: VecDeque<(i64, i64)>,
}

impl Habit {
    /// Empty, to learn from the week before a slot.
    pub(super) fn before(slots: &VecDeque<Slot>, number: i64) -> Habit {
        let next = slots.partition_point(|slot| slot.number.saturating_add(HABIT_SLOTS_MAX) < number);
        Habit { next, least: VecDeque::new(), greatest: VecDeque::new() }
    }

    /// Learns the slots up to an index.
    pub(super) fn learn(&mut self, slots: &VecDeque<Slot>, end: usize) {
        for Slot { number, center_micro: value, .. } in slots.range(self.next.min(end)..end) {
            while self.least.back().is_some_and(|(_, least)| value <= least) {
                self.least.pop_back();
            }
            self.least.push_back((*number, *value));
            while self.greatest.back().is_some_and(|(_, greatest)| greatest <= value) {
                self.greatest.pop_back();
            }
            self.greatest.push_back((*number, *value));
        }
        self.next = self.next.max(end);
    }

    /// Whether no slot of the week before one went as far. Asked for slots in their order.
    pub(super) fn is_news(&mut self, number: i64, value: i64, up: bool) -> bool {
        let extremes = if up { &mut self.greatest } else { &mut self.least };
        while extremes.front().is_some_and(|(at, _)| at.saturating_add(HABIT_SLOTS_MAX) < number) {
            extremes.pop_front();
        }
        extremes.front().is_none_or(|(_, extreme)| if up { *extreme < value } else { value < *extreme })
    }
}
