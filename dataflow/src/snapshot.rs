//! Snapshots: what is retained as of an epoch, in files.
//!
//! `format` is the bytes, `disk` the few operations that files need, `folder` the order in which they make a snapshot
//! appear whole or not at all.

pub mod disk;
pub mod folder;
pub mod format;
