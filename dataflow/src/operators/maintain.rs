//! Maintain a function of each key's rows.
//!
//! Input   rows (key, value) with multiplicity, and, for the clocked form, the sealed `now` of each epoch.
//! Output  for each key, the rows that `logic` derives from its values; what changed since the last epoch.
//! Ties    none: `logic` sees the values in their order.
//! State   per key its values and its last output; `summarize` keeps the values alone, `each_key_kept` whatever its caller does. The clocked form forgets values that `logic` removes and looks
//!         at a key again when its wake-up time comes: a calendar queue, so that a row that merely grows old costs
//!         nothing until it expires. At an epoch that is captured it also gives out what it keeps, once: no output
//!         row, but what a snapshot retains (docs/adr/0009).
//!
//! The same as differential's `reduce` over a total order of epochs that complete one after the other, without its
//! history: no trace, no batches, one map. `maintain/tests.rs` compares the two on random updates.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;

use differential_dataflow::{AsCollection, ExchangeData, Hashable};
use schemas::time::{Diff, Epoch, EventTime};
use timely::dataflow::channels::pact::{Exchange, ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;

use crate::keyed::Numbers;
use crate::operators::stash::{Stash, StashedTicks};
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

/// Hands the changes of each key to `change` once their epoch is complete, with a way to emit. Keys come in the order in which
/// they arrived, which may be another in the next run: it must tell nothing.
pub(crate) fn each_key<'scope, K, V, O>(
    input: Updates<'scope, (K, V)>,
    name: &str,
    mut change: impl FnMut(K, Vec<(V, Diff)>, &mut dyn FnMut(O, Diff)) + 'static,
) -> Updates<'scope, O>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    O: ExchangeData,
{
    let route = Exchange::new(|((key, _), _, _): &((K, V), Epoch, Diff)| key.hashed());
    each_epoch(input, route, name, move |rows, emit| {
        by_key(rows).into_iter().for_each(|(key, changes)| change(key, changes, emit));
    })
}

/// The same with a state of each key, which `change` says is still needed or not. At an epoch that is captured, `retain` gives
/// out what a snapshot must hold of it.
pub(crate) fn each_key_kept<'scope, K, V, S, O>(
    input: Updates<'scope, (K, V)>,
    ticks: Ticks<'scope>,
    name: &str,
    mut change: impl FnMut(&K, &mut S, Vec<(V, Diff)>, &mut dyn FnMut(O, Diff)) -> bool + 'static,
    retain: impl Fn(&K, &S, &mut dyn FnMut(O)) + 'static,
) -> Updates<'scope, O>
where
    K: ExchangeData + Hash,
    V: ExchangeData,
    S: Default + 'static,
    O: ExchangeData,
{
    let route = Exchange::new(|((key, _), _, _): &((K, V), Epoch, Diff)| key.hashed());
    input
        .inner
        .binary_frontier(ticks, route, Pipeline, name, move |_capability, _info| {
            let (mut stash, mut nows) = (Stash::default(), StashedTicks::default());
            let mut states: BTreeMap<K, S> = BTreeMap::new();
            move |(input, frontier), (ticks, tick_frontier), output| {
                input.for_each(|capability, rows| stash.keep(capability.retain_least(0), rows));
                ticks.for_each(|capability, rows| nows.keep(capability.retain_least(0), rows));
                let complete =
                    |epoch: &Epoch| !frontier.less_equal(epoch) && !tick_frontier.less_equal(epoch);
                while let Some((capability, Tick { capture, .. })) = nows.pop_complete(complete) {
                    let epoch = *capability.time();
                    let mut session = output.session(&capability);
                    for (key, changes) in by_key(stash.take(epoch)) {
                        change_state(&mut states, key, |key, state| {
                            change(key, state, changes, &mut |row, diff| session.give((row, epoch, diff)))
                        });
                    }
                    if capture {
                        let mut give = |row| session.give((row, epoch, 1));
                        states.iter().for_each(|(key, state)| retain(key, state, &mut give));
                    }
                }
            }
        })
        .as_collection()
}

