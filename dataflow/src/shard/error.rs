//! Why a shard stops, by what has to be done about it.

use schemas::ids::Digest;
use schemas::position::Partition;
use schemas::time::Epoch;

use crate::control::ledger::LedgerError;
use crate::engine::EngineError;
use crate::ingest::log::LogError;
use crate::snapshot::folder::SnapshotError;

/// Why a shard stopped. Nothing that was sealed is lost; nothing that was not sealed had an effect.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// Another process owns the shard now: this one has nothing left to do.
    #[error("taken_over: {owner} took the shard over with term {term}; this process ends")]
    TakenOver {
        /// The new owner.
        owner: String,
        /// Its term.
        term: u64,
    },
    /// The same sealed input gave other views than before: the program or the machine is at fault.
    #[error(
        "diverged: the views of epoch {epoch} came to {found}, and to {said} before; do not go on with this binary on this state"
    )]
    Diverged {
        /// The epoch.
        epoch: Epoch,
        /// What it came to before.
        said: Digest,
        /// What it came to now.
        found: Digest,
    },
    /// Sealed records read otherwise than when they were sealed.
    #[error(
        "log_changed: the records of epoch {epoch} are not those that were sealed; the event log was changed"
    )]
    LogChanged {
        /// The epoch.
        epoch: Epoch,
    },
    /// Records that must be read are not there any more.
    #[error(
        "log_retention: {partition} begins at offset {oldest}, but {wanted} must be read; its retention is too short, or records were deleted"
    )]
    Retention {
        /// The partition.
        partition: Partition,
        /// Offset needed.
        wanted: i64,
        /// Oldest offset there is.
        oldest: i64,
    },
    /// The log is shorter than what was read of it.
    #[error(
        "log_truncated: {partition} ends at offset {end}, but was read up to {wanted}; it was truncated or made anew"
    )]
    Truncated {
        /// The partition.
        partition: Partition,
        /// Offset needed.
        wanted: i64,
        /// Where it ends.
        end: i64,
    },
    /// Another record stands where one was read.
    #[error(
        "log_recreated: {partition} holds another record at offset {offset} than was read there; the topic was made anew"
    )]
    Recreated {
        /// The partition.
        partition: Partition,
        /// The offset.
        offset: i64,
    },
    /// A schema changed under its id.
    #[error(
        "registry_changed: schema {id} of the registry is not the one that records were read with; restore the registry"
    )]
    RegistryChanged {
        /// The id.
        id: u32,
    },
    /// An acknowledged control record is not in the log.
    #[error(
        "control_lost: the control record at offset {0} was acknowledged and is not there; check the brokers' settings"
    )]
    Lost(i64),
    /// No snapshot can be read, and the seals do not go back to the beginning.
    #[error("no_snapshot: {0}; restore the state folder, or begin with a new one")]
    NoSnapshot(String),
    /// The control log makes no sense.
    #[error("control_damaged: {0}")]
    Ledger(#[from] LedgerError),
    /// A log failed.
    #[error("log: {0}")]
    Log(#[from] LogError),
    /// A snapshot could not be read or removed.
    #[error("{0}")]
    Snapshot(#[from] SnapshotError),
    /// Dead letters cannot be written.
    #[error("dead_letters: {0}")]
    Letters(String),
    /// The engine stopped.
    #[error("engine: {0}")]
    Engine(#[from] EngineError),
    /// The operating system refused something that every process needs.
    #[error("start the shard: {0}")]
    Start(std::io::Error),
    /// Asked to stop while waiting.
    #[error("asked to stop")]
    Stopped,
}
