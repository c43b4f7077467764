//! The way out of the dataflow: complete epochs to the view thread of each process.
//!
//! Input   changes of views; what processes that follow are told of each epoch.
//! Output  one [`Progress`] per epoch and worker, in order, whether or not anything changed in it; in a cluster from the first
//!         worker of each process, to which all changes are sent: every process has all views, so that any can answer.
//!         Its rows come by place and key, consolidated, with what they add to the digest: work that the one view thread is
//!         spared.
//! Ties    none. State  changes of epochs that are not complete.

use std::collections::BTreeMap;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::{AsCollection, ExchangeData};
use schemas::ids::Hashing;
use schemas::time::{Diff, Epoch};
use schemas::view::{Row, RowKey};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Exchange;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::vec::{Broadcast, Map};
use timely::progress::frontier::MutableAntichain;

use crate::config::EngineConfig;
use crate::graph::Published;
use crate::types::{Told, Updates};
use crate::views::{Note, Place};

/// What is complete, and what changed.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Which of the workers that this process listens to.
    pub(crate) worker: usize,
    /// Every epoch before this one is complete on this worker.
    pub(crate) upper: Epoch,
    /// What changed, by epoch.
    pub(crate) changes: Vec<(Epoch, Changes)>,
}

/// What one worker changed in one epoch.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Rows of each place by key; those of each worker consolidated, and of each key what goes before what comes.
    pub(crate) rows: BTreeMap<Place, Vec<RowChange>>,
    /// Counts of sources, and how far each has come, consolidated.
    pub(crate) accounts: Vec<(Published, Diff)>,
    /// What all of it adds to the digest of all views: a sum, so that neither order nor the number of workers tells.
    pub(crate) digest: u128,
}

/// A change of a row of some place, under the key that it is known by.
#[derive(Debug)]
pub(crate) struct RowChange {
    pub(crate) key: RowKey,
    pub(crate) row: Row,
    pub(crate) diff: Diff,
}

impl RowChange {
    /// Makes the key.
    pub(crate) fn of(row: Row, diff: Diff) -> Self {
        RowChange { key: RowKey::of(&row), row, diff }
    }
}

impl Changes {
    /// Takes changes, in any order; those of one place often come one after the other.
    fn take(&mut self, changes: impl Iterator<Item = (Published, Diff)>) {
        let mut changes = changes.peekable();
        while let Some((published, diff)) = changes.next() {
            let Published::Row(tenant, view, row) = published else {
                self.accounts.push((published, diff));
                continue;
            };
            let rows = self.rows.entry((tenant, view)).or_default();
            rows.push(RowChange::of(row, diff));
            let beside = |(next, _): &(Published, Diff)| next.place() == Some((tenant, view));
            while let Some((Published::Row(_, _, row), diff)) = changes.next_if(beside) {
                rows.push(RowChange::of(row, diff));
            }
        }
    }

    /// Puts in order what was taken, and makes the digest of it.
    fn settled(mut self) -> Changes {
        self.rows.values_mut().for_each(consolidate_rows);
        self.rows.retain(|_, rows| !rows.is_empty());
        consolidate(&mut self.accounts);
        let mut hashing = Hashing::default();
        // Two's complement: a retraction takes away what the insertion added.
        let mut weigh = |hash: u128, diff: Diff| {
            self.digest = self.digest.wrapping_add(hash.wrapping_mul(i128::from(diff).cast_unsigned()));
        };
        for (place, rows) in &self.rows {
            rows.iter().for_each(|change| weigh(row_hash(&mut hashing, *place, &change.row), change.diff));
        }
        self.accounts.iter().for_each(|(account, diff)| weigh(hashing.of(account), *diff));
        self
    }

