//! The engine as the rest of the program sees it: seal batches in, read views out.
//!
//! Threads: the workers (timely), and the view thread, which alone changes the views. They meet in channels; the number
//! of epochs between sealing and completion is bounded, and with it what the channels hold.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};
use std::thread::{JoinHandle, Thread};

use differential_dataflow::Config;
use schemas::error::Reject;
use schemas::ids::Digest;
use schemas::read::ViewReader;
use schemas::time::{Epoch, EventTime};
use timely::WorkerConfig;
use timely::communication::WorkerGuards;
use tokio::sync::{Semaphore, mpsc};

use crate::arrival::Arrival;
use crate::capture::Captured;
use crate::config::{Cluster, EngineConfig};
use crate::feed::Feed;
use crate::priority::let_readers_first;
use crate::retained::Retained;
use crate::seal::{Mark, SealedBatch, Sealer};
use crate::types::{Tick, Told};
use crate::views::{Note, ViewThread};
use crate::worker::{self, Command, Exits};

/// Requests that may wait at the view thread before whoever asks waits.
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
    captured: Option<std_mpsc::Receiver<Kept>>,
    workers: Option<WorkerGuards<()>>,
    views: Option<JoinHandle<()>>,
}

/// An epoch whose results are all visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The epoch.
    pub epoch: Epoch,
    /// What was refused in it, by position; positions are those of its arrivals. An epoch that brings back a snapshot
    /// names what was refused before.
    pub rejects: Vec<Reject>,
    /// What all views of all tenants come to.
    pub views: Digest,
}

/// What becomes one epoch.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order in which they are numbered.
    pub arrivals: Vec<Arrival>,
    /// The clock reading to seal with them; with [`crate::config::Clock::Event`] the greater of it and every event time
    /// so far is taken, and `EventTime(0)` is a good value to pass.
    pub now: EventTime,
    /// What is retained as of the epoch goes to [`Engine::take_captured`].
    pub capture: bool,
}

