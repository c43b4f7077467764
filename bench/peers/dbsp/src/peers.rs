//! The code of the benchmark that this peer shares.

#![allow(dead_code)]

#[path = "../../../src/peers/bare.rs"]
pub mod bare;
#[path = "../../../src/peers/baseline.rs"]
pub mod baseline;
#[path = "../../../src/peers/groups.rs"]
pub mod groups;
#[path = "../../../src/peers/measure.rs"]
pub mod measure;
#[path = "../../../src/peers/trie.rs"]
pub mod trie;
#[path = "../../../src/peers/ways.rs"]
pub mod ways;
#[path = "../../../src/peers/workload.rs"]
pub mod workload;