    /// Adds what another worker changed in the same epoch.
    pub(crate) fn add(&mut self, mut other: Changes) {
        for (place, mut rows) in other.rows {
            let kept = self.rows.entry(place).or_default();
            let merges = !kept.is_empty();
            kept.append(&mut rows);
            if merges {
                sort_by_key(kept);
            }
        }
        self.accounts.append(&mut other.accounts);
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// Sorts rows that are in order for the most part, of which the stable sort makes use.
pub(crate) fn sort_by_key(rows: &mut [RowChange]) {
    rows.sort_by(|left, right| left.key.cmp(&right.key));
}

/// Rows by key, each once; of each key what goes comes first, so that a cell holds one row at a time.
fn consolidate_rows(rows: &mut Vec<RowChange>) {
    // Ids often rise with time, and then what comes and what goes are two lists in order, of which this sort makes use.
    sort_by_key(rows);
    if rows.is_sorted_by(|left, right| left.key < right.key) {
        return;
    }
    // Whole rows are only compared where a key has changed more than once.
    for same in rows.chunk_by_mut(|left, right| left.key == right.key) {
        same.sort_unstable_by(|left, right| left.row.cmp(&right.row));
    }
    rows.dedup_by(|next, kept| {
        let same = next.key == kept.key && next.row == kept.row;
        if same {
            kept.diff += next.diff;
        }
        same
    });
    rows.retain(|change| change.diff != 0);
    for same in rows.chunk_by_mut(|left, right| left.key == right.key) {
        same.sort_by_key(|change| 0 < change.diff);
    }
}

/// The hash of [`Published::Row`], for which the row is not copied.
fn row_hash(hashing: &mut Hashing, (tenant, view): Place, row: &Row) -> u128 {
    // The first of the alternatives.
    const ROW: isize = 0;
    hashing.of(&(ROW, tenant, view, row))
}

/// A change on its way to the worker with a number.
type Addressed = (u64, Published);

/// Workers of a process whose progress its views wait for.
pub(crate) fn publishers(config: &EngineConfig) -> usize {
    if config.cluster.is_some() { 1 } else { config.workers }
}

/// Hands complete epochs to `send`.
pub(crate) fn publish<'scope>(
    rows: Updates<'scope, Published>,
    told: StreamVec<'scope, Epoch, Told>,
    worker: usize,
    config: &EngineConfig,
    send: impl Fn(Note) + 'static,
) {
    let (workers, leads) = (config.workers, config.leads());
    let Some(cluster) = &config.cluster else {
        return complete(rows, |row| row, told, (Some(worker), true), send);
    };
    let firsts: Vec<u64> = (0..cluster.addresses.len()).map(|process| (process * workers) as u64).collect();
    let addressed = rows.inner.flat_map(move |(row, epoch, diff)| {
        let to = |first: &u64| ((*first, row.clone()), epoch, diff);
        firsts.iter().map(to).collect::<Vec<_>>()
    });
    let arrived = addressed.exchange(|((first, _), ..): &(Addressed, Epoch, Diff)| *first).as_collection();
    let publisher = worker.is_multiple_of(workers).then_some(0);
    complete(arrived, |(_, row)| row, told.broadcast(), (publisher, leads), send);
}

/// Collects changes until their epoch is complete; `publisher` is `None` on a worker that publishes nothing.
fn complete<'scope, D: ExchangeData>(
    rows: Updates<'scope, D>,
    open: impl Fn(D) -> Published + 'static,
    told: StreamVec<'scope, Epoch, Told>,
    (publisher, leads): (Option<usize>, bool),
    send: impl Fn(Note) + 'static,
) {
    let mut builder = OperatorBuilder::new("Publish".to_owned(), rows.inner.scope());
    let mut input = builder.new_input(rows.inner, Pipeline);
    let mut notes = builder.new_input(told, Pipeline);
    builder.build(move |_capabilities| {
        let mut stash: BTreeMap<Epoch, Changes> = BTreeMap::new();
        let mut upper_told: Epoch = 0;
        move |frontiers: &[MutableAntichain<Epoch>]| {
            notes.for_each(|_capability, told: &mut Vec<Told>| {
                // The process that seals has told its own views already.
                for told in told.drain(..).filter(|_| !leads && publisher.is_some()) {
                    send(Note::Sealed(told));
                }
            });
            input.for_each(|_capability, rows: &mut Vec<(D, Epoch, Diff)>| {
                let mut rows = rows.drain(..).peekable();
                while let Some((_, epoch, _)) = rows.peek() {
                    let epoch = *epoch;
                    let same = std::iter::from_fn(|| rows.next_if(|(_, next, _)| *next == epoch));
                    stash.entry(epoch).or_default().take(same.map(|(row, _, diff)| (open(row), diff)));
                }
            });
            let uppers = frontiers.iter().map(|frontier| frontier.frontier().first().copied());
            let upper = uppers.map(|upper| upper.unwrap_or(Epoch::MAX)).min().unwrap_or(Epoch::MAX);
            let Some(worker) = publisher.filter(|_| upper_told < upper) else { return };
            let later = stash.split_off(&upper);
            let complete = std::mem::replace(&mut stash, later);
            let changes = complete.into_iter().map(|(epoch, changes)| (epoch, changes.settled())).collect();
            upper_told = upper;
            send(Note::Progress(Progress { worker, upper, changes }));
        }
    });
}

