//! The contract of an event log: partitions of records, each at an offset that grows.
//!
//! 1. A record that was acknowledged to its producer is read, whatever happens to the process.
//! 2. Records of a partition are read in the order of their offsets; none is skipped, none comes twice.
//! 3. Reading begins where [`EventLog::assign`] says; what is not there any more is an error, never a gap.
//! 4. The same offset holds the same bytes, always.
//! 5. The value is the bytes that the producer sent.
//!
//! Implementors: [`super::kafka::KafkaLog`] and [`super::embedded::EmbeddedReader`], which one suite tests
//! (`tests/it/event_log.rs`), and the simulated one of the proving ground.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::error::KafkaError;
use schemas::ids::TenantId;
use schemas::position::{Partition, SourcePosition};
use schemas::time::EventTime;

/// A record of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Whose it is, by its topic.
    pub tenant: TenantId,
    /// Where it stands.
    pub position: SourcePosition,
    /// When the log took it.
    pub appended: Option<EventTime>,
    /// The producer's key.
    pub key: Vec<u8>,
    /// The producer's bytes.
    pub value: Vec<u8>,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Offset of the oldest record that is kept; `end` when none is.
    pub oldest: i64,
    /// Offset that the next record will get.
    pub end: i64,
}

/// Where records are read from.
pub trait EventLog: Send {
    /// The partitions that exist and are read here.
    fn partitions(&mut self) -> Result<Vec<Partition>, LogError>;

    /// What a partition holds now.
    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, LogError>;

    /// Begins to read partitions, each at an offset. They were not assigned before.
    fn assign(&mut self, places: &BTreeMap<Partition, i64>) -> Result<(), LogError>;

    /// Assigned partitions that may have records at hand: all that have some, perhaps others.
    fn ready(&mut self) -> Vec<Partition>;

    /// The next records of an assigned partition that are at hand, at most `limit`, none if none is.
    fn read(&mut self, partition: &Partition, limit: usize) -> Result<Vec<LogRecord>, LogError>;

    /// Waits until there may be records that [`EventLog::ready`] has not told of, or until the time is over.
    fn wait(&mut self, at_most: Duration);
}

/// Why a log cannot be read or written, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The brokers do not answer: try again later, or correct the address.
    #[error("Kafka at {brokers} is not reachable: {source}; check kafka.brokers")]
    Unreachable {
        /// Brokers asked.
        brokers: String,
        /// The client's words.
        source: KafkaError,
    },
    /// The embedded log cannot be opened: another process has it, or the folder is not ours to write.
    #[error("event log {path}: {source}; is another kgroot using it? choose another folder with data")]
    Open {
        /// Folder of the log.
        path: String,
        /// The store's words.
        source: fjall::Error,
    },
    /// The disk failed under the log: nothing more may be acknowledged.
    #[error("event log: {0}; check the disk")]
    Storage(#[from] fjall::Error),
    /// A stored record is not one: the files were changed from outside.
    #[error("event log: the record at {0} is damaged; restore the folder, or start a new one")]
    Damaged(SourcePosition),
    /// Records that were not read yet are gone.
    #[error(
        "{partition}: offset {wanted} is not there any more; the log was truncated or its retention is too short"
    )]
    Gone {
        /// Partition.
        partition: Partition,
        /// Offset that was to be read.
        wanted: i64,
    },
    /// A record was appended and it is not known whether the log has it.
    #[error("control log: {0}; whether the record was taken is not known")]
    Unknown(String),
}
