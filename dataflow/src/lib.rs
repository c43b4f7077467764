//! The engine: sealed epochs in, live views out.

pub mod config;
pub mod arrival;
pub mod engine;
