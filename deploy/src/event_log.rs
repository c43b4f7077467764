//! The event log of a configuration: what is read, where decisions stand, where dead letters go, where records are
//! appended.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::http::StatusCode;
use dataflow::control::kafka::KafkaControl;
use dataflow::control::log::ControlLog;
use dataflow::ingest::clock::now;
use dataflow::ingest::embedded::{EmbeddedAppender, EmbeddedLog};
use dataflow::ingest::kafka::KafkaLog;
use dataflow::ingest::log::{EventLog, LogError};
use dataflow::ingest::registry::{ConfluentRegistry, SchemaRegistry};
use query_api::{Append, Appender, Problem};
use schemas::dead_letter::DeadLetterSink;
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::topic::{FAMILIES, topic};
use sinks::control_topic::ControlTopic;
use sinks::dead_letter::DeadLetters;
use sinks::producer::{AppendError, Producer};

use crate::config::EventLogConfig;
use crate::exit::{Cause, Failure};

/// A log, opened.
pub struct Opened {
    /// The reading side.
    pub log: Box<dyn EventLog>,
    /// Where decisions are made durable.
    pub control: Box<dyn ControlLog>,
    /// Where Avro schemas are.
    pub registry: Option<Box<dyn SchemaRegistry>>,
    /// Takes dead letters.
    pub letters: Box<dyn DeadLetterSink>,
    /// Takes records.
    pub append: Appender,
}

/// Opens the log of a configuration. Blocks: call it outside async tasks.
pub fn open(config: EventLogConfig, shard: &str) -> Result<Opened> {
    match config {
        EventLogConfig::Embedded { path, retention_ms } => {
            let log = EmbeddedLog::open(&path, retention_ms).map_err(failure)?;
            Ok(Opened {
                log: Box::new(log.reader(now)),
                control: Box::new(log.control().map_err(failure)?),
                registry: None,
                letters: Box::new(log.clone()),
                append: embedded(EmbeddedAppender::start(log).context("start a thread that appends")?),
            })
        }
        EventLogConfig::Kafka { brokers, registry, tenants } => {
            open_kafka(&brokers, registry, tenants, shard)
        }
    }
}

/// Only the way in for records: for a process that does not read.
pub fn appender(config: EventLogConfig) -> Result<Appender> {
    match config {
        EventLogConfig::Embedded { .. } => {
            Err(Failure::of(Cause::Config, "an embedded log belongs to the process that reads it"))
        }
        EventLogConfig::Kafka { brokers, tenants, .. } => Ok(kafka(producer(&brokers)?, tenants)),
    }
}

fn producer(brokers: &str) -> Result<Producer> {
    Producer::connect(brokers).map_err(|error| {
        let line = format!("producer for {brokers}: {error}; check kafka.brokers");
        Failure::of(Cause::Unreachable, line)
    })
}

fn open_kafka(
    brokers: &str,
    registry: Option<String>,
    tenants: Vec<TenantId>,
    shard: &str,
) -> Result<Opened> {
    let unreachable = |error: String| Failure::of(Cause::Unreachable, error);
    let log = KafkaLog::connect(brokers, &tenants).map_err(failure)?;
    let topics = tenants.iter().flat_map(|tenant| FAMILIES.iter().map(move |family| topic(family, tenant)));
    let topics: Vec<String> = topics.collect();
    let letters =
        DeadLetters::connect(brokers, shard, &topics).map_err(|error| unreachable(error.to_string()))?;
    let producer = producer(brokers)?;
    let registry = match registry {
        Some(url) => Some(Box::new(ConfluentRegistry::at(&url)?) as Box<dyn SchemaRegistry>),
        None => None,
    };
    let control = control(brokers, shard)?;
    Ok(Opened {
        log: Box::new(log),
        control: Box::new(control),
        registry,
        letters: Box::new(letters),
        append: kafka(producer, tenants),
    })
}

/// The control topic of a shard: written by `sinks`, read by the engine.
pub fn control(brokers: &str, shard: &str) -> Result<KafkaControl> {
    let name = format!("kgroot-control-{shard}");
    let topic = ControlTopic::open(brokers, &name)
        .map_err(|error| Failure::of(Cause::Unreachable, error.to_string()))?;
    let topic = Arc::new(topic);
    let forgetting = Arc::clone(&topic);
    let append = Box::new(move |record: &[u8]| topic.append(record).map_err(|error| error.to_string()));
    let forget = Box::new(move |before| forgetting.forget(before).map_err(|error| error.to_string()));
    KafkaControl::connect(brokers, &name, append, forget).map_err(failure)
}

/// A failure with the exit code of a log that cannot be used.
pub fn failure(error: LogError) -> anyhow::Error {
    let cause = match error {
        LogError::Unreachable { .. } => Cause::Unreachable,
        LogError::Open { .. }
        | LogError::Storage(_)
        | LogError::Damaged(_)
        | LogError::Gone { .. }
        | LogError::Unknown(_) => Cause::Input,
    };
    Failure::of(cause, error.to_string())
}

fn unavailable(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "log_unavailable", detail)
}

fn refused(error: AppendError) -> Problem {
    match error {
        AppendError::TooLarge { .. } => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "record_too_large", error.to_string())
        }
        AppendError::Refused { .. } => unavailable(error.to_string()),
    }
}

fn embedded(appender: EmbeddedAppender) -> Appender {
    Arc::new(move |append: Append| {
        let appender = appender.clone();
        Box::pin(async move {
            let topic = topic(append.family, &append.tenant);
            let count = i64::try_from(append.records.len()).unwrap_or(i64::MAX);
            let first = match appender.append(topic.clone(), now(), append.records).await {
                Some(Ok(first)) => first,
                Some(Err(error)) => return Err(unavailable(error.to_string())),
                None => return Err(unavailable("event log: nothing can be appended any more".to_owned())),
            };
            let topic: Arc<str> = topic.into();
            let position =
                |offset| SourcePosition { topic: Arc::clone(&topic), partition: 0, offset, item: 0 };
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
            let places = appended.map_err(refused)?;
            let topic: Arc<str> = topic.into();
            let position = |(partition, offset)| SourcePosition {
                topic: Arc::clone(&topic),
                partition,
                offset,
                item: 0,
            };
            Ok(places.into_iter().map(position).collect())
        })
    })
}
