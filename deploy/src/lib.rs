//! The composition root: the only crate that knows all others, reads the environment and spawns tasks.

pub mod cli;
pub mod client;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod engine;
pub mod event_log;
pub mod exit;
pub mod export;
pub mod input;
pub mod investigator;
pub mod mcp;
pub mod output;
pub mod preview;
pub mod product;
pub mod replay;
pub mod rules;
pub mod schema;
pub mod search;
pub mod serve;
pub mod source;
pub mod state;
pub mod stores;
pub mod telemetry;
pub mod watch;
