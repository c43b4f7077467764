//! The topic of a control log: one partition, appended with every replica's word, kept until its owner removes records.
//!
//! Key     none.
//! Order   that of the one partition; one append at a time.
//! Repeat  an append that failed may stand in the log; its owner then begins again from what is there.
//! Limits  an append that the brokers do not confirm in ten seconds has failed.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use crate::client;

/// How long the brokers may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why the topic cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("control topic {topic}: {problem}")]
pub struct ControlTopicError {
    topic: String,
    problem: String,
}

/// The writing side of a control topic.
pub struct ControlTopic {
    topic: String,
    producer: FutureProducer,
    admin: AdminClient<DefaultClientContext>,
    runtime: Runtime,
}

impl ControlTopic {
    /// Makes the topic, unless it exists.
    pub fn open(brokers: &str, topic: &str) -> Result<Self, ControlTopicError> {
        let failed = |problem: String| ControlTopicError { topic: topic.to_owned(), problem };
        let kafka = |error: KafkaError| failed(format!("{error}; check kafka.brokers"));
        let mut client = client(brokers);
        let admin: AdminClient<_> = client.create().map_err(kafka)?;
        let producer = client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string())
            .create()
            .map_err(kafka)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        // The cluster's own replication, and no removal by age or key.
        let new = NewTopic::new(topic, 1, TopicReplication::Fixed(-1))
            .set("cleanup.policy", "delete")
            .set("retention.ms", "-1")
            .set("retention.bytes", "-1");
        let made = runtime.block_on(admin.create_topics([&new], &options())).map_err(kafka)?;
        for result in made {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(failed(format!("could not be made: {code}"))),
            }
        }
        Ok(ControlTopic { topic: topic.to_owned(), producer, admin, runtime })
    }

    /// Appends a record; gives its offset.
    pub fn append(&self, record: &[u8]) -> Result<i64, ControlTopicError> {
        let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&self.topic).partition(0).payload(record);
        let sent = self.runtime.block_on(self.producer.send(record, PATIENCE));
        sent.map(|delivery| delivery.offset).map_err(|(error, _)| self.failed(&error))
    }

    /// Removes records before an offset.
    pub fn forget(&self, before: i64) -> Result<(), ControlTopicError> {
        let mut list = TopicPartitionList::new();
        let added = list.add_partition_offset(&self.topic, 0, Offset::Offset(before));
        added.map_err(|error| self.failed(&error))?;
        let removed = self.runtime.block_on(self.admin.delete_records(&list, &options()));
        removed.map(drop).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &KafkaError) -> ControlTopicError {
        ControlTopicError { topic: self.topic.clone(), problem: error.to_string() }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE))
}
