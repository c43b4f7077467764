//! One process in the world: an engine and a shard, from its start until it is killed, stopped or frozen.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dataflow::config::EngineConfig;
use dataflow::engine::Engine;
use dataflow::ingest::share::Quota;
use dataflow::shard::background::{Background, Job};
use dataflow::shard::{Inside, Outside, Shard, ShardError, ShardPolicy};
use dataflow::snapshot::folder::SnapshotFolder;

use schemas::time::Epoch;

use super::Shared;
use super::disk::SimulatedDisk;
use super::logs::{SimulatedControl, SimulatedLetters, SimulatedLog, SimulatedRegistry};

/// Where snapshots are on the simulated disk.
pub const FOLDER: &str = "state";

/// Jobs that wait until the simulation runs them.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<VecDeque<Job>>>);

impl Jobs {
    /// Runs the job that waits longest; false when none waits.
    pub fn run_one(&self) -> bool {
        let job = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        job.map(|job| job()).is_some()
    }
}

struct Simulated {
    jobs: Jobs,
    world: Shared,
    life: u64,
    stop: Arc<AtomicBool>,
}

impl Background for Simulated {
    fn spawn(&mut self, _name: &str, job: Job) -> io::Result<()> {
        self.jobs.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        Ok(())
    }

    fn expect(&mut self) {
        while self.jobs.run_one() {}
    }

    fn pause(&mut self, time: Duration) {
        let mut world = self.world.lock();
        world.pass(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        if world.is_dead(self.life) {
            // A real process would not be here any more.
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// A running process.
pub struct Process {
    /// Which life it is.
    pub life: u64,
    /// Its engine; kept while the shard lives.
    pub engine: Engine,
    /// Its shard.
    pub shard: Shard,
    /// What it has begun beside the shard.
    pub jobs: Jobs,
}

/// How processes of a simulation run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The engine's configuration.
    pub engine: EngineConfig,
    /// Between two snapshots.
    pub snapshot_every_ms: i64,
    /// Records a second of each tenant.
    pub records_per_s: u64,
}

impl Process {
    /// Starts a process; it recovers what others have sealed.
    pub fn start(world: &Shared, settings: &Settings) -> Result<Process, ShardError> {
        let life = world.lock().begin_life();
        let mut engine = Engine::start(settings.engine.clone()).expect("the settings are valid");
        let inside = Inside::of(&mut engine).expect("the engine is new");
        let jobs = Jobs::default();
        let of = || world.clone();
        let clock = of();
        let stop = Arc::new(AtomicBool::new(false));
        let background = Simulated { jobs: jobs.clone(), world: of(), life, stop: Arc::clone(&stop) };
        let outside = Outside {
            log: Box::new(SimulatedLog { world: of(), life, places: BTreeMap::new() }),
            control: Box::new(SimulatedControl { world: of(), life }),
            snapshots: SnapshotFolder::new(Path::new(FOLDER), Box::new(SimulatedDisk { world: of(), life })),
            registry: Some(Box::new(SimulatedRegistry { world: of(), life })),
            letters: Box::new(SimulatedLetters { world: of(), life }),
            background: Box::new(background),
            applied: Box::new(|| Epoch::MAX),
            clock: Box::new(move || clock.lock().now),
            stop,
        };
        let policy = ShardPolicy {
            owner: format!("life-{life}"),
            generation: settings.engine.generation(),
            snapshot_every_ms: settings.snapshot_every_ms,
            quota: Quota { records_per_s: settings.records_per_s },
            hold_back_ms: 0,
        };
        let shard = Shard::recover(outside, inside, policy)?;
        Ok(Process { life, engine, shard, jobs })
    }
}
