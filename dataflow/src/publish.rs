//! The way out of the dataflow: complete epochs to the view thread of each process.
//!
//! Input   changes of views; what processes that follow are told of each epoch.
//! Output  one [`Progress`] per epoch and worker, in order, whether or not anything changed in it; in a cluster from the first
//!         worker of each process, to which all changes are sent: every process has all views, so that any can answer.
//!         Its rows come by view and key, consolidated, with what they add to the digest: work that the one view thread is
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
    /// Rows, by place and key, consolidated.
    pub(crate) rows: Vec<RowChange>,
    /// Counts of sources, and how far each has come, consolidated.
    pub(crate) accounts: Vec<(Published, Diff)>,
    /// What all of it adds to the digest of all views: a sum, so that neither order nor the number of workers tells.
    pub(crate) digest: u128,
}

/// A change of a row, under the key that it is known by.
#[derive(Debug)]
pub(crate) struct RowChange {
    pub(crate) place: Place,
    pub(crate) key: RowKey,
    pub(crate) row: Row,
    pub(crate) diff: Diff,
}

impl RowChange {
    /// Makes the key.
    pub(crate) fn of(place: Place, row: Row, diff: Diff) -> Self {
        RowChange { place, key: RowKey::of(&row), row, diff }
    }

    /// What rows are ordered by.
    pub(crate) fn name(&self) -> (Place, &RowKey) {
        (self.place, &self.key)
    }
}

impl Changes {
    fn of(published: Vec<(Published, Diff)>) -> Changes {
        let mut changes = Changes { rows: Vec::with_capacity(published.len()), ..Changes::default() };
        for (published, diff) in published {
            match published {
                Published::Row(tenant, view, row) => {
                    changes.rows.push(RowChange::of((tenant, view), row, diff));
                }
                account => changes.accounts.push((account, diff)),
            }
        }
        changes
            .rows
            .sort_by(|left, right| left.name().cmp(&right.name()).then_with(|| left.row.cmp(&right.row)));
        changes.rows.dedup_by(|next, kept| {
            let same = next.name() == kept.name() && next.row == kept.row;
            if same {
                kept.diff += next.diff;
            }
            same
        });
        changes.rows.retain(|change| change.diff != 0);
        consolidate(&mut changes.accounts);
        // Two's complement: a retraction takes away what the insertion added.
        let of_rows = changes.rows.iter().map(|change| {
            let RowChange { place: (tenant, view), row, diff, .. } = change;
            (Published::Row(*tenant, *view, row.clone()), *diff)
        });
        let mut hashing = Hashing::default();
        let mut digest: u128 = 0;
        for (published, diff) in of_rows.chain(changes.accounts.iter().cloned()) {
            let weighed = hashing.of(&published).wrapping_mul(i128::from(diff).cast_unsigned());
            digest = digest.wrapping_add(weighed);
        }
        changes.digest = digest;
        changes
    }

    /// Adds what another worker changed in the same epoch.
    pub(crate) fn add(&mut self, mut other: Changes) {
        self.rows.append(&mut other.rows);
        self.accounts.append(&mut other.accounts);
        self.digest = self.digest.wrapping_add(other.digest);
    }
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
        let mut stash: BTreeMap<Epoch, Vec<(Published, Diff)>> = BTreeMap::new();
        let mut upper_told: Epoch = 0;
        move |frontiers: &[MutableAntichain<Epoch>]| {
            notes.for_each(|_capability, told: &mut Vec<Told>| {
                // The process that seals has told its own views already.
                for told in told.drain(..).filter(|_| !leads && publisher.is_some()) {
                    send(Note::Sealed(told));
                }
            });
            input.for_each(|_capability, rows: &mut Vec<(D, Epoch, Diff)>| {
                for (row, epoch, diff) in rows.drain(..) {
                    stash.entry(epoch).or_default().push((open(row), diff));
                }
            });
            let uppers = frontiers.iter().map(|frontier| frontier.frontier().first().copied());
            let upper = uppers.map(|upper| upper.unwrap_or(Epoch::MAX)).min().unwrap_or(Epoch::MAX);
            let Some(worker) = publisher.filter(|_| upper_told < upper) else { return };
            let later = stash.split_off(&upper);
            let complete = std::mem::replace(&mut stash, later);
            let changes = complete.into_iter().map(|(epoch, rows)| (epoch, Changes::of(rows))).collect();
            upper_told = upper;
            send(Note::Progress(Progress { worker, upper, changes }));
        }
    });
}
