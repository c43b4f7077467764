//! Dead letters: refused records, with their original bytes, to `{topic}.dlq`.
//!
//! Key     that of the original record.
//! Order   per original partition; the producer is idempotent.
//! Repeat  after a crash, letters come again; those that stand in their topic already are known by the position in their
//!         headers and are not written again. A process that was taken over while it wrote may leave a letter twice:
//!         a reader tells by the same headers.
//! Limits  the producer's queue; when it is full, sending waits. The positions known are those that the topics keep.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use schemas::dead_letter::{DeadLetter, DeadLetterSink, POSITION_HEADERS, SUFFIX};
use schemas::ids::hash64;

/// How long a full queue, a flush or a read may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why letters cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("dead letters of {brokers}: {source}; check kafka.brokers")]
pub struct DeadLetterError {
    brokers: String,
    source: KafkaError,
}

/// Writes dead letters to Kafka.
pub struct DeadLetters {
    producer: BaseProducer,
    /// Hashes of the positions of letters that stand in their topics.
    known: BTreeSet<u64>,
}

impl DeadLetters {
    /// Learns which letters of some topics stand already.
    pub fn connect(brokers: &str, topics: &[String]) -> Result<Self, DeadLetterError> {
        let failed = |source| DeadLetterError { brokers: brokers.to_owned(), source };
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // A letter is never given up: a flush waits for it.
            .set("message.timeout.ms", "0")
            .create()
            .map_err(failed)?;
        let letters: Vec<String> = topics.iter().map(|topic| format!("{topic}{SUFFIX}")).collect();
        Ok(DeadLetters { producer, known: standing(brokers, &letters).map_err(failed)? })
    }

    fn produce(&self, letter: &DeadLetter) -> Result<(), KafkaError> {
        let topic = letter.topic();
        let fields = letter.headers();
        let headers = fields.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(value) })
        });
        let mut record = BaseRecord::to(&topic).key(&letter.key).payload(&letter.value).headers(headers);
        let begun = Instant::now();
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if begun.elapsed() < PATIENCE =>
                {
                    record = back;
                    self.producer.poll(Duration::from_millis(100));
                }
                Err((source, _)) => return Err(source),
            }
        }
    }
}

impl DeadLetterSink for DeadLetters {
    fn send(&mut self, letter: &DeadLetter) -> Result<(), String> {
        let place =
            hash64(&letter.headers().iter().filter(at).map(|(_, v)| v.as_bytes()).collect::<Vec<_>>());
        if self.known.contains(&place) {
            return Ok(());
        }
        self.produce(letter).map_err(|error| format!("{}: {error}", letter.topic()))?;
        self.producer.poll(Duration::ZERO);
        self.known.insert(place);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        self.producer.flush(PATIENCE).map_err(|error| error.to_string())
    }
}

impl Drop for DeadLetters {
    /// Letters still in the queue are delivered before the process ends.
    fn drop(&mut self) {
        // Nobody is left to tell: the broker has had its time.
        let _flushed = self.producer.flush(PATIENCE);
    }
}

/// Whether a header says which record a letter is about.
fn at((name, _): &&(&str, String)) -> bool {
    POSITION_HEADERS.contains(name)
}

/// Positions of the letters that stand in some topics.
fn standing(brokers: &str, topics: &[String]) -> Result<BTreeSet<u64>, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "kgroot-dead-letters")
        .set("enable.auto.commit", "false")
        .create()?;
    let metadata = consumer.fetch_metadata(None, PATIENCE)?;
    let mut list = TopicPartitionList::new();
    let mut missing = 0;
    for topic in metadata.topics().iter().filter(|topic| topics.iter().any(|name| name == topic.name())) {
        for partition in topic.partitions() {
            let (oldest, end) = consumer.fetch_watermarks(topic.name(), partition.id(), PATIENCE)?;
            if oldest < end {
                list.add_partition_offset(topic.name(), partition.id(), Offset::Offset(oldest))?;
                missing += end - oldest;
            }
        }
    }
    let mut known = BTreeSet::new();
    consumer.assign(&list)?;
    let mut heard = Instant::now();
    while 0 < missing {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                missing -= 1;
                known.extend(place(&message));
            }
            Some(Err(error)) => tracing::warn!(%error, "dead letters"),
            None => {}
        }
        if PATIENCE < heard.elapsed() {
            return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
        }
    }
    Ok(known)
}

/// The position that a letter in its topic is about.
fn place(message: &BorrowedMessage<'_>) -> Option<u64> {
    let headers = message.headers()?;
    let value = |name: &&str| headers.iter().find(|header| header.key == *name)?.value;
    let parts: Option<Vec<&[u8]>> = POSITION_HEADERS.iter().map(value).collect();
    Some(hash64(&parts?))
}
