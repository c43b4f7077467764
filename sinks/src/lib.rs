//! The exits. Clients of stores and of Kafka as a target live here and only here.
//!
//! In this version there are dead letters, the control topic, and records taken in for Kafka. The stores follow under one contract
//! (see docs/architecture.md).

pub mod control_topic;
pub mod dead_letter;
pub mod producer;

/// A Kafka client's settings, to which each adds its own.
fn client(brokers: &str) -> rdkafka::ClientConfig {
    let mut config = rdkafka::ClientConfig::new();
    config.extend(schemas::kafka::CLIENT.map(|(name, value)| (name.to_owned(), value.to_owned())));
    config.set("bootstrap.servers", brokers);
    config
}
