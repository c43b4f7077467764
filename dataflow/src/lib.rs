//! The engine: sealed epochs in, live views out. The only crate that knows timely and differential.
//!
//! In reading order: what it is told ([`config`]), what it is fed ([`arrival`]), how arrivals get an epoch (`seal`),
//! the whole computation on one page (`graph`), the operators, the way out (`publish`, `views`), and the handle that
//! the rest of the program holds ([`engine`]). What the views contain is defined in docs/semantics.md.

pub mod arrival;
mod capture;
pub mod config;
pub mod control;
pub mod engine;
pub mod feed;
mod graph;
pub mod ingest;
mod keyed;
mod named_fact;
mod names;
mod numbered;
mod operators;
mod ordered;
mod priority;
mod publish;
mod retained;
mod rows;
pub mod seal;
pub mod shard;
pub mod snapshot;
mod types;
mod values;
mod views;
mod worker;
