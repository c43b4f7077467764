//! The engine as the rest of the program sees it: seal batches in, read views out.

use schemas::error::Reject;
use schemas::read::ViewReader;
use schemas::time::{Epoch, EventTime};
use tokio::sync::mpsc;

use crate::arrival::Arrival;
use crate::config::EngineConfig;

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    input: EngineInput,
    reader: ViewReader,
    completed: Option<mpsc::UnboundedReceiver<Completed>>,
}

/// An epoch whose results are all visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The epoch.
    pub epoch: Epoch,
    /// What was refused in it, in the order of arrival; positions are those of its arrivals.
    pub rejects: Vec<Reject>,
}

/// Where batches go in. Cheap to clone; each batch becomes one epoch.
#[derive(Clone, Debug)]
pub struct EngineInput {
}

/// Why the engine could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The configuration cannot work.
    #[error("engine configuration: {0}")]
    Config(String),
    /// A worker ended; the process should be restarted.
    #[error("the engine has stopped")]
    Stopped,
}

impl Engine {
    /// Starts the workers and the view thread.
    pub fn start(_config: EngineConfig) -> Result<Engine, EngineError> {
        todo!()
    }

    /// A handle to feed it.
    pub fn input(&self) -> EngineInput {
        self.input.clone()
    }

    /// A handle to read it.
    pub fn reader(&self) -> ViewReader {
        self.reader.clone()
    }

    /// Epochs as they complete, in order. `Some` once: there is one consumer.
    pub fn take_completed(&mut self) -> Option<mpsc::UnboundedReceiver<Completed>> {
        self.completed.take()
    }

    /// Lets everything sealed complete, then stops the workers.
    pub fn shutdown(self) -> Result<(), EngineError> {
        todo!()
    }
}

impl EngineInput {
    /// Seals a batch into the next epoch, in the order given. Waits while too many epochs are in flight.
    ///
    /// `now` is the clock reading to seal with it; with [`crate::config::Clock::Event`] the greater of it and every
    /// event time so far is taken, and `EventTime(0)` is a good value to pass.
    pub async fn seal(&self, _batch: Vec<Arrival>, _now: EventTime) -> Result<Epoch, EngineError> {
        todo!()
    }
}
