//! The exits. Clients of stores and of Kafka as a target live here and only here.
//!
//! In this version one exit exists: dead letters. The stores follow under one contract (see docs/architecture.md).

pub mod dead_letter;
