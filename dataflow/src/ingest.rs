//! Sources: where records come from, and how they become sealed epochs.

pub mod embedded;
pub mod kafka;
pub mod log;
mod registry;
pub mod source;
