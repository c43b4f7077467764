//! Appends to Kafka while processes die, and keeps a journal of what the brokers acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dataflow::ingest::clock::now;
use futures_util::future::try_join_all;
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::error::RDKafkaErrorCode::UnknownTopicOrPartition;
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::position::Partition;

use super::input::{Input, Outgoing};

/// How fast a stream is sent.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Between the beginnings of two rounds.
    every: Duration,
    /// Turns of a round; the next one waits until the brokers have acknowledged all of it.
    turns: usize,
}

/// Of a stream that others disturb.
pub(crate) const CALM: Pace = Pace { every: Duration::from_millis(25), turns: 1 };
/// Of a stream that is to be long.
pub(crate) const FAST: Pace = Pace { every: Duration::from_micros(100), turns: 64 };
/// Until a broker that did not know a topic is asked again.
const RETRY: Duration = Duration::from_millis(25);
/// A broker may be away for so long.
const PATIENCE: Duration = Duration::from_secs(300);

/// An acknowledged send.
pub(crate) struct Sent {
    pub(crate) partition: Partition,
    pub(crate) offset: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// A thread that sends.
pub(crate) struct Producer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<Result<Vec<Sent>, String>>,
}

impl Producer {
    /// Sends what the inputs give, in turn.
    pub(crate) fn start(brokers: &str, mut inputs: Vec<Input>, pace: Pace) -> Result<Self, String> {
        let stop: Arc<AtomicBool> = Arc::default();
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("reconnect.backoff.max.ms", "500")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string())
            .create()
            .map_err(|error| format!("producer: {error}"))?;
        let acknowledged: Arc<AtomicU64> = Arc::default();
        let (stopping, counting) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let run = move || {
            let mut journal = Vec::new();
            super::runtime()?.block_on(async {
                let mut rounds = tokio::time::interval(pace.every);
                let mut turn = 0;
                while !stopping.load(Ordering::Relaxed) {
                    rounds.tick().await;
                    let mut sends = Vec::new();
                    for _ in 0..pace.turns {
                        let count = inputs.len();
                        let outgoing = inputs[turn % count].next(now());
                        sends.extend(outgoing.into_iter().map(|outgoing| send(&producer, outgoing)));
                        turn += 1;
                    }
                    let sent = try_join_all(sends).await?;
                    counting.fetch_add(sent.len() as u64, Ordering::Relaxed);
                    journal.extend(sent);
                }
                Ok(journal)
            })
        };
        let thread = std::thread::Builder::new().name("producer".to_owned()).spawn(run);
        Ok(Producer { stop, acknowledged, thread: thread.map_err(|error| format!("producer: {error}"))? })
    }

    /// Whether it sends no more; it says why when it is stopped.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// How much the brokers have acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Stops; gives the journal.
    pub(crate) fn stop(self) -> Result<Vec<Sent>, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the producer panicked".to_owned())?
    }
}

async fn send(producer: &FutureProducer, outgoing: Outgoing) -> Result<Sent, String> {
    let Outgoing { topic, key, value } = outgoing;
    let begun = Instant::now();
    let delivery = loop {
        let record: FutureRecord<'_, Vec<u8>, Vec<u8>> = FutureRecord::to(&topic).key(&key).payload(&value);
        match producer.send(record, PATIENCE).await {
            Ok(delivery) => break delivery,
            // A broker that has just begun does not know its topics yet; the record was not taken.
            Err((KafkaError::MessageProduction(UnknownTopicOrPartition), _))
                if begun.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(RETRY).await;
            }
            Err((error, _)) => return Err(format!("{topic}: {error}")),
        }
    };
    let partition = Partition { topic: topic.into(), number: delivery.partition };
    Ok(Sent { partition, offset: delivery.offset, key, value })
}
