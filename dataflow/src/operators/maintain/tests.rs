//! `maintain` and `summarize` against differential's own `reduce`: the same changes at the same epochs, on random updates.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, mpsc};

use differential_dataflow::Hashable;
use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::input::Input;
use schemas::time::{Diff, Epoch};

use super::{by_key, maintain, summarize};
use crate::values::Values;

const KEYS: u64 = 5;
/// More than are looked through for each change: see `Values`.
const VALUES: u64 = 12;
const EPOCHS: Epoch = 12;
const UPDATES: u64 = 9;

/// A key with its greatest value and how many values it has.
type Derived = (u64, (u64, Diff));
/// Changes of one worker: 0 of `maintain`, 1 of `summarize`, 2 of `reduce`.
type Change = (usize, (Derived, Epoch, Diff));

/// Insertions, and retractions of what is there, by epoch.
fn updates(seed: u64) -> Vec<((u64, u64), Epoch, Diff)> {
    let mut present: BTreeMap<(u64, u64), Diff> = BTreeMap::new();
    let mut updates = Vec::new();
    for number in 0..EPOCHS * UPDATES {
        let draw = (seed, number).hashed();
        let row = (draw % KEYS, draw / KEYS % VALUES);
        let count = present.entry(row).or_default();
        let diff = if 0 < *count && draw / 1_000 % 2 == 0 { -1 } else { 1 };
        *count += diff;
        updates.push((row, number / UPDATES, diff));
    }
    updates
}

fn greatest(key: &u64, values: &Values<u64>) -> Option<Derived> {
    values.last().map(|value| (*key, (*value, values.iter().map(|(_, copies)| copies).sum())))
}

/// Net changes by each of the three.
fn changes(seed: u64, workers: usize) -> [Vec<(Derived, Epoch, Diff)>; 3] {
    let (sender, receiver) = mpsc::channel::<Change>();
    let sender = Mutex::new(sender);
    let ended = timely::execute(timely::Config::process(workers), move |worker| {
        let sender = sender.lock().map(|sender| sender.clone()).expect("no worker holds it while it fails");
        let mut input = worker.dataflow::<Epoch, _, _>(|scope| {
            let (input, rows) = scope.new_collection::<(u64, u64), Diff>();
            let maintained =
                maintain(rows.clone(), "Maintain", |key, values| greatest(key, values).into_iter().collect());
            let summarized = summarize(rows.clone(), "Summarize", greatest);
            let reduced = rows.reduce(|_key, values, output| {
                if let Some((value, _)) = values.last() {
                    output.push(((**value, values.iter().map(|(_, count)| *count).sum::<Diff>()), 1));
                }
            });
            for (by, rows) in [maintained, summarized, reduced].into_iter().enumerate() {
                let sender = sender.clone();
                rows.inspect(move |change| sender.send((by, *change)).expect("the test listens"));
            }
            input
        });
        if worker.index() == 0 {
            for ((key, value), epoch, diff) in updates(seed) {
                input.advance_to(epoch);
                input.update((key, value), diff);
            }
        }
    });
    drop(ended.expect("threads can be started"));
    let mut found = [Vec::new(), Vec::new(), Vec::new()];
    for (by, change) in receiver {
        found[by].push(change);
    }
    found.iter_mut().for_each(consolidate_updates);
    found
}

#[test]
fn both_change_what_reduce_changes() {
    for seed in 0..60 {
        for workers in [1, 2, 4] {
            let [maintained, summarized, reduced] = changes(seed, workers);
            assert!(!reduced.is_empty(), "seed {seed} changes nothing");
            assert_eq!(maintained, reduced, "maintain, seed {seed}, {workers} workers");
            assert_eq!(summarized, reduced, "summarize, seed {seed}, {workers} workers");
        }
    }
}

/// A key that hashes as every second one does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alike(u8);

impl Hash for Alike {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0 % 2).hash(state);
    }
}

#[test]
fn keys_come_as_they_arrive_with_their_rows_in_order_also_if_they_hash_alike() {
    let row = |key: u8, value: char| ((Alike(key), value), 1);
    let rows = [(4, 'c'), (1, 'b'), (2, 'f'), (4, 'a'), (3, 'e'), (1, 'd'), (5, 'h'), (5, 'g')];
    let found = by_key(rows.map(|(key, value)| row(key, value)).to_vec());
    let of = |key: u8, values: &str| (Alike(key), values.chars().map(|value| (value, 1)).collect());
    assert_eq!(found, [of(4, "ca"), of(1, "bd"), of(2, "f"), of(3, "e"), of(5, "hg")]);
}
