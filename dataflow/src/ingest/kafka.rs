//! Kafka as a log: partitions assigned explicitly, read from their beginning, paused by not polling.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, Timestamp, TopicPartitionList};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::time::EventTime;
use schemas::topic::{FAMILIES, topic};

use super::log::{EventLog, LogError, LogRecord};

/// How long the brokers may take to answer a request for metadata.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// A consumer of all topics of some tenants.
pub struct KafkaLog {
    brokers: String,
    consumer: BaseConsumer,
    topics: Vec<(String, TenantId)>,
    assigned: Vec<(String, i32)>,
}

impl KafkaLog {
    /// Connects and assigns what there is; topics that appear later are taken up by [`EventLog::discover`].
    pub fn connect(brokers: &str, tenants: &[TenantId]) -> Result<Self, LogError> {
        let unreachable = |source: KafkaError| LogError::Unreachable { brokers: brokers.to_owned(), source };
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            // Never joined: partitions are assigned. librdkafka wants a name all the same.
            .set("group.id", "kgroot")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("queued.max.messages.kbytes", "65536")
            .create()
            .map_err(unreachable)?;
        let topics = tenants
            .iter()
            .flat_map(|tenant| FAMILIES.iter().map(move |family| (topic(family, tenant), tenant.clone())))
            .collect();
        let mut log = KafkaLog { brokers: brokers.to_owned(), consumer, topics, assigned: Vec::new() };
        log.discover()?;
        Ok(log)
    }

    /// Assigns partitions that are not assigned yet, from their beginning; keeps the place of the others.
    fn assign(&mut self) -> Result<(), KafkaError> {
        let metadata = self.consumer.fetch_metadata(None, METADATA_TIMEOUT)?;
        let mut fresh = Vec::new();
        for topic in metadata.topics().iter().filter(|topic| topic.error().is_none()) {
            let ours = self.topics.iter().any(|(name, _)| name == topic.name());
            let partitions =
                topic.partitions().iter().map(|partition| (topic.name().to_owned(), partition.id()));
            fresh.extend(partitions.filter(|place| ours && !self.assigned.contains(place)));
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition) in &fresh {
            list.add_partition_offset(topic, *partition, Offset::Beginning)?;
        }
        self.consumer.incremental_assign(&list)?;
        self.assigned.extend(fresh);
        Ok(())
    }
}

impl EventLog for KafkaLog {
    fn discover(&mut self) -> Result<(), LogError> {
        self.assign().map_err(|source| LogError::Unreachable { brokers: self.brokers.clone(), source })
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<LogRecord>, LogError> {
        let Some(polled) = self.consumer.poll(wait) else { return Ok(None) };
        match polled {
            Ok(message) => {
                let known = self.topics.iter().find(|(name, _)| name == message.topic());
                let Some((_, tenant)) = known else { return Ok(None) };
                let position = SourcePosition {
                    topic: message.topic().to_owned(),
                    partition: message.partition(),
                    offset: message.offset(),
                    item: 0,
                };
                let appended = match message.timestamp() {
                    Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => EventTime::from_ms(ms).ok(),
                    Timestamp::NotAvailable => None,
                };
                let bytes = |part: Option<&[u8]>| part.unwrap_or_default().to_vec();
                Ok(Some(LogRecord {
                    tenant: tenant.clone(),
                    position,
                    appended,
                    key: bytes(message.key()),
                    value: bytes(message.payload()),
                }))
            }
            Err(error) => {
                // librdkafka reconnects by itself; a partition is not skipped.
                tracing::warn!(%error, "kafka consumer");
                Ok(None)
            }
        }
    }
}
