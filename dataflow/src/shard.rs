//! The shard: sealed epochs, recovery, snapshots. The protocol of docs/delivery.md, and nothing else.
//!
//! ```text
//! recover   term ─ snapshot ─ replay of sealed epochs
//! round     records ─ decode ─ seal (append, read back) ─ engine
//! complete  digest checked or sealed ─ dead letters ─ snapshot
//! ```
//!
//! One owner at a time: whoever appended the greatest term. What is not sealed has no effect; what is sealed has the same
//! effect whoever computes it, however often. All that depends on anything outside goes into the seal, so that a replay
//! asks nobody. Driven by one thread; every outside is a trait or a channel.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use schemas::dead_letter::DeadLetterSink;
use schemas::ids::{Digest, hash128};
use schemas::position::{Partition, SourcePosition};
use schemas::time::{Epoch, EventTime};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::arrival::Arrival;
use crate::control::ledger::{Ledger, advance};
use crate::control::log::ControlLog;
use crate::control::record::{Generation, Place, Seal};
use crate::engine::{Batch, Completed, Engine, EngineInput, Kept};
use crate::ingest::decode::Decoder;
use crate::ingest::log::{EventLog, LogRecord};
use crate::ingest::registry::SchemaRegistry;
use crate::ingest::share::{Quota, Shares};
use crate::seal::Mark;
use crate::snapshot::folder::SnapshotFolder;

pub mod background;
mod by_tenant;
mod commit;
mod decoding;
mod error;
mod letters;
mod live;
mod recover;
mod snapshots;
pub mod state;

pub use error::ShardError;

use background::Background;
use by_tenant::ByTenant;

/// Records of one epoch at most: trades latency for throughput.
const EPOCH_RECORDS_MAX: usize = 10_000;
/// How long an epoch that is not full waits for more records.
const EPOCH_WAIT: Duration = Duration::from_millis(50);
/// An epoch without records is sealed this often, so that time goes on.
const TICK_MS: i64 = 1_000;
/// Between two looks for partitions that are new.
const DISCOVER_MS: i64 = 5_000;
/// Between two questions to a registry or a log that is away.
const RETRY: Duration = Duration::from_millis(200);

/// What the shard meets of the world.
pub struct Outside {
    /// Records.
    pub log: Box<dyn EventLog>,
    /// Decisions.
    pub control: Box<dyn ControlLog>,
    /// Snapshots.
    pub snapshots: SnapshotFolder,
    /// Writer schemas; without one, framed Avro is taken for envelope v1.
    pub registry: Option<Box<dyn SchemaRegistry>>,
    /// Refused records.
    pub letters: Box<dyn DeadLetterSink>,
    /// What may take long.
    pub background: Box<dyn Background>,
    /// The wall clock.
    pub clock: Box<dyn Fn() -> EventTime + Send>,
    /// The epoch that every store has applied; [`Epoch::MAX`] without stores.
    pub applied: Box<dyn Fn() -> Epoch + Send>,
    /// Set by whoever wants the shard to end.
    pub stop: Arc<AtomicBool>,
}

/// The engine's side of the shard.
pub struct Inside {
    input: EngineInput,
    completed: UnboundedReceiver<Completed>,
    captured: Receiver<Kept>,
}

impl Inside {
    /// Takes an engine's ends; `None` if somebody else has them.
    pub fn of(engine: &mut Engine) -> Option<Self> {
        let (completed, captured) = (engine.take_completed()?, engine.take_captured()?);
        Some(Inside { input: engine.input(), completed, captured })
    }
}

/// How the shard behaves.
#[derive(Clone, Debug)]
pub struct ShardPolicy {
    /// Who this is, for people: host, process, start.
    pub owner: String,
    /// What computes.
    pub generation: Generation,
    /// Between two snapshots, in milliseconds.
    pub snapshot_every_ms: i64,
    /// What a tenant may take.
    pub quota: Quota,
    /// How long a snapshot waits for stores that are behind, in milliseconds of sealed time.
    pub hold_back_ms: i64,
}

