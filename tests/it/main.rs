//! Behavior of the whole program. One binary: it links the engine once.

// A test panics where production code returns an error.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod api;
mod approvals;
mod asking;
mod audit;
mod cache;
mod cluster;
mod collectors;
mod decisions;
mod demo;
mod embedded;
mod equipped;
mod event_log;
mod export;
mod faults;
mod feedback;
mod guard;
mod histories;
mod hostile;
mod kafka;
mod kills;
mod lasting;
mod log_search;
mod mcp;
mod measured;
mod named_errors;
mod parquet;
mod program;
mod prometheus;
mod proving;
mod rules;
mod scenarios;
mod schema;
mod search;
mod senders;
mod spans;
mod state;
mod stores;
mod storm;
mod switches;
mod tidy;
mod watching;
