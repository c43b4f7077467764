//! The contract of a control log: one sequence of records, each at an offset that grows.
//!
//! 1. An append that returned an offset is durable, and stands at that offset.
//! 2. An append that failed may or may not stand in the log: whoever appended must begin again from what is there.
//! 3. A read gives everything that stands from an offset on, in order, as of the call.
//! 4. Several processes may append; each sees the same order.
//!
//! Implementors: [`super::kafka::KafkaControl`], `EmbeddedControl` of [`crate::ingest::embedded`], and the simulated one
//! of the proving ground.

use crate::ingest::log::LogError;

/// Where decisions are made durable before anything follows from them.
pub trait ControlLog: Send {
    /// Appends a record; gives its offset once it is durable.
    fn append(&mut self, record: &[u8]) -> Result<i64, LogError>;

    /// All records from an offset on.
    fn read(&mut self, from: i64) -> Result<Vec<(i64, Vec<u8>)>, LogError>;

    /// Removes records before an offset, now or later.
    fn forget(&mut self, before: i64) -> Result<(), LogError>;
}
