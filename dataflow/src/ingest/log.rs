//! The contract of an event log: partitions of records, each at an offset that grows, read in that order.
//!
//! 1. A record that was acknowledged to its producer is read, whatever happens to the process.
//! 2. Records of a partition are read in the order of their offsets; none is skipped, none comes twice.
//! 3. Reading begins at the oldest record that is kept.
//! 4. A topic that appears later is read once [`EventLog::discover`] was called.
//! 5. The value is the bytes that the producer sent.
//!
//! Two implementors: [`super::kafka::KafkaLog`] and [`super::embedded::EmbeddedLog`]. One suite tests both
//! (`tests/it/event_log.rs`).

use std::time::Duration;

use rdkafka::error::KafkaError;
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
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

/// Where records are read from.
pub trait EventLog: Send {
    /// Takes up topics and partitions that are new, from their oldest record.
    fn discover(&mut self) -> Result<(), LogError>;

    /// The next record, if one comes in time.
    fn poll(&mut self, wait: Duration) -> Result<Option<LogRecord>, LogError>;
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
    #[error("event log {path}: {source}; is another kgroot using it? choose another with log.path")]
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
}
