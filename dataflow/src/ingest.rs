//! Sources: where records come from, and how they become sealed epochs.

pub mod kafka;
pub mod registry;
pub mod source;