/// What one worker retains as of a captured epoch; opaque but to the snapshot that it goes into.
#[derive(Debug)]
pub struct Kept(pub(crate) Captured);

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
    /// Whether this process seals.
    leads: bool,
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
    /// Another process of the cluster seals.
    #[error("this process follows: process 0 of the cluster seals")]
    Follows,
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
        let reader = ViewReader::new(views.peek(), requests);
        let views = std::thread::Builder::new()
            .name("kgroot-views".to_owned())
            .spawn(move || views.run(noted, requested))
            .map_err(|error| EngineError::Config(format!("could not start the view thread: {error}")))?;
        let (kept, captured) = std_mpsc::channel();
        let (guards, workers) = start_workers(&config, &notes, &kept)?;
        let sealing = Mutex::new(Sealing { sealer: Sealer::new(&config), workers, notes });
        let input = EngineInput { shared: Arc::new(Shared { sealing, room, leads: config.leads() }) };
        let (workers, views) = (Some(guards), Some(views));
        let (completed, captured) = (Some(completed), Some(captured));
        Ok(Engine { input, reader, completed, captured, workers, views })
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

    /// What the workers retain, one after the other, as of the epochs that were captured. `Some` once.
    pub fn take_captured(&mut self) -> Option<std_mpsc::Receiver<Kept>> {
        self.captured.take()
    }

    /// The changes of every epoch that completes from now on; whoever wants all of them asks before the first is sealed.
    pub fn follow(&self) -> Feed {
        let (follower, changes) = mpsc::unbounded_channel();
        let sealing = self.input.shared.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        // An engine that has stopped changes nothing any more: the receiver ends at once.
        let _told = sealing.notes.send(Note::Follow(follower));
        Feed(changes)
    }

    /// Waits until the computation ends: that of a process that follows ends when the one that seals stops.
    pub fn wait(mut self) -> Result<(), EngineError> {
        self.stop()
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
    /// Seals arrivals into the next epoch, in the order given. Waits while too many epochs are in flight.
    pub async fn seal(&self, arrivals: Vec<Arrival>, now: EventTime) -> Result<Epoch, EngineError> {
        let mark = self.seal_batch(Batch { arrivals, now, capture: false }).await?;
        Ok(mark.epoch)
    }

    /// As [`EngineInput::seal`]; gives where sealing then stands.
    pub async fn seal_batch(&self, batch: Batch) -> Result<Mark, EngineError> {
        let Batch { arrivals, now, capture } = batch;
        self.hand_over(capture, |sealer| sealer.seal(arrivals, now)).await
    }

    /// Begins with what a snapshot retained, in the epoch that it was taken of. Only for an engine that has sealed
    /// nothing.
    pub(crate) async fn resume(&self, mark: &Mark, retained: Vec<Retained>) -> Result<Mark, EngineError> {
        self.hand_over(false, |sealer| sealer.resume(mark, retained)).await
    }

    async fn hand_over(
        &self,
        capture: bool,
        seal: impl FnOnce(&mut Sealer) -> SealedBatch,
    ) -> Result<Mark, EngineError> {
        if !self.shared.leads {
            return Err(EngineError::Follows);
        }
        let permit = self.shared.room.acquire().await.map_err(|_| EngineError::Stopped)?;
        let mut sealing = self.shared.sealing.lock().map_err(|_| EngineError::Stopped)?;
        let SealedBatch { epoch, now, event_time, tenants, rows } = seal(&mut sealing.sealer);
        let told = Told { epoch, now, event_time, tenants };
        sealing.notes.send(Note::Sealed(told.clone())).map_err(|_| EngineError::Stopped)?;
        let peers = sealing.workers.len();
        let mut shares: Vec<Vec<_>> = (0..peers).map(|_| Vec::new()).collect();
        for (index, row) in rows.into_iter().enumerate() {
            shares[index % peers].push(row);
        }
        let tick = Tick { now, capture };
        for ((worker, thread), rows) in sealing.workers.iter().zip(shares) {
            let told = told.clone();
            worker.send(Command::Seal { told, tick, rows }).map_err(|_| EngineError::Stopped)?;
            thread.unpark();
        }
        // Given back by the view thread when the epoch is complete.
        permit.forget();
        Ok(sealing.sealer.mark())
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
    } else if config.lateness_ms < 1 || config.horizon_ms < config.lateness_ms {
        Some(format!(
            "lateness is {} ms; use 1 ms up to the horizon of {} ms",
            config.lateness_ms, config.horizon_ms
        ))
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

fn start_workers(
    config: &EngineConfig,
    notes: &mpsc::UnboundedSender<Note>,
    kept: &Sender<Kept>,
) -> Result<Workers, EngineError> {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..config.workers).map(|_| std_mpsc::channel()).unzip();
    let receivers = Mutex::new(receivers.into_iter().map(Some).collect::<Vec<_>>());
    let (threads, started) = std_mpsc::channel();
    let threads = Mutex::new(threads);
    let (worker_config, notes, kept) = (config.clone(), notes.clone(), kept.clone());
    let communication = match (&config.cluster, config.workers) {
        (Some(Cluster { process, addresses }), threads) => timely::CommunicationConfig::Cluster {
            threads,
            process: *process,
            addresses: addresses.clone(),
            report: false,
            zerocopy: false,
        },
        (None, 1) => timely::CommunicationConfig::Thread,
        (None, workers) => timely::CommunicationConfig::Process(workers),
    };
    let mut worker = WorkerConfig::default();
    // Without it, what a burst has left behind is merged only when as much comes again.
    differential_dataflow::configure(&mut worker, &Config { idle_merge_effort: Some(IDLE_MERGE_EFFORT) });
    let timely_config = timely::Config { communication, worker };
    let guards = timely::execute(timely_config, move |worker| {
        let_readers_first();
        // The index counts workers of all processes.
        let index = worker.index() % worker_config.workers;
        let commands = receivers.lock().ok().and_then(|mut all| all.get_mut(index).and_then(Option::take));
        let Some(commands) = commands else { panic!("worker {index} was started twice") };
        if let Ok(threads) = threads.lock() {
            // The engine may have given up already; then the commands end at once as well.
            let _started = threads.send((index, std::thread::current()));
        }
        let (notes, kept) = (notes.clone(), kept.clone());
        // The view thread outlives the workers; what is captured is dropped where nobody takes it.
        let exits = Exits {
            publish: Box::new(move |note| drop(notes.send(note))),
            capture: Box::new(move |captured| drop(kept.send(Kept(captured)))),
        };
        worker::run(worker, &worker_config, &commands, exits);
    })
    .map_err(EngineError::Config)?;
    let mut handles: Vec<(usize, Thread)> = started.iter().take(config.workers).collect();
    handles.sort_by_key(|(index, _)| *index);
    Ok((guards, senders.into_iter().zip(handles.into_iter().map(|(_, thread)| thread)).collect()))
}
