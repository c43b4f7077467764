//! Maintain a function of each key's rows.
//!
//! Input   rows (key, value) with multiplicity, and, for the clocked form, the sealed `now` of each epoch.
//! Output  for each key, the rows that `logic` derives from its values; what changed since the last epoch.
//! Ties    none: `logic` sees the values in their order.
//! State   per key its values and its last output; `summarize` keeps the values alone. The clocked form
//!         forgets values that `logic` removes and looks at a key again when its wake-up time comes: a calendar queue, so that
//!         a row that merely grows old costs nothing until it expires. At an epoch that is captured it also gives out what it
//!         keeps, once: no output row, but what a snapshot retains (docs/adr/0009).
//!
//! The same as differential's `reduce` over a total order of epochs that complete one after the other, without its
//! history: no trace, no batches, one map. `maintain/tests.rs` compares the two on random updates.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use differential_dataflow::ExchangeData;
use schemas::time::{Diff, EventTime};

use crate::operators::each::{by_its_key, by_key, each_key, each_tick};
use crate::types::{Tick, Ticks, Updates};
use crate::values::Values;

#[cfg(test)]
mod tests;

/// What the clocked logic says of one key: its output, and when to look again without new input.
pub(crate) struct Maintained<O> {
    /// Rows derived.
    pub(crate) output: Vec<O>,
    /// The next `now` at which the output can differ.
    pub(crate) wake: Option<EventTime>,
}

struct Group<V, O> {
    values: Values<V>,
    output: Vec<O>,
    wake: Option<EventTime>,
}

impl<V, O> Default for Group<V, O> {
    fn default() -> Self {
        Group { values: Values::default(), output: Vec::new(), wake: None }
    }
}

/// Maintains `logic` of each key's values. `logic` must be a function: no state, no clock.
pub(crate) fn maintain<'scope, K, V, O, L>(
    input: Updates<'scope, (K, V)>,
    name: &str,
    logic: L,
) -> Updates<'scope, O>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    O: ExchangeData,
    L: Fn(&K, &Values<V>) -> Vec<O> + 'static,
{
    let mut groups: BTreeMap<K, Group<V, O>> = BTreeMap::new();
    each_key(input, name, move |key, changes, emit| {
        change(&mut groups, key, |key, group| {
            group.values.apply(changes);
            let rows = if group.values.is_empty() { Vec::new() } else { logic(key, &group.values) };
            replace(&mut group.output, rows, emit);
        });
    })
}

/// Maintains `logic` of each key's values, one row at most, which is cheaper to make again than to keep.
pub(crate) fn summarize<'scope, K, V, O, L>(
    input: Updates<'scope, (K, V)>,
    name: &str,
    logic: L,
) -> Updates<'scope, O>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    O: ExchangeData,
    L: Fn(&K, &Values<V>) -> Option<O> + 'static,
{
    let mut groups: BTreeMap<K, Values<V>> = BTreeMap::new();
    each_key(input, name, move |key, changes, emit| {
        let (before, after) = summaries(&mut groups, key, changes, &logic);
        if before != after {
            for (row, diff) in before.map(|row| (row, -1)).into_iter().chain(after.map(|row| (row, 1))) {
                emit(row, diff);
            }
        }
    })
}

/// Each row once, however often it is there.
pub(crate) fn distinct<'scope, D>(input: Updates<'scope, D>, name: &str) -> Updates<'scope, D>
where
    D: ExchangeData + Hash,
{
    summarize(input.map(|row| (row, ())), name, |row, _| Some(row.clone()))
}

/// Changes the values of one key; its row before and after.
fn summaries<K: Ord, V: Ord, O>(
    groups: &mut BTreeMap<K, Values<V>>,
    key: K,
    changes: Vec<(V, Diff)>,
    logic: &impl Fn(&K, &Values<V>) -> Option<O>,
) -> (Option<O>, Option<O>) {
    match groups.entry(key) {
        Entry::Vacant(place) => {
            let mut values = Values::default();
            values.apply(changes);
            if values.is_empty() {
                return (None, None);
            }
            let after = logic(place.key(), &values);
            place.insert(values);
            (None, after)
        }
        Entry::Occupied(mut known) => {
            let before = logic(known.key(), known.get());
            known.get_mut().apply(changes);
            if known.get().is_empty() {
                known.remove();
                return (before, None);
            }
            let after = logic(known.key(), known.get());
            (before, after)
        }
    }
}