/// The owner of a set of partitions and of the epochs sealed from them.
pub struct Shard {
    log: Box<dyn EventLog>,
    control: Box<dyn ControlLog>,
    registry: Option<Box<dyn SchemaRegistry>>,
    clock: Box<dyn Fn() -> EventTime + Send>,
    applied: Box<dyn Fn() -> Epoch + Send>,
    stop: Arc<AtomicBool>,
    background: Box<dyn Background>,
    inside: Inside,
    policy: ShardPolicy,
    runtime: tokio::runtime::Runtime,
    ledger: Ledger,
    term: u64,
    decoder: Decoder,
    shares: Shares,
    /// Where reading stands.
    places: BTreeMap<Partition, Place>,
    /// Where sealing stands.
    mark: Mark,
    /// Bytes of the records of epochs that are not complete.
    in_flight: BTreeMap<Epoch, BTreeMap<SourcePosition, (Vec<u8>, Vec<u8>)>>,
    /// Complete epochs that no seal has told of yet.
    untold: Vec<(Epoch, Digest)>,
    letters: letters::Letters,
    taking: snapshots::Taking,
    /// Where snapshots are, unless one is being written.
    folder: Option<SnapshotFolder>,
    /// Clock readings of the first epoch of this process, and of the last snapshot that failed.
    began_ms: i64,
    failed_ms: i64,
    discovered_at: Option<EventTime>,
    sealed_at: EventTime,
    /// Records that were read and wait for the registry, by partition.
    deferred: BTreeMap<Partition, VecDeque<LogRecord>>,
    /// When the registry did not answer, unless it has since.
    registry_away_at: Option<EventTime>,
    /// Partitions that are read.
    assigned: ByTenant,
}

impl Shard {
    fn now(&self) -> EventTime {
        (self.clock)()
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Hands a sealed epoch to the engine.
    fn feed(&mut self, seal: &Seal, arrivals: Vec<Arrival>, capture: bool) -> Result<(), ShardError> {
        let batch = Batch { arrivals, now: EventTime(seal.now_ms), capture };
        self.mark = self.runtime.block_on(self.inside.input.seal_batch(batch))?;
        assert_eq!(self.mark.epoch, seal.epoch, "the engine and the control log count epochs alike");
        advance(&mut self.places, seal);
        Ok(())
    }

    /// What complete epochs came to: checked against what was said before, told with the next seal, letters written.
    fn take_completions(&mut self) -> Result<(), ShardError> {
        while let Ok(completed) = self.inside.completed.try_recv() {
            self.complete(completed)?;
        }
        Ok(())
    }

    fn complete(&mut self, completed: Completed) -> Result<(), ShardError> {
        let Completed { epoch, rejects, views } = completed;
        match self.ledger.views.get(&epoch) {
            Some((generation, said)) if *generation == self.policy.generation && *said != views => {
                return Err(ShardError::Diverged { epoch, said: *said, found: views });
            }
            Some((generation, _)) if *generation == self.policy.generation => {}
            _ => self.untold.push((epoch, views)),
        }
        self.taking.completed(epoch, views);
        // An epoch that brought back a snapshot has no records: its letters were written before.
        if let Some(originals) = self.in_flight.remove(&epoch) {
            self.write_letters(rejects, &originals)?;
        }
        Ok(())
    }

    /// Waits until every epoch sealed is complete.
    pub fn catch_up(&mut self) -> Result<(), ShardError> {
        while !self.in_flight.is_empty() {
            match self.inside.completed.blocking_recv() {
                Some(completed) => self.complete(completed)?,
                None => return Err(ShardError::Engine(crate::engine::EngineError::Stopped)),
            }
        }
        self.await_captured()
    }

    /// Waits until every epoch sealed is complete, every letter written, and a snapshot that was begun is finished.
    pub fn settle(&mut self) -> Result<(), ShardError> {
        self.catch_up()?;
        self.finish_snapshot()?;
        self.flush_letters()
    }

    /// As [`Shard::settle`], for the last time: a snapshot that is being written is left. It has no name yet, so that the next
    /// start begins with the one before, as after a crash; waiting for it could take longer than a supervisor waits.
    pub fn close(&mut self) -> Result<(), ShardError> {
        self.catch_up()?;
        self.flush_letters()
    }

    /// Where sealing stands.
    pub fn mark(&self) -> &Mark {
        &self.mark
    }
}

/// Digest of records in the order of their positions.
fn input_digest(records: &[LogRecord]) -> Digest {
    let fold = |sum: u128, record: &LogRecord| {
        let Digest(digest) = record_digest(record);
        hash128(&[&sum.to_le_bytes(), &digest.to_le_bytes()])
    };
    Digest(records.iter().fold(0, fold))
}

fn record_digest(record: &LogRecord) -> Digest {
    let appended = record.appended.map_or(0, |at| at.0);
    let position = record.position.to_string();
    Digest(hash128(&[position.as_bytes(), &appended.to_le_bytes(), &record.key, &record.value]))
}
