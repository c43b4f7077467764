//! One workload on many engines: what it is, who computes it, how it is measured. See `bench/peers/README.md`.

pub mod bare;
pub mod baseline;
pub mod engine;
pub mod generate;
pub mod groups;
pub mod guard;
pub mod measure;
#[cfg(test)]
mod naive;
pub mod plain;
pub mod report;
pub mod runner;
pub mod trie;
pub mod ways;
pub mod workload;
