//! The exits. Clients of stores, of databases and of Kafka as a target live here and only here.
//!
//! Stores follow the views under one contract ([`store`]): the engine's changes wait in the [`backlog`], and each store is
//! [`follow`]ed by a task of its own. Kafka takes dead letters, the control topic, decisions ([`audit`]), and records that came by HTTP.
//! What the product itself keeps is in [`state`] and [`cache`].

pub mod alerts;
pub mod audit;
pub mod backlog;
pub mod cache;
mod committed;
pub mod control_topic;
pub mod dead_letter;
pub mod document;
pub mod follow;
pub mod index;
pub mod neo4j;
pub mod opensearch;
pub mod parquet;
pub mod producer;
pub mod state;
pub mod store;

/// A Kafka client's settings, to which each adds its own.
fn client(brokers: &str) -> rdkafka::ClientConfig {
    let mut config = rdkafka::ClientConfig::new();
    config.extend(schemas::kafka::CLIENT.map(|(name, value)| (name.to_owned(), value.to_owned())));
    config.set("bootstrap.servers", brokers);
    config
}
