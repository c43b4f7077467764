//! The control log in Kafka: a topic with one partition, kept until its owner removes what a snapshot has replaced.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use super::log::ControlLog;
use crate::ingest::kafka::consumer;
use crate::ingest::log::LogError;

/// How long the broker may take for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Appends a record to the topic and waits until the broker has it on all replicas in sync; gives its offset. Producing is
/// not done in this crate.
pub type Append = Box<dyn FnMut(&[u8]) -> Result<i64, String> + Send>;
/// Removes the records of the topic before an offset.
pub type Forget = Box<dyn FnMut(i64) -> Result<(), String> + Send>;

/// A control topic.
pub struct KafkaControl {
    brokers: String,
    topic: String,
    consumer: BaseConsumer,
    append: Append,
    forget: Forget,
    /// Offset that the consumer reads next, once it is assigned.
    next: Option<i64>,
}

impl KafkaControl {
    /// A control topic that exists.
    pub fn connect(brokers: &str, topic: &str, append: Append, forget: Forget) -> Result<Self, LogError> {
        let consumer = consumer(brokers)?;
        let (brokers, topic) = (brokers.to_owned(), topic.to_owned());
        Ok(KafkaControl { brokers, topic, consumer, append, forget, next: None })
    }

    fn unreachable(&self, source: rdkafka::error::KafkaError) -> LogError {
        LogError::Unreachable { brokers: self.brokers.clone(), source }
    }

    fn seek(&mut self, from: i64) -> Result<(), LogError> {
        if self.next == Some(from) {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(&self.topic, 0, Offset::Offset(from))
            .and_then(|()| self.consumer.assign(&list));
        assigned.map_err(|source| self.unreachable(source))?;
        self.next = Some(from);
        Ok(())
    }
}

impl ControlLog for KafkaControl {
    fn append(&mut self, record: &[u8]) -> Result<i64, LogError> {
        (self.append)(record).map_err(LogError::Unknown)
    }

    fn read(&mut self, from: i64) -> Result<Vec<(i64, Vec<u8>)>, LogError> {
        let bounds = self.consumer.fetch_watermarks(&self.topic, 0, PATIENCE);
        let (oldest, end) = bounds.map_err(|source| self.unreachable(source))?;
        let from = from.max(oldest);
        let mut found: Vec<(i64, Vec<u8>)> = Vec::new();
        if end <= from {
            return Ok(found);
        }
        self.seek(from)?;
        let mut begun = Instant::now();
        while self.next.is_some_and(|next| next < end) {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    begun = Instant::now();
                    self.next = Some(message.offset() + 1);
                    found.push((message.offset(), message.payload().unwrap_or_default().to_vec()));
                }
                Some(Err(error)) => tracing::warn!(%error, topic = %self.topic, "control log"),
                None => {}
            }
            if PATIENCE < begun.elapsed() {
                let detail = format!("{} does not give its records up to {end}", self.topic);
                return Err(LogError::Unknown(detail));
            }
        }
        Ok(found)
    }

    fn forget(&mut self, before: i64) -> Result<(), LogError> {
        (self.forget)(before).map_err(LogError::Unknown)
    }
}