/// Hands the changes of each epoch to `change` once it is complete, with a way to emit.
pub(crate) fn each_epoch<'scope, D, O>(
    input: Updates<'scope, D>,
    route: impl ParallelizationContract<Epoch, Vec<(D, Epoch, Diff)>>,
    name: &str,
    mut change: impl FnMut(Vec<(D, Diff)>, &mut dyn FnMut(O, Diff)) + 'static,
) -> Updates<'scope, O>
where
    D: ExchangeData,
    O: ExchangeData,
{
    input
        .inner
        .unary_frontier(route, name, move |_capability, _info| {
            let mut stash = Stash::default();
            move |(input, frontier), output| {
                input.for_each(|capability, rows| stash.keep(capability.retain_least(0), rows));
                while let Some((capability, rows)) = stash.pop_complete(|epoch| !frontier.less_equal(epoch)) {
                    let epoch = *capability.time();
                    let mut session = output.session(&capability);
                    change(rows, &mut |row, diff| session.give((row, epoch, diff)));
                }
            }
        })
        .as_collection()
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
    let route = Exchange::new(|((key, _), _, _): &((K, V), Epoch, Diff)| key.hashed());
    input
        .inner
        .binary_frontier(ticks, route, Pipeline, name, move |_capability, _info| {
            let (mut stash, mut nows) = (Stash::default(), StashedTicks::default());
            let mut groups: BTreeMap<K, Group<V, O>> = BTreeMap::new();
            let mut calendar: BTreeSet<(EventTime, K)> = BTreeSet::new();
            move |(input, frontier), (ticks, tick_frontier), output| {
                input.for_each(|capability, rows| stash.keep(capability.retain_least(0), rows));
                ticks.for_each(|capability, rows| nows.keep(capability.retain_least(0), rows));
                let complete =
                    |epoch: &Epoch| !frontier.less_equal(epoch) && !tick_frontier.less_equal(epoch);
                while let Some((capability, Tick { now, capture })) = nows.pop_complete(complete) {
                    let epoch = *capability.time();
                    let mut dirty: BTreeMap<K, Vec<(V, Diff)>> =
                        by_key(stash.take(epoch)).into_iter().collect();
                    while let Some((_, key)) = calendar.pop_first_if_due(now) {
                        dirty.entry(key).or_default();
                    }
                    let mut session = output.session(&capability);
                    for (key, changes) in dirty {
                        change(&mut groups, key, |key, group| {
                            group.values.apply(changes);
                            let maintained = logic(key, &mut group.values, now);
                            replace(&mut group.output, maintained.output, |row, diff| {
                                session.give((row, epoch, diff))
                            });
                            let wake = maintained.wake.filter(|_| !group.values.is_empty());
                            reschedule(&mut calendar, key, group.wake, wake);
                            group.wake = wake;
                        });
                    }
                    if capture {
                        for (key, group) in &groups {
                            let kept = group.values.iter();
                            session.give_iterator(kept.map(|(value, n)| (retain(key, value, n), epoch, 1)));
                        }
                    }
                }
            }
        })
        .as_collection()
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

/// Changes by key, in the order in which the keys come first. Rows are wide: each is moved once.
fn by_key<K: Eq + Hash, V>(rows: Vec<((K, V), Diff)>) -> Vec<(K, Vec<(V, Diff)>)> {
    let mut numbers = Numbers::<&K, usize>::default();
    // How many rows each key has.
    let mut counts: Vec<usize> = Vec::new();
    let mut number_of_row = Vec::with_capacity(rows.len());
    for ((key, _), _) in &rows {
        let number = *numbers.entry(key).or_insert(counts.len());
        if number == counts.len() {
            counts.push(0);
        }
        counts[number] += 1;
        number_of_row.push(number);
    }
    drop(numbers);
    let mut groups: Vec<Option<(K, Vec<(V, Diff)>)>> = counts.iter().map(|_| None).collect();
    for (((key, value), diff), number) in rows.into_iter().zip(number_of_row) {
        // With no room to spare: a key that is new keeps this list.
        let group = groups[number].get_or_insert_with(|| (key, Vec::with_capacity(counts[number])));
        group.1.push((value, diff));
    }
    groups.into_iter().flatten().collect()
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

/// Changes the state of a key, which is kept as long as `change` says so. The key that is kept is handed on: whoever shares its name
/// shares it with the others.
fn change_state<K: Ord + Clone, S: Default>(
    states: &mut BTreeMap<K, S>,
    key: K,
    change: impl FnOnce(&K, &mut S) -> bool,
) {
    match states.entry(key) {
        Entry::Occupied(mut known) => {
            let key = known.key().clone();
            if !change(&key, known.get_mut()) {
                known.remove();
            }
        }
        Entry::Vacant(free) => {
            let mut state = S::default();
            if change(free.key(), &mut state) {
                free.insert(state);
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
