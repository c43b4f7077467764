//! The way out of the dataflow: complete epochs, worker by worker, to the view thread.
//!
//! Input   changes of views.
//! Output  one [`Progress`] per worker and epoch, in order, whether or not anything changed in it.
//! Ties    none. State  changes of epochs that are not complete.

use std::collections::BTreeMap;

use differential_dataflow::consolidation::consolidate;
use schemas::time::{Diff, Epoch};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;

use crate::graph::Published;
use crate::types::Updates;

/// What one worker has to say of one epoch.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The worker.
    pub(crate) worker: usize,
    /// Every epoch before this one is complete on this worker.
    pub(crate) upper: Epoch,
    /// Its changes, by epoch.
    pub(crate) changes: Vec<(Epoch, Vec<(Published, Diff)>)>,
}

/// Hands complete epochs to `send`.
pub(crate) fn publish<'scope>(
    rows: Updates<'scope, Published>,
    worker: usize,
    send: impl Fn(Progress) + 'static,
) {
    let mut builder = OperatorBuilder::new("Publish".to_owned(), rows.inner.scope());
    let mut input = builder.new_input(rows.inner, Pipeline);
    builder.build(move |_capabilities| {
        let mut stash: BTreeMap<Epoch, Vec<(Published, Diff)>> = BTreeMap::new();
        let mut told: Epoch = 0;
        move |frontiers: &[MutableAntichain<Epoch>]| {
            input.for_each(|_capability, rows: &mut Vec<(Published, Epoch, Diff)>| {
                for (row, epoch, diff) in rows.drain(..) {
                    stash.entry(epoch).or_default().push((row, diff));
                }
            });
            let upper = frontiers.first().and_then(|frontier| frontier.frontier().first().copied());
            let upper = upper.unwrap_or(Epoch::MAX);
            if upper <= told {
                return;
            }
            let later = stash.split_off(&upper);
            let mut changes: Vec<_> = std::mem::replace(&mut stash, later).into_iter().collect();
            for (_, rows) in &mut changes {
                consolidate(rows);
            }
            told = upper;
            send(Progress { worker, upper, changes });
        }
    });
}
