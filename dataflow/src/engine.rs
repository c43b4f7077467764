//! The engine as the rest of the program sees it: seal batches in, read views out.
//!
//! Threads: the workers (timely), and the view thread, which alone owns the views. They meet in channels; the number
//! of epochs between sealing and completion is bounded, and with it what the channels hold.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread::{JoinHandle, Thread};

use differential_dataflow::Config;
use schemas::error::Reject;
use schemas::read::ViewReader;
use schemas::time::{Epoch, EventTime};
use timely::WorkerConfig;
use timely::communication::WorkerGuards;
use tokio::sync::{Semaphore, mpsc};

use crate::arrival::Arrival;
use crate::config::EngineConfig;
use crate::seal::Sealer;
use crate::views::{Note, ViewThread};
use crate::worker::{self, Command};

/// Requests that may wait at the view thread before readers wait.
const READ_REQUESTS_MAX: usize = 1_024;
/// More workers than this in one process is a mistake in the configuration.
const WORKERS_MAX: usize = 256;
/// Updates that an idle worker merges in a step.
const IDLE_MERGE_EFFORT: isize = 1_000;

/// A running engine.
pub struct Engine {
    input: EngineInput,
    reader: ViewReader,
    completed: Option<mpsc::UnboundedReceiver<Completed>>,
    workers: Option<WorkerGuards<()>>,
    views: Option<JoinHandle<()>>,
}

/// An epoch whose results are all visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The epoch.
    pub epoch: Epoch,
    /// What was refused in it, by position; positions are those of its arrivals.
    pub rejects: Vec<Reject>,
}

/// Where batches go in. Cheap to clone; each batch becomes one epoch.
#[derive(Clone, Debug)]
pub struct EngineInput {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// A lock held while an epoch is minted and handed over, so that every worker sees epochs in order.
    sealing: Mutex<Sealing>,
    /// One permit per epoch that may still be in flight.
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Sealing {
    sealer: Sealer,
    workers: Vec<(Sender<Command>, Thread)>,
    notes: mpsc::UnboundedSender<Note>,
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
    pub fn start(config: EngineConfig) -> Result<Engine, EngineError> {
        check(&config)?;
        let (notes, noted) = mpsc::unbounded_channel();
        let (requests, requested) = mpsc::channel(READ_REQUESTS_MAX);
        let (completions, completed) = mpsc::unbounded_channel();
        let room = Arc::new(Semaphore::new(config.epochs_in_flight_max));
        let views = ViewThread::new(&config, Arc::clone(&room), completions);
        let views = std::thread::Builder::new()
            .name("kgroot-views".to_owned())
            .spawn(move || views.run(noted, requested))
            .map_err(|error| EngineError::Config(format!("could not start the view thread: {error}")))?;
        let (guards, workers) = start_workers(&config, &notes)?;
        let sealing = Mutex::new(Sealing { sealer: Sealer::new(&config), workers, notes });
        let input = EngineInput { shared: Arc::new(Shared { sealing, room }) };
        let (workers, views) = (Some(guards), Some(views));
        Ok(Engine { input, reader: ViewReader::new(requests), completed: Some(completed), workers, views })
    }

    /// A handle to feed it.
    pub fn input(&self) -> EngineInput {
        self.input.clone()
    }

    /// A handle to read it.
    pub fn reader(&self) -> ViewReader {
        self.reader.clone()
    }

    /// Epochs as they complete, in order. `Some` once: there is one consumer. Without a consumer they are dropped.
    pub fn take_completed(&mut self) -> Option<mpsc::UnboundedReceiver<Completed>> {
        self.completed.take()
    }

    /// Lets everything sealed complete, then stops the threads. Blocks: call it outside async tasks.
    pub fn shutdown(mut self) -> Result<(), EngineError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), EngineError> {
        let Some(workers) = self.workers.take() else { return Ok(()) };
        self.input.shared.tell_workers(|| Command::Stop);
        let mut outcome = Ok(());
        for result in workers.join() {
            if result.is_err() {
                outcome = Err(EngineError::Stopped);
            }
        }
        self.input.shared.room.close();
        let sealing = self.input.shared.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        // The view thread is gone already when a worker failed; there is nobody left to tell.
        let told = sealing.notes.send(Note::Stop);
        drop(sealing);
        if let Some(views) = self.views.take().filter(|_| told.is_ok()) {
            outcome = outcome.and(views.join().map_err(|_| EngineError::Stopped));
        }
        outcome
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "engine did not stop cleanly");
        }
    }
}

