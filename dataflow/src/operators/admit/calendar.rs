//! When remembered keys are to be looked at again: a calendar queue. Pure.
//!
//! Every live event stands in it, so that it has to be small, and no tree. What is told between two looks is one run, in the
//! order in which it is due. Runs of like length become one, up to a length from which on nothing is moved any more.

use schemas::ids::{EventId, Tenant};
use schemas::time::EventTime;

/// A run so long stays as it is: merging is for the many short runs of a quiet system.
const LONG: usize = if cfg!(test) { 16 } else { 16_384 };

/// An event of a tenant.
type Name = (Tenant, EventId);

/// When an event is due.
type Entry = (EventTime, Tenant, EventId);

/// Keys by when they are due.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// Each by falling time, so that what is due next can be taken from its end. None is empty.
    runs: Vec<Vec<Entry>>,
    /// Told since the last look, in no order.
    told: Vec<Entry>,
}

impl Calendar {
    /// A key is due at a time.
    pub(super) fn insert(&mut self, due: EventTime, (tenant, event): Name) {
        self.told.push((due, tenant, event));
    }

    /// Takes out what is due by now, in no order.
    pub(super) fn take_due(&mut self, now: EventTime) -> Vec<Name> {
        self.file();
        let mut taken = Vec::new();
        for run in &mut self.runs {
            let later = run.iter().rposition(|(due, ..)| now < *due).map_or(0, |last| last + 1);
            taken.extend(run.drain(later..).map(|(_, tenant, event)| (tenant, event)));
            if 2 * run.len() < run.capacity() {
                run.shrink_to_fit();
            }
        }
        self.runs.retain(|run| !run.is_empty());
        taken
    }

    /// Makes a run of what was told; the last two become one as long as the last is no shorter.
    fn file(&mut self) {
        if self.told.is_empty() {
            return;
        }
        let mut last = std::mem::take(&mut self.told);
        let falling = |run: &mut Vec<Entry>| run.sort_by_key(|(due, ..)| std::cmp::Reverse(*due));
        falling(&mut last);
        while let Some(mut before) =
            self.runs.pop_if(|before| before.len() <= last.len() && last.len() < LONG)
        {
            // Two runs in order, which the sort merges.
            before.append(&mut last);
            falling(&mut before);
            last = before;
        }
        last.shrink_to_fit();
        self.runs.push(last);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use differential_dataflow::Hashable;

    use super::*;

    #[test]
    fn each_key_is_due_at_its_time_and_once() {
        for seed in 0..50u64 {
            let (mut calendar, mut waiting) = (Calendar::default(), BTreeSet::new());
            for step in 0..200u64 {
                let draw =
                    |what: u64, below: u64| i64::try_from((seed, step, what).hashed() % below).unwrap();
                let due = EventTime(draw(0, 2_000) - 500 + 10 * i64::try_from(step).unwrap());
                let name = (Tenant(1), EventId(u128::from(step)));
                calendar.insert(due, name);
                waiting.insert((due, name));
                let now = EventTime(draw(1, 900) + 10 * i64::try_from(step).unwrap());
                let taken: BTreeSet<Name> = calendar.take_due(now).into_iter().collect();
                let due: BTreeSet<(EventTime, Name)> =
                    waiting.extract_if(.., |(due, _)| *due <= now).collect();
                assert_eq!(
                    taken,
                    due.into_iter().map(|(_, name)| name).collect(),
                    "seed {seed}, step {step}"
                );
            }
        }
    }

    #[test]
    fn what_is_told_piece_by_piece_is_few_runs() {
        let mut calendar = Calendar::default();
        for told in 1..=500_i64 {
            calendar.insert(EventTime(told), (Tenant(1), EventId(0)));
            assert!(calendar.take_due(EventTime(0)).is_empty());
            let (long, short) = calendar.runs.iter().partition::<Vec<_>, _>(|run| LONG <= run.len());
            assert!(long.len() * LONG <= 500 && short.len() <= 4, "{told}: {}, {}", long.len(), short.len());
        }
    }
}
