//! What a snapshot holds, on its way out of the dataflow, as of the epochs that are captured.
//!
//! Input   retained rows, and the ticks that say which epochs are captured.
//! Output  one [`Captured`] per captured epoch, from the first worker of all: snapshots are taken in one process.
//! Ties    none: a snapshot sorts. State  rows of a captured epoch that is not complete.

use std::collections::BTreeMap;

use schemas::time::{Diff, Epoch};
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::frontier::MutableAntichain;

use crate::retained::Retained;
use crate::types::{Tick, Ticks, Updates};

/// What is retained as of an epoch.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The epoch.
    pub(crate) epoch: Epoch,
    /// Its rows.
    pub(crate) rows: Vec<Retained>,
}

/// Hands captured epochs to `send` when they are complete.
pub(crate) fn capture<'scope>(
    retained: Updates<'scope, Retained>,
    ticks: Ticks<'scope>,
    worker: usize,
    send: impl Fn(Captured) + 'static,
) {
    let mut builder = OperatorBuilder::new("Capture".to_owned(), retained.inner.scope());
    let mut rows = builder.new_input(retained.inner, Exchange::new(|_: &(Retained, Epoch, Diff)| 0));
    let mut ticks = builder.new_input(ticks, Pipeline);
    builder.build(move |_capabilities| {
        let mut stash: BTreeMap<Epoch, Vec<Retained>> = BTreeMap::new();
        move |frontiers: &[MutableAntichain<Epoch>]| {
            rows.for_each(|_capability, updates: &mut Vec<(Retained, Epoch, Diff)>| {
                for (row, epoch, _) in updates.drain(..) {
                    stash.entry(epoch).or_default().push(row);
                }
            });
            ticks.for_each(|capability, ticks: &mut Vec<Tick>| {
                let epoch = capability.least().copied();
                let captured = ticks.drain(..).any(|tick| tick.capture) && worker == 0;
                if let Some(epoch) = epoch.filter(|_| captured) {
                    stash.entry(epoch).or_default();
                }
            });
            let complete =
                |epoch: &Epoch| !frontiers.iter().any(|frontier| frontier.frontier().less_equal(epoch));
            while let Some(epoch) = stash.keys().next().copied().filter(complete) {
                let rows = stash.remove(&epoch).unwrap_or_default();
                send(Captured { epoch, rows });
            }
        }
    });
}
