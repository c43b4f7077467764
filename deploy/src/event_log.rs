//! The event log of a configuration: what is read, where records are appended, where dead letters go.

use std::sync::Arc;

use anyhow::Result;
use axum::http::StatusCode;
use dataflow::ingest::embedded::EmbeddedLog;
use dataflow::ingest::kafka::KafkaLog;
use dataflow::ingest::log::{EventLog, LogError};
use dataflow::ingest::source::now;
use query_api::{Append, Appender, Problem};
use schemas::dead_letter::DeadLetter;
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::topic::topic;
use sinks::dead_letter::DeadLetters;
use sinks::producer::Producer;

use crate::config::EventLogConfig;
use crate::exit::{Cause, Failure};

/// A log, opened.
pub struct Opened {
    /// The reading side.
    pub log: Box<dyn EventLog>,
    /// Where Avro schemas are.
    pub registry: Option<String>,
    /// Takes dead letters.
    pub bury: Box<dyn Fn(&DeadLetter) -> Result<(), String> + Send>,
    /// Takes records.
    pub append: Appender,
}

/// Opens the log of a configuration.
pub fn open(config: EventLogConfig) -> Result<Opened> {
    match config {
        EventLogConfig::Embedded { path, retention_ms } => {
            let log = EmbeddedLog::open(&path, retention_ms).map_err(failure)?;
            let letters = log.clone();
            Ok(Opened {
                log: Box::new(log.reader(now)),
                registry: None,
                bury: Box::new(move |letter| letters.bury(letter).map_err(|error| error.to_string())),
                append: embedded(log),
            })
        }
        EventLogConfig::Kafka { brokers, registry, tenants } => {
            let log = KafkaLog::connect(&brokers, &tenants).map_err(failure)?;
            let unreachable = |error: String| Failure::of(Cause::Unreachable, error);
            let letters = DeadLetters::connect(&brokers).map_err(|error| unreachable(error.to_string()))?;
            let producer = Producer::connect(&brokers).map_err(|error| {
                unreachable(format!("producer for {brokers}: {error}; check kafka.brokers"))
            })?;
            Ok(Opened {
                log: Box::new(log),
                registry,
                bury: Box::new(move |letter| letters.send(letter).map_err(|error| error.to_string())),
                append: kafka(producer, tenants),
            })
        }
    }
}

fn failure(error: LogError) -> anyhow::Error {
    let cause = match error {
        LogError::Unreachable { .. } => Cause::Unreachable,
        LogError::Open { .. } | LogError::Storage(_) | LogError::Damaged(_) => Cause::Input,
    };
    Failure::of(cause, error.to_string())
}

fn unavailable(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", detail)
}

fn embedded(log: EmbeddedLog) -> Appender {
    Arc::new(move |append: Append| {
        let log = log.clone();
        Box::pin(async move {
            let topic = topic(append.family, &append.tenant);
            let count = i64::try_from(append.records.len()).unwrap_or(i64::MAX);
            // It waits for the disk.
            let name = topic.clone();
            let appended =
                tokio::task::spawn_blocking(move || log.append(&name, now(), &append.records)).await;
            let first = match appended {
                Ok(Ok(first)) => first,
                Ok(Err(error)) => return Err(unavailable(error.to_string())),
                Err(error) => return Err(unavailable(format!("event log: {error}"))),
            };
            let position = |offset| SourcePosition { topic: topic.clone(), partition: 0, offset, item: 0 };
            Ok((first..first + count).map(position).collect())
        })
    })
}

fn kafka(producer: Producer, tenants: Vec<TenantId>) -> Appender {
    Arc::new(move |append: Append| {
        let (producer, known) = (producer.clone(), tenants.contains(&append.tenant));
        Box::pin(async move {
            if !known {
                let detail = format!("no topics of tenant {} are read; see kafka.tenants", append.tenant);
                return Err(Problem::new(StatusCode::NOT_FOUND, "tenant_unknown", detail));
            }
            let topic = topic(append.family, &append.tenant);
            let appended = producer.append(&topic, &append.records).await;
            let places = appended.map_err(|error| unavailable(error.to_string()))?;
            let position =
                |(partition, offset)| SourcePosition { topic: topic.clone(), partition, offset, item: 0 };
            Ok(places.into_iter().map(position).collect())
        })
    })
}
