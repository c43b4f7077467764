//! The control log: what was decided, made durable before anything follows from it.
//!
//! `record` says what is decided, `ledger` which of it counts, `log` where it is kept. The protocol that uses them is in
//! `shard.rs`; docs/delivery.md says what it guarantees.

pub mod kafka;
pub(crate) mod ledger;
pub mod log;
pub mod record;
