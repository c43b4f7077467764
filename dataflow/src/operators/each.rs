//! Hand on what changed in each epoch, once it is complete: as a whole, with its tick, or key by key.
//!
//! Input   rows, or rows by key, with multiplicity; for some the tick of each epoch.
//! Output  what `change` emits, in the epoch whose changes it is handed.
//! Ties    none: rows of an epoch come in the order in which they arrived, which may be another in the next run. It must tell
//!         nothing.
//! State   rows of epochs that are not complete; what callers keep.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::Hash;

use differential_dataflow::{AsCollection, ExchangeData, Hashable};
use schemas::time::{Diff, Epoch};
use timely::dataflow::channels::pact::{Exchange, ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::operator::Operator;

use crate::keyed::Numbers;
use crate::operators::stash::{Stash, StashedTicks};
use crate::types::{Tick, Ticks, Updates};

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

/// The same with the tick of each epoch, also where nothing changed.
pub(crate) fn each_tick<'scope, D, O>(
    input: Updates<'scope, D>,
    ticks: Ticks<'scope>,
    route: impl ParallelizationContract<Epoch, Vec<(D, Epoch, Diff)>>,
    name: &str,
    mut change: impl FnMut(Tick, Vec<(D, Diff)>, &mut dyn FnMut(O, Diff)) + 'static,
) -> Updates<'scope, O>
where
    D: ExchangeData,
    O: ExchangeData,
{
    input
        .inner
        .binary_frontier(ticks, route, Pipeline, name, move |_capability, _info| {
            let (mut stash, mut nows) = (Stash::default(), StashedTicks::default());
            move |(input, frontier), (ticks, tick_frontier), output| {
                input.for_each(|capability, rows| stash.keep(capability.retain_least(0), rows));
                ticks.for_each(|capability, rows| nows.keep(capability.retain_least(0), rows));
                let complete =
                    |epoch: &Epoch| !frontier.less_equal(epoch) && !tick_frontier.less_equal(epoch);
                while let Some((capability, tick)) = nows.pop_complete(complete) {
                    let epoch = *capability.time();
                    let rows = stash.take(epoch);
                    let mut session = output.session(&capability);
                    change(tick, rows, &mut |row, diff| session.give((row, epoch, diff)));
                }
            }
        })
        .as_collection()
}

/// Hands the changes of each key to `change` once their epoch is complete, with a way to emit.
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
    each_epoch(input, by_its_key(), name, move |rows, emit| {
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
    let mut states: BTreeMap<K, S> = BTreeMap::new();
    each_tick(input, ticks, by_its_key(), name, move |Tick { capture, .. }, rows, emit| {
        for (key, changes) in by_key(rows) {
            change_state(&mut states, key, |key, state| change(key, state, changes, emit));
        }
        if capture {
            states.iter().for_each(|(key, state)| retain(key, state, &mut |row| emit(row, 1)));
        }
    })
}

/// Rows of one key go to one worker.
pub(crate) fn by_its_key<K: ExchangeData + Hash, V: ExchangeData>()
-> impl ParallelizationContract<Epoch, Vec<((K, V), Epoch, Diff)>> {
    Exchange::new(|((key, _), _, _): &((K, V), Epoch, Diff)| key.hashed())
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

/// Changes by key, in the order in which the keys come first. Rows are wide: each is moved once.
pub(crate) fn by_key<K: Eq + Hash, V>(rows: Vec<((K, V), Diff)>) -> Vec<(K, Vec<(V, Diff)>)> {
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
