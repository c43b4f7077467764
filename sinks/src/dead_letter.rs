//! Dead letters: refused records, with their original bytes, to `{topic}.dlq`.
//!
//! Key     that of the original record.
//! Order   per original partition.
//! Repeat  never: letters are written in transactions of one id for each shard, so that whoever begins to write ends what
//!         others with the id had begun and keeps them from writing more; then it reads which letters stand, by the
//!         position in their headers, and does not write those again. Readers that read what is committed see each once.
//! Limits  the producer's queue; when it is full, sending waits. The positions known are those that the topics keep.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::dead_letter::{DeadLetter, DeadLetterSink, POSITION_HEADERS, SUFFIX};
use schemas::ids::hash64;

use crate::{client, committed};

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
    brokers: String,
    id: String,
    topics: Vec<String>,
    writer: Writer,
}

/// A producer, from its beginning until it may write no more.
struct Writer {
    producer: BaseProducer,
    stage: Stage,
    /// Hashes of the positions of letters that stand in their topics.
    known: BTreeSet<u64>,
    /// Those of the transaction that is not committed yet.
    sent: BTreeSet<u64>,
}

/// How far a transaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// None is begun.
    None,
    /// Letters go into it.
    Begun,
    /// It is to be committed; the broker has not said that it is.
    Committing,
    /// It is to be given up.
    Aborting,
    /// Another process writes now.
    Over,
}

impl DeadLetters {
    /// Becomes the one writer of a shard, and learns which letters of some topics stand already.
    pub fn connect(brokers: &str, shard: &str, topics: &[String]) -> Result<Self, DeadLetterError> {
        let id = format!("kgroot-letters-{shard}");
        let topics: Vec<String> = topics.iter().map(|topic| format!("{topic}{SUFFIX}")).collect();
        let failed = |source| DeadLetterError { brokers: brokers.to_owned(), source };
        let writer = Writer::begin(brokers, &id, &topics).map_err(failed)?;
        Ok(DeadLetters { brokers: brokers.to_owned(), id, topics, writer })
    }
}

impl Writer {
    fn begin(brokers: &str, id: &str, topics: &[String]) -> Result<Self, KafkaError> {
        let producer: BaseProducer = client(brokers).set("transactional.id", id).create()?;
        // From here on nobody else writes: what stands is all there is.
        producer.init_transactions(PATIENCE)?;
        let known = standing(brokers, topics)?;
        Ok(Writer { producer, stage: Stage::None, known, sent: BTreeSet::new() })
    }

    /// Takes a letter into the transaction, unless it stands already.
    fn send(&mut self, letter: &DeadLetter) -> Result<(), KafkaError> {
        let place =
            hash64(&letter.headers().iter().filter(at).map(|(_, v)| v.as_bytes()).collect::<Vec<_>>());
        match self.stage {
            Stage::Committing => self.commit()?,
            Stage::Aborting => self.abort()?,
            Stage::None | Stage::Begun | Stage::Over => {}
        }
        if self.known.contains(&place) || self.sent.contains(&place) {
            return Ok(());
        }
        if self.stage == Stage::None {
            self.producer.begin_transaction().inspect_err(|error| self.note(error))?;
            self.stage = Stage::Begun;
        }
        self.produce(letter).inspect_err(|error| self.note(error))?;
        self.producer.poll(Duration::ZERO);
        self.sent.insert(place);
        Ok(())
    }

    /// Commits what was sent; after an error it is tried again, or the letters are sent again.
    fn commit(&mut self) -> Result<(), KafkaError> {
        match self.stage {
            Stage::None => return Ok(()),
            Stage::Begun | Stage::Committing => self.stage = Stage::Committing,
            Stage::Aborting | Stage::Over => return Err(KafkaError::Canceled),
        }
        self.producer.commit_transaction(PATIENCE).inspect_err(|error| self.note(error))?;
        self.known.append(&mut self.sent);
        self.stage = Stage::None;
        Ok(())
    }

    /// Gives up what was sent.
    fn abort(&mut self) -> Result<(), KafkaError> {
        self.producer.abort_transaction(PATIENCE).inspect_err(|error| self.note(error))?;
        self.sent.clear();
        self.stage = Stage::None;
        Ok(())
    }

    /// What an error means for the transaction.
    fn note(&mut self, error: &KafkaError) {
        if self.producer.client().fatal_error().is_some() {
            self.stage = Stage::Over;
        } else if let KafkaError::Transaction(error) = error
            && error.txn_requires_abort()
        {
            self.stage = Stage::Aborting;
        }
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
        if self.writer.stage == Stage::Over {
            // Whoever sends all the same is the owner, and the other one is not or is no more.
            let begun = Writer::begin(&self.brokers, &self.id, &self.topics);
            self.writer = begun.map_err(|error| format!("{}: {error}", self.id))?;
        }
        self.writer.send(letter).map_err(|error| format!("{}: {error}", letter.topic()))
    }

    fn flush(&mut self) -> Result<(), String> {
        self.writer.commit().map_err(|error| format!("{}: {error}", self.id))
    }
}

/// Whether a header says which record a letter is about.
fn at((name, _): &&(&str, String)) -> bool {
    POSITION_HEADERS.contains(name)
}

/// Positions of the letters that stand in some topics: those of transactions that were committed.
fn standing(brokers: &str, topics: &[String]) -> Result<BTreeSet<u64>, KafkaError> {
    let mut known = BTreeSet::new();
    committed::read(brokers, topics, |message| known.extend(place(message)))?;
    Ok(known)
}

/// The position that a letter in its topic is about.
fn place(message: &BorrowedMessage<'_>) -> Option<u64> {
    let headers = message.headers()?;
    let value = |name: &&str| headers.iter().find(|header| header.key == *name)?.value;
    let parts: Option<Vec<&[u8]>> = POSITION_HEADERS.iter().map(value).collect();
    Some(hash64(&parts?))
}
