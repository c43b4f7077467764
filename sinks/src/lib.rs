//! The exits. Clients of stores and of Kafka as a target live here and only here.
//!
//! In this version there are dead letters, the control topic, and records taken in for Kafka. The stores follow under one contract
//! (see docs/architecture.md).

pub mod control_topic;
pub mod dead_letter;
pub mod producer;
