//! Dead letters: refused records, with their original bytes, to `{topic}.dlq`.
//!
//! Key     that of the original record.
//! Order   per original partition; the producer is idempotent.
//! Repeat  one letter per position and process run: the source hands over each reject of an epoch once. After a crash
//!         the unsealed part of the log is read again, so that a letter can repeat; its position headers tell.
//! Limits  the producer's queue; when it is full, sending waits, and with it the source.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::dead_letter::DeadLetter;

/// How long a full queue or a flush may take before the letter counts as not sent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why letters cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// The producer could not be made: the configuration is wrong.
    #[error("dead-letter producer for {brokers}: {source}; check kafka.brokers")]
    Connect {
        /// Brokers asked.
        brokers: String,
        /// The client's words.
        source: KafkaError,
    },
    /// The broker did not take a letter in time.
    #[error("could not write a dead letter to {topic}: {source}")]
    Send {
        /// Topic of the letter.
        topic: String,
        /// The client's words.
        source: KafkaError,
    },
}

/// Writes dead letters to Kafka.
pub struct DeadLetters {
    producer: BaseProducer,
}

impl DeadLetters {
    /// A producer; it connects in the background.
    pub fn connect(brokers: &str) -> Result<Self, DeadLetterError> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .create();
        let producer =
            producer.map_err(|source| DeadLetterError::Connect { brokers: brokers.to_owned(), source })?;
        Ok(DeadLetters { producer })
    }

    /// Hands one letter to the producer, and waits while its queue is full.
    pub fn send(&self, letter: &DeadLetter) -> Result<(), DeadLetterError> {
        let topic = letter.topic();
        let fields = letter.headers();
        let headers = fields.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let mut record = BaseRecord::to(&topic).key(&letter.key).payload(&letter.value).headers(headers);
        let mut waited = Duration::ZERO;
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if waited < PATIENCE =>
                {
                    record = back;
                    waited += Duration::from_millis(100);
                    self.producer.poll(Duration::from_millis(100));
                }
                Err((source, _)) => return Err(DeadLetterError::Send { topic, source }),
            }
        }
        self.producer.poll(Duration::ZERO);
        Ok(())
    }
}

impl Drop for DeadLetters {
    /// Letters still in the queue are delivered before the process ends.
    fn drop(&mut self) {
        // Nobody is left to tell: the broker has had its time.
        let _flushed = self.producer.flush(PATIENCE);
    }
}