#[cfg(test)]
mod tests {
    use schemas::time::EventTime;
    use schemas::view::{CoverageRow, ViewName};

    use super::*;

    const PLACE: Place = (schemas::ids::Tenant(7), ViewName::Coverage);

    fn row(source: &str, accepted: u64) -> Row {
        let source = source.to_owned();
        CoverageRow { source, accepted, duplicate: 0, rejected: vec![], reached: None }.into()
    }

    fn settled(rows: Vec<(Row, Diff)>) -> Changes {
        let mut changes = Changes::default();
        changes.take(rows.into_iter().map(|(row, diff)| (Published::Row(PLACE.0, PLACE.1, row), diff)));
        changes.settled()
    }

    fn of_place(changes: &Changes) -> Vec<(Row, Diff)> {
        changes.rows[&PLACE].iter().map(|change| (change.row.clone(), change.diff)).collect()
    }

    #[test]
    fn a_row_hashes_as_what_is_published() {
        let row = row("a", 1);
        let published = Published::Row(PLACE.0, PLACE.1, row.clone());
        let mut hashing = Hashing::default();
        assert_eq!(row_hash(&mut hashing, PLACE, &row), hashing.of(&published));
    }

    #[test]
    fn rows_come_by_key_each_once_and_what_goes_comes_first() {
        let rows = vec![
            (row("b", 2), 1),
            (row("a", 5), 1),
            (row("c", 1), 1),
            (row("a", 9), -1),
            (row("b", 2), 1),
            (row("c", 1), -1),
        ];
        let wanted = [(row("a", 9), -1), (row("a", 5), 1), (row("b", 2), 2)];
        assert_eq!(of_place(&settled(rows)), wanted);
        assert!(settled(vec![(row("a", 1), 1), (row("a", 1), -1)]).rows.is_empty());
    }

    #[test]
    fn changes_of_two_workers_come_by_key_and_to_the_digest_of_one() {
        let first = vec![(row("a", 1), 1), (row("c", 1), -1)];
        let second = vec![(row("b", 1), 1), (row("c", 2), 1)];
        let mut both = settled(first.clone());
        both.add(settled(second.clone()));
        let one = settled([first, second].concat());
        assert_eq!((of_place(&both), both.digest), (of_place(&one), one.digest));
    }

    #[test]
    fn what_is_taken_back_takes_its_part_of_the_digest_with_it() {
        let account = Published::Reached(PLACE.0, Box::new(("a".to_owned(), EventTime(5))));
        let all = |diff: Diff| {
            let mut changes = Changes::default();
            let row = Published::Row(PLACE.0, PLACE.1, row("a", 1));
            changes.take([account.clone(), row].into_iter().map(|published| (published, diff)));
            changes.settled()
        };
        let mut sum = all(1);
        assert_ne!(sum.digest, 0);
        sum.add(all(-1));
        assert_eq!(sum.digest, 0);
    }
}