impl EngineInput {
    /// Seals a batch into the next epoch, in the order given. Waits while too many epochs are in flight.
    ///
    /// `now` is the clock reading to seal with it; with [`crate::config::Clock::Event`] the greater of it and every
    /// event time so far is taken, and `EventTime(0)` is a good value to pass.
    pub async fn seal(&self, batch: Vec<Arrival>, now: EventTime) -> Result<Epoch, EngineError> {
        self.seal_with(batch, now, |_| ()).await
    }

    /// As [`EngineInput::seal`]; `minted` is called with the epoch before any worker can complete it.
    pub async fn seal_with(
        &self,
        batch: Vec<Arrival>,
        now: EventTime,
        minted: impl FnOnce(Epoch),
    ) -> Result<Epoch, EngineError> {
        let permit = self.shared.room.acquire().await.map_err(|_| EngineError::Stopped)?;
        let mut sealing = self.shared.sealing.lock().map_err(|_| EngineError::Stopped)?;
        let seal = sealing.sealer.seal(batch, now);
        let (epoch, now) = (seal.epoch, seal.now);
        minted(epoch);
        let note = Note::Sealed { epoch, now, event_time: seal.event_time, tenants: seal.tenants };
        sealing.notes.send(note).map_err(|_| EngineError::Stopped)?;
        let peers = sealing.workers.len();
        let mut shares: Vec<Vec<_>> = (0..peers).map(|_| Vec::new()).collect();
        for (index, row) in seal.rows.into_iter().enumerate() {
            shares[index % peers].push(row);
        }
        for ((worker, thread), rows) in sealing.workers.iter().zip(shares) {
            worker.send(Command::Seal { epoch, now, rows }).map_err(|_| EngineError::Stopped)?;
            thread.unpark();
        }
        // Given back by the view thread when the epoch is complete.
        permit.forget();
        Ok(epoch)
    }
}

impl Shared {
    fn tell_workers(&self, command: impl Fn() -> Command) {
        let sealing = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        for (worker, thread) in &sealing.workers {
            // A worker that has ended already needs no telling.
            if worker.send(command()).is_ok() {
                thread.unpark();
            }
        }
    }
}

fn check(config: &EngineConfig) -> Result<(), EngineError> {
    let problem = if config.workers == 0 || WORKERS_MAX < config.workers {
        Some(format!("workers is {}; use 1 to {WORKERS_MAX}", config.workers))
    } else if config.gap_ms < crate::operators::episodes::SLOT_MS {
        Some(format!("gap is {} ms; use at least one minute", config.gap_ms))
    } else if config.horizon_ms < config.gap_ms {
        Some(format!("horizon is {} ms, shorter than the gap of {} ms", config.horizon_ms, config.gap_ms))
    } else if config.epochs_in_flight_max == 0 {
        Some("epochs_in_flight_max is 0; use at least 1".to_owned())
    } else {
        None
    };
    problem.map_or(Ok(()), |problem| Err(EngineError::Config(problem)))
}

type Workers = (WorkerGuards<()>, Vec<(Sender<Command>, Thread)>);

fn start_workers(config: &EngineConfig, notes: &mpsc::UnboundedSender<Note>) -> Result<Workers, EngineError> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..config.workers).map(|_| std_mpsc::channel()).unzip();
    let receivers = Mutex::new(receivers.into_iter().map(Some).collect::<Vec<_>>());
    let (threads, started) = std_mpsc::channel();
    let threads = Mutex::new(threads);
    let (worker_config, notes) = (config.clone(), notes.clone());
    let communication = match config.workers {
        1 => timely::CommunicationConfig::Thread,
        workers => timely::CommunicationConfig::Process(workers),
    };
    let mut worker = WorkerConfig::default();
    // Without it, what a burst has left behind is merged only when as much comes again.
    differential_dataflow::configure(&mut worker, &Config { idle_merge_effort: Some(IDLE_MERGE_EFFORT) });
    let timely_config = timely::Config { communication, worker };
    let guards = timely::execute(timely_config, move |worker| {
        let index = worker.index();
        let commands = receivers.lock().ok().and_then(|mut all| all.get_mut(index).and_then(Option::take));
        let Some(commands) = commands else { panic!("worker {index} was started twice") };
        if let Ok(threads) = threads.lock() {
            // The engine may have given up already; then the commands end at once as well.
            let _started = threads.send((index, std::thread::current()));
        }
        let notes = notes.clone();
        // The view thread outlives the workers.
        worker::run(worker, &worker_config, &commands, move |progress| {
            let _delivered = notes.send(Note::Progress(progress));
        });
    })
    .map_err(EngineError::Config)?;
    let mut handles: Vec<(usize, Thread)> = started.iter().take(config.workers).collect();
    handles.sort_by_key(|(index, _)| *index);
    Ok((guards, senders.into_iter().zip(handles.into_iter().map(|(_, thread)| thread)).collect()))
}
