//! Records that came by HTTP, appended to Kafka topics.
//!
//! Key     none: a webhook has none.
//! Order   as given, per partition; the producer is idempotent.
//! Repeat  a sender that got no answer sends again; the engine knows the copy by its ingest id.
//! Limits  the producer's queue; a record that is not taken in ten seconds is refused, and the sender told. How long one may be
//!         says its topic.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseRecord, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::client;

/// How long the broker may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for room in the producer's queue before it is looked at again.
const ROOM_WAIT: Duration = Duration::from_millis(20);
/// Longest record that is offered: more than a body by HTTP may have. What is taken the topic says.
const RECORD_BYTES_MAX: &str = "20000000";

/// Why a record is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It would not be taken another time either.
    #[error(
        "{topic} takes no record as long as this one; send fewer at once, or raise its max.message.bytes"
    )]
    TooLarge {
        /// Which topic.
        topic: String,
    },
    /// To be sent again.
    #[error("Kafka did not take records for {topic}: {source}; send them again")]
    Refused {
        /// Which topic.
        topic: String,
        /// What it said.
        source: KafkaError,
    },
}

impl AppendError {
    fn of(topic: String, source: KafkaError) -> AppendError {
        match source {
            KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => {
                AppendError::TooLarge { topic }
            }
            source => AppendError::Refused { topic, source },
        }
    }
}

/// Partition and offset of a record.
type Position = (i32, i64);

/// Appends to Kafka. Cheap to clone.
#[derive(Clone)]
pub struct Producer {
    producer: ThreadedProducer<Deliveries>,
}

/// Hears what became of each record.
struct Deliveries;

/// Records that are appended together, and answered for once: a future for each of them cost as much as sending it.
struct Batch {
    /// As many as there are records, in their order.
    positions: Vec<Position>,
    /// Records of which nothing was heard yet.
    left: usize,
    done: Option<oneshot::Sender<Result<Vec<Position>, KafkaError>>>,
}

/// One of them.
struct Sent {
    index: usize,
    batch: Arc<Mutex<Batch>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let position = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        sent.batch.lock().unwrap_or_else(PoisonError::into_inner).heard(sent.index, position);
    }
}

impl Batch {
    /// Answers when the last record was taken, or the first one refused.
    fn heard(&mut self, index: usize, position: Result<Position, KafkaError>) {
        self.left -= 1;
        let answer = match position {
            Ok(position) => {
                self.positions[index] = position;
                if 0 < self.left {
                    return;
                }
                Ok(std::mem::take(&mut self.positions))
            }
            Err(error) => Err(error),
        };
        if let Some(done) = self.done.take() {
            // Whoever stopped waiting is not told.
            let _told = done.send(answer);
        }
    }
}

impl Producer {
    /// A producer; it connects in the background.
    pub fn connect(brokers: &str) -> Result<Self, KafkaError> {
        let producer = client(brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.max.bytes", RECORD_BYTES_MAX)
            .set("message.timeout.ms", PATIENCE.as_millis().to_string())
            .create_with_context(Deliveries)?;
        Ok(Producer { producer })
    }

    /// Appends records; gives partition and offset of each.
    pub async fn append(&self, topic: &str, records: &[Vec<u8>]) -> Result<Vec<(i32, i64)>, AppendError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |source| AppendError::of(topic.to_owned(), source);
        let (done, mut answer) = oneshot::channel();
        let (positions, left) = (vec![(0, 0); records.len()], records.len());
        let batch = Arc::new(Mutex::new(Batch { positions, left, done: Some(done) }));
        let handed = async {
            let until = Instant::now() + PATIENCE;
            for (index, value) in records.iter().enumerate() {
                let sent = Box::new(Sent { index, batch: Arc::clone(&batch) });
                let record: BaseRecord<'_, [u8], [u8], _> = BaseRecord::with_opaque_to(topic, sent);
                self.send(record.payload(value), until).await?;
            }
            Ok(())
        };
        // One that is refused while others wait for room answers for all.
        let early = tokio::select! {
            biased;
            answered = &mut answer => Some(answered),
            handed = handed => handed.map(|()| None).map_err(failed)?,
        };
        let answered = match early {
            Some(answered) => answered,
            None => answer.await,
        };
        // It is lost with the producer only.
        answered.unwrap_or(Err(KafkaError::Canceled)).map_err(failed)
    }

    /// Hands a record to the client, as soon as there is room for it.
    async fn send(
        &self,
        mut record: BaseRecord<'_, [u8], [u8], Box<Sent>>,
        until: Instant,
    ) -> Result<(), KafkaError> {
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), returned))
                    if Instant::now() < until =>
                {
                    record = returned;
                    sleep(ROOM_WAIT).await;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: usize) -> (Batch, oneshot::Receiver<Result<Vec<Position>, KafkaError>>) {
        let (done, answer) = oneshot::channel();
        (Batch { positions: vec![(0, 0); records], left: records, done: Some(done) }, answer)
    }

    #[test]
    fn positions_come_in_the_order_of_the_records_once_all_are_taken() {
        let (mut batch, mut answer) = batch(3);
        batch.heard(2, Ok((1, 7)));
        batch.heard(0, Ok((0, 4)));
        assert!(answer.try_recv().is_err(), "one is missing");
        batch.heard(1, Ok((0, 5)));
        assert_eq!(answer.try_recv().unwrap().unwrap(), [(0, 4), (0, 5), (1, 7)]);
    }

    #[test]
    fn the_first_record_that_is_refused_answers_for_all() {
        let (mut batch, mut answer) = batch(2);
        batch.heard(1, Err(KafkaError::Canceled));
        assert!(matches!(answer.try_recv(), Ok(Err(KafkaError::Canceled))));
        batch.heard(0, Ok((0, 4)));
    }
}
