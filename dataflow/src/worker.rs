//! One worker: take sealed epochs, step the dataflow. Nothing else; no I/O.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use differential_dataflow::input::Input;
use schemas::time::{Diff, Epoch};
use timely::dataflow::operators::vec::Input as TicksInput;
use timely::worker::Worker;

use crate::capture::{Captured, capture};
use crate::config::EngineConfig;
use crate::graph::{self, Built};
use crate::operators::admit::Sealed;
use crate::publish::{Progress, publish};
use crate::types::Tick;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// A sealed epoch: its `now`, and this worker's share of the arrivals.
    Seal {
        /// The epoch.
        epoch: Epoch,
        /// Its clock reading, and whether it is captured.
        tick: Tick,
        /// This worker's share.
        rows: Vec<Sealed>,
    },
    /// No epoch follows.
    Stop,
}

/// How long an idle worker sleeps unless it is woken.
const PARK: Duration = Duration::from_millis(50);

/// Runs the computation until it is told to stop.
pub(crate) fn run(
    worker: &mut Worker,
    config: &EngineConfig,
    commands: &Receiver<Command>,
    send: impl Fn(Progress) + 'static,
    captured: impl Fn(Captured) + 'static,
) {
    let index = worker.index();
    let (mut arrivals, mut ticks) = worker.dataflow::<Epoch, _, _>(|scope| {
        let (arrivals, sealed) = scope.new_collection::<Sealed, Diff>();
        let (ticks, told) = scope.new_input::<Tick>();
        let Built { views, retained } = graph::build(sealed, told.clone(), config);
        publish(views, index, send);
        capture(retained, told, captured);
        (arrivals, ticks)
    });
    // Epoch 0 is before the first seal.
    loop {
        match commands.try_recv() {
            Ok(Command::Seal { epoch, tick, rows }) => {
                arrivals.advance_to(epoch);
                ticks.advance_to(epoch);
                ticks.send(tick);
                for row in rows {
                    arrivals.update(row, 1);
                }
                arrivals.advance_to(epoch + 1);
                arrivals.flush();
                ticks.advance_to(epoch + 1);
            }
            Ok(Command::Stop) | Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                worker.step_or_park(Some(PARK));
                continue;
            }
        }
        worker.step();
    }
    arrivals.close();
    ticks.close();
    while worker.step_or_park(Some(PARK)) {}
}