/// Maintains `logic` of each key's values and the sealed `now`. `logic` may remove values that have expired for good;
/// input rows removed that way must not be retracted later. `retain` tells a value that is kept, to a snapshot.
pub(crate) fn maintain_clocked<'scope, K, V, O, L, R>(
    input: Updates<'scope, (K, V)>,
    ticks: Ticks<'scope>,
    name: &str,
    logic: L,
    retain: R,
) -> Updates<'scope, O>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    O: ExchangeData,
    L: Fn(&K, &mut Values<V>, EventTime) -> Maintained<O> + 'static,
    R: Fn(&K, &V, Diff) -> O + 'static,
{
    let mut groups: BTreeMap<K, Group<V, O>> = BTreeMap::new();
    let mut calendar: BTreeSet<(EventTime, K)> = BTreeSet::new();
    each_tick(input, ticks, by_its_key(), name, move |Tick { now, capture }, rows, emit| {
        let mut dirty: BTreeMap<K, Vec<(V, Diff)>> = by_key(rows).into_iter().collect();
        while let Some((_, key)) = calendar.pop_first_if_due(now) {
            dirty.entry(key).or_default();
        }
        for (key, changes) in dirty {
            change(&mut groups, key, |key, group| {
                group.values.apply(changes);
                let maintained = logic(key, &mut group.values, now);
                replace(&mut group.output, maintained.output, &mut *emit);
                let wake = maintained.wake.filter(|_| !group.values.is_empty());
                reschedule(&mut calendar, key, group.wake, wake);
                group.wake = wake;
            });
        }
        if capture {
            for (key, group) in &groups {
                group.values.iter().for_each(|(value, n)| emit(retain(key, value, n), 1));
            }
        }
    })
}

/// A calendar queue gives up what is due, in order.
pub(crate) trait Due<K> {
    /// The first entry whose time has come.
    fn pop_first_if_due(&mut self, now: EventTime) -> Option<(EventTime, K)>;
}

impl<K: Ord> Due<K> for BTreeSet<(EventTime, K)> {
    fn pop_first_if_due(&mut self, now: EventTime) -> Option<(EventTime, K)> {
        if self.first().is_some_and(|(due, _)| *due <= now) { self.pop_first() } else { None }
    }
}

/// Changes one group; one without values is not kept.
fn change<K: Ord, V, O>(
    groups: &mut BTreeMap<K, Group<V, O>>,
    key: K,
    change: impl FnOnce(&K, &mut Group<V, O>),
) {
    match groups.get_mut(&key) {
        Some(group) => {
            change(&key, group);
            if group.values.is_empty() {
                groups.remove(&key);
            }
        }
        None => {
            let mut group = Group::default();
            change(&key, &mut group);
            if !group.values.is_empty() {
                groups.insert(key, group);
            }
        }
    }
}

fn reschedule<K: Ord + Clone>(
    calendar: &mut BTreeSet<(EventTime, K)>,
    key: &K,
    before: Option<EventTime>,
    after: Option<EventTime>,
) {
    if before == after {
        return;
    }
    if let Some(before) = before {
        calendar.remove(&(before, key.clone()));
    }
    if let Some(after) = after {
        calendar.insert((after, key.clone()));
    }
}

/// Replaces rows, which are in order, by others, which need not be, and emits the difference.
pub(crate) fn replace<O: Ord + Clone>(output: &mut Vec<O>, mut rows: Vec<O>, mut emit: impl FnMut(O, Diff)) {
    rows.sort_unstable();
    let old = std::mem::replace(output, rows);
    let mut old = old.into_iter().peekable();
    let mut new = output.iter().peekable();
    loop {
        match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some(before), Some(after)) if before == *after => {
                old.next();
                new.next();
            }
            (Some(before), after) if after.is_none_or(|after| before < *after) => {
                if let Some(before) = old.next() {
                    emit(before, -1);
                }
            }
            _ => {
                if let Some(after) = new.next() {
                    emit(after.clone(), 1);
                }
            }
        }
    }
}
