//! The way out of the dataflow: complete epochs to the view thread of each process.
//!
//! Input   changes of views; what processes that follow are told of each epoch.
//! Output  one [`Progress`] per epoch and worker, in order, whether or not anything changed in it; in a cluster from the first
//!         worker of each process, to which all changes are sent: every process has all views, so that any can answer.
//! Ties    none. State  changes of epochs that are not complete.

use std::collections::BTreeMap;

use differential_dataflow::AsCollection;
use schemas::ids::hash_of;
use schemas::time::{Diff, Epoch};
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Exchange;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::vec::{Broadcast, Map};
use timely::progress::frontier::MutableAntichain;

use crate::config::EngineConfig;
use crate::graph::Published;
use crate::types::{Told, Updates};
use crate::views::Note;

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
    /// Consolidated.
    pub(crate) rows: Vec<(Published, Diff)>,
    /// What the rows add to the digest of all views: a sum, so that neither order nor the number of workers tells.
    pub(crate) digest: u128,
}

impl Changes {
    fn of(rows: Vec<(Published, Diff)>) -> Changes {
        // Equal rows meet by their hash, which the digest needs anyway: rows themselves are slow to compare.
        let hashed = |(published, diff): (Published, Diff)| (hash_of(&published), published, diff);
        let mut rows: Vec<(u128, Published, Diff)> = rows.into_iter().map(hashed).collect();
        rows.sort_unstable_by_key(|(hash, ..)| *hash);
        rows.dedup_by(|(next, _, copies), (hash, _, kept)| {
            let same = next == hash;
            if same {
                *kept += *copies;
            }
            same
        });
        rows.retain(|(.., copies)| *copies != 0);
        let digest = rows.iter().fold(0u128, |sum, (hash, _, copies)| {
            // Two's complement: a retraction takes away what the insertion added.
            sum.wrapping_add(hash.wrapping_mul(i128::from(*copies).cast_unsigned()))
        });
        Changes { rows: rows.into_iter().map(|(_, published, copies)| (published, copies)).collect(), digest }
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
        let addressed = rows.map(|row| (0, row));
        return complete(addressed, told, Some(worker), true, send);
    };
    let firsts: Vec<u64> = (0..cluster.addresses.len()).map(|process| (process * workers) as u64).collect();
    let addressed = rows.inner.flat_map(move |(row, epoch, diff)| {
        let to = |first: &u64| ((*first, row.clone()), epoch, diff);
        firsts.iter().map(to).collect::<Vec<_>>()
    });
    let arrived = addressed.exchange(|((first, _), ..): &(Addressed, Epoch, Diff)| *first).as_collection();
    let publisher = worker.is_multiple_of(workers).then_some(0);
    complete(arrived, told.broadcast(), publisher, leads, send);
}

/// Collects changes until their epoch is complete; `publisher` is `None` on a worker that publishes nothing.
fn complete<'scope>(
    rows: Updates<'scope, Addressed>,
    told: StreamVec<'scope, Epoch, Told>,
    publisher: Option<usize>,
    leads: bool,
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
            input.for_each(|_capability, rows: &mut Vec<(Addressed, Epoch, Diff)>| {
                for ((_, row), epoch, diff) in rows.drain(..) {
                    stash.entry(epoch).or_default().push((row, diff));
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
