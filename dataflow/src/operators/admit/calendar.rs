//! When remembered keys are to be looked at again: a calendar queue. Pure.
//!
//! Every live event stands in it, so that it has to be small: lists of what is due within a quarter of a second, and no tree over
//! all keys. The list of the present quarter is looked through more than once.

use std::collections::BTreeMap;

use schemas::ids::{EventId, Tenant};
use schemas::time::EventTime;

/// Width of a list, in milliseconds.
const WIDTH_MS: i64 = 250;

/// An event of a tenant.
type Name = (Tenant, EventId);

/// Keys by when they are due.
#[derive(Debug, Default)]
pub(super) struct Calendar(BTreeMap<i64, Vec<(EventTime, Tenant, EventId)>>);

impl Calendar {
    /// A key is due at a time.
    pub(super) fn insert(&mut self, due: EventTime, (tenant, event): Name) {
        self.0.entry(due.0.div_euclid(WIDTH_MS)).or_default().push((due, tenant, event));
    }

    /// Takes out what is due by now, in no order.
    pub(super) fn take_due(&mut self, now: EventTime) -> Vec<Name> {
        let mut taken = Vec::new();
        let present = now.0.div_euclid(WIDTH_MS);
        while let Some(mut list) = self.0.first_entry().filter(|list| *list.key() <= present) {
            let due = list.get_mut().extract_if(.., |(due, ..)| *due <= now);
            taken.extend(due.map(|(_, tenant, event)| (tenant, event)));
            if !list.get().is_empty() {
                break;
            }
            list.remove();
        }
        taken
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
}
