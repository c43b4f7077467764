//! One worker: take sealed epochs, step the dataflow. Nothing else; no I/O.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use differential_dataflow::input::Input;
use schemas::time::{Diff, Epoch};
use timely::dataflow::operators::vec::{Broadcast, Input as TicksInput};
use timely::worker::Worker;

use crate::capture::{Captured, capture};
use crate::config::EngineConfig;
use crate::graph::{self, Built};
use crate::operators::admit::Sealed;
use crate::publish::publish;
use crate::types::{Tick, Told};
use crate::views::Note;

/// What a worker is told.
#[derive(Debug)]
pub(crate) enum Command {
    /// A sealed epoch: what is told of it, and this worker's share of the arrivals.
    Seal {
        /// For the views of processes that follow.
        told: Told,
        /// Its clock reading, and whether it is captured.
        tick: Tick,
        /// This worker's share.
        rows: Vec<Sealed>,
    },
    /// No epoch follows.
    Stop,
}

/// Where a worker's results go.
pub(crate) struct Exits {
    /// Changes of views, to the views of this process.
    pub(crate) publish: Box<dyn Fn(Note)>,
    /// What is retained, to whoever takes snapshots.
    pub(crate) capture: Box<dyn Fn(Captured)>,
}

/// How long an idle worker sleeps unless it is woken.
const PARK: Duration = Duration::from_millis(50);

/// Runs the computation until it is told to stop.
pub(crate) fn run(worker: &mut Worker, config: &EngineConfig, commands: &Receiver<Command>, exits: Exits) {
    let index = worker.index();
    let (mut arrivals, mut ticks, mut notes) = worker.dataflow::<Epoch, _, _>(|scope| {
        let (arrivals, sealed) = scope.new_collection::<Sealed, Diff>();
        let (ticks, ticked) = scope.new_input::<Tick>();
        let (notes, told) = scope.new_input::<Told>();
        let ticked = ticked.broadcast();
        let Built { views, retained } = graph::build(sealed, ticked.clone(), config);
        publish(views, told, index, config, exits.publish);
        capture(retained, ticked, index, exits.capture);
        (arrivals, ticks, notes)
    });
    // Epoch 0 is before the first seal. A process that follows is told nothing: what it computes comes from the first.
    while config.leads() {
        match commands.try_recv() {
            Ok(Command::Seal { told, tick, rows }) => {
                let epoch = told.epoch;
                arrivals.advance_to(epoch);
                ticks.advance_to(epoch);
                notes.advance_to(epoch);
                if index == 0 {
                    ticks.send(tick);
                    notes.send(told);
                }
                for row in rows {
                    arrivals.update(row, 1);
                }
                arrivals.advance_to(epoch + 1);
                arrivals.flush();
                ticks.advance_to(epoch + 1);
                notes.advance_to(epoch + 1);
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
    notes.close();
    while worker.step_or_park(Some(PARK)) {}
}
