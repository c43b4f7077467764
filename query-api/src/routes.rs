//! One resource per file.

pub(crate) mod changes;
pub(crate) mod health;
pub(crate) mod ingest;
pub(crate) mod investigate;
pub(crate) mod search;
pub(crate) mod views;
