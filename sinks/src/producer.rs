//! Records that came by HTTP, appended to Kafka topics.
//!
//! Key     none: a webhook has none.
//! Order   as given, per partition; the producer is idempotent.
//! Repeat  a sender that got no answer sends again; the engine knows the copy by its ingest id.
//! Limits  the producer's queue; a record that is not taken in ten seconds is refused, and the sender told.

use std::time::Duration;

use futures_util::future::try_join_all;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::client;

/// How long the broker may take.
const PATIENCE_MS: u64 = 10_000;

/// Why a record is not in the log.
#[derive(Debug, thiserror::Error)]
#[error("Kafka did not take records for {topic}: {source}; send them again")]
pub struct AppendError {
    topic: String,
    source: KafkaError,
}

/// Appends to Kafka. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    producer: FutureProducer,
}

impl Producer {
    /// A producer; it connects in the background.
    pub fn connect(brokers: &str) -> Result<Self, KafkaError> {
        let producer = client(brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", PATIENCE_MS.to_string())
            .create()?;
        Ok(Producer { producer })
    }

    /// Appends records; gives partition and offset of each.
    pub async fn append(&self, topic: &str, records: &[Vec<u8>]) -> Result<Vec<(i32, i64)>, AppendError> {
        let sent = records.iter().map(async |value| {
            let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic).payload(value);
            self.producer.send(record, Duration::from_millis(PATIENCE_MS)).await
        });
        let delivered = try_join_all(sent).await;
        let delivered = delivered.map_err(|(source, _)| AppendError { topic: topic.to_owned(), source })?;
        Ok(delivered.into_iter().map(|delivery| (delivery.partition, delivery.offset)).collect())
    }
}
