//! Kafka as a log: partitions assigned explicitly, read from their beginning, paused by not polling.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{ClientConfig, Offset, Timestamp, TopicPartitionList};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::time::EventTime;

use super::source::{LogRecord, SourceError};

/// Topic families of a tenant; the topic is `{family}-{tenant}`.
pub const FAMILIES: [&str; 7] =
    ["k8s-events", "datadog-metrics", "argo-logs", "github-cicd", "slack-incidents", "prometheus", "otel"];
/// How long the brokers may take to answer a request for metadata.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// A consumer of all topics of some tenants.
pub(crate) struct KafkaLog {
    consumer: BaseConsumer,
    topics: Vec<(String, TenantId)>,
    assigned: Vec<(String, i32)>,
}

impl KafkaLog {
    /// Connects and assigns what there is; topics that appear later are taken up by [`KafkaLog::discover`].
    pub(crate) fn connect(brokers: &str, tenants: &[TenantId]) -> Result<Self, SourceError> {
        let unreachable =
            |source: KafkaError| SourceError::Unreachable { brokers: brokers.to_owned(), source };
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
            .flat_map(|tenant| {
                FAMILIES.iter().map(move |family| (format!("{family}-{tenant}"), tenant.clone()))
            })
            .collect();
        let mut log = KafkaLog { consumer, topics, assigned: Vec::new() };
        log.discover().map_err(unreachable)?;
        Ok(log)
    }

    /// Assigns partitions that are not assigned yet, from their beginning; keeps the place of the others.
    pub(crate) fn discover(&mut self) -> Result<(), KafkaError> {
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

    /// The next record, if one comes in time.
    pub(crate) fn poll(&self, wait: Duration) -> Option<LogRecord> {
        match self.consumer.poll(wait)? {
            Ok(message) => {
                let (_, tenant) = self.topics.iter().find(|(name, _)| name == message.topic())?;
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
                Some(LogRecord {
                    tenant: tenant.clone(),
                    position,
                    appended,
                    key: bytes(message.key()),
                    value: bytes(message.payload()),
                })
            }
            Err(error) => {
                // librdkafka reconnects by itself; a partition is not skipped.
                tracing::warn!(%error, "kafka consumer");
                None
            }
        }
    }
}
