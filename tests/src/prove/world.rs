//! A simulated world: event log, control log, registry, dead letters, disk, clock. Everything that a process does to it is
//! counted, can fail, and can be the last thing that the process does.
//!
//! Deterministic: the same seed and the same calls give the same world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bench::scenario::random::Random;
use dataflow::ingest::log::LogRecord;
use schemas::position::Partition;
use schemas::time::EventTime;

pub mod disk;
pub mod logs;
pub mod process;

use disk::Files;

/// What goes wrong at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before the operation.
    KillBefore,
    /// The process is killed after the operation, which took place.
    KillAfter,
    /// The operation did not take place, and says so.
    Error,
    /// The operation took place, and says that it did not.
    Ambiguous,
    /// The operation takes five seconds.
    Delay,
}

/// When something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// At the n-th operation of any kind, from now on.
    At(u64, Fault),
    /// At the n-th operation of one kind, from now on.
    AtKind(&'static str, u64, Fault),
    /// Nothing goes wrong.
    None,
}

/// The state of the world.
pub struct World {
    pub(crate) now: EventTime,
    pub(crate) random: Random,
    /// Every record ever appended.
    pub records: BTreeMap<Partition, Vec<LogRecord>>,
    /// Every control record ever appended, and how many of the first were removed.
    pub control: Vec<Vec<u8>>,
    pub(crate) forgotten: usize,
    /// Schemas of the registry, and how many more questions it leaves unanswered.
    pub registry: BTreeMap<u32, String>,
    pub(crate) registry_away: u64,
    /// How often each letter was written.
    pub letters: BTreeMap<String, u64>,
    pub(crate) files: Files,
    plan: Plan,
    /// Operations so far, by kind.
    pub operations: BTreeMap<&'static str, u64>,
    /// Faults that happened, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Processes that are dead.
    dead: Vec<u64>,
    lives: u64,
}

/// A handle to the world. Cheap to clone.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

/// Whether an operation takes place, and whether it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    NotDone,
    DoneButNotSaid,
}

impl Shared {
    /// An empty world.
    pub fn new(seed: u64, now: EventTime) -> Self {
        Shared(Arc::new(Mutex::new(World {
            now,
            random: Random::new(seed),
            records: BTreeMap::new(),
            control: Vec::new(),
            forgotten: 0,
            registry: BTreeMap::new(),
            registry_away: 0,
            letters: BTreeMap::new(),
            files: Files::default(),
            plan: Plan::None,
            operations: BTreeMap::new(),
            faults: BTreeMap::new(),
            dead: Vec::new(),
            lives: 0,
        })))
    }

    /// The state.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// What goes wrong next.
    pub fn plan(&mut self, plan: Plan) {
        self.plan = plan;
    }

    /// Time passes.
    pub fn pass(&mut self, ms: i64) {
        self.now = self.now.plus_ms(ms);
    }

    /// A process begins to live.
    pub fn begin_life(&mut self) -> u64 {
        self.lives += 1;
        self.lives
    }

    /// A process dies; with a loss of power, what was not synchronized may be lost.
    pub fn end_life(&mut self, life: u64, power: bool) {
        self.dead.push(life);
        if power {
            let random = &mut self.random;
            self.files.lose_power(random);
        }
    }

    /// Whether a process was killed.
    pub fn is_dead(&self, life: u64) -> bool {
        self.dead.contains(&life)
    }

    /// A process does something of a kind.
    pub(crate) fn operate(&mut self, life: u64, kind: &'static str) -> Verdict {
        if self.is_dead(life) {
            return Verdict::NotDone;
        }
        *self.operations.entry(kind).or_default() += 1;
        let fault = match &mut self.plan {
            Plan::None => None,
            Plan::At(left, fault) => count_down(left).then_some(*fault),
            Plan::AtKind(wanted, left, fault) => (*wanted == kind && count_down(left)).then_some(*fault),
        };
        let Some(fault) = fault else { return Verdict::Done };
        self.plan = Plan::None;
        *self.faults.entry(format!("{kind}:{fault:?}")).or_default() += 1;
        match fault {
            Fault::KillBefore => {
                self.dead.push(life);
                Verdict::NotDone
            }
            Fault::KillAfter => {
                self.dead.push(life);
                Verdict::DoneButNotSaid
            }
            Fault::Error => Verdict::NotDone,
            Fault::Ambiguous => Verdict::DoneButNotSaid,
            Fault::Delay => {
                self.pass(5_000);
                Verdict::Done
            }
        }
    }
}

/// True when the count is over.
fn count_down(left: &mut u64) -> bool {
    *left = left.saturating_sub(1);
    *left == 0
}
