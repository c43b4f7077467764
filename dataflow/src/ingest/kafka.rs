//! Kafka as an event log: partitions assigned explicitly, each with a queue of its own, so that what is read of one never
//! waits for another; a partition that is not read is not fetched beyond its queue.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{ClientConfig, Offset, Timestamp, TopicPartitionList};
use schemas::ids::TenantId;
use schemas::kafka::CLIENT;
use schemas::position::{Partition, SourcePosition};
use schemas::time::EventTime;
use schemas::topic::{FAMILIES, tenant_of, topic};

use super::log::{Bounds, EventLog, LogError, LogRecord};

/// How long the brokers may take to answer a request for metadata.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes that the client fetches ahead, over all partitions.
const QUEUED_KILOBYTES: &str = "65536";

/// How long the broker may hold a request for records that are not there yet. By default it is half a second, and a record
/// that comes meanwhile was seen to wait for the end of it.
const FETCH_WAIT_MS: &str = "20";

/// A consumer of all topics of some tenants.
pub struct KafkaLog {
    brokers: String,
    consumer: Arc<BaseConsumer>,
    topics: Vec<String>,
    queues: BTreeMap<Partition, PartitionQueue<DefaultConsumerContext>>,
    /// Records that came before their partition had its queue.
    early: BTreeMap<Partition, VecDeque<LogRecord>>,
    signal: Arc<Signal>,
}

/// Says that a queue is no longer empty.
#[derive(Default)]
struct Signal {
    ready: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn raise(&self) {
        *self.ready.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn wait(&self, at_most: Duration) {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(ready, at_most, |ready| !*ready);
        let (mut ready, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *ready = false;
    }
}

/// A consumer that is never part of a group: partitions are assigned, and offsets are kept by the control log.
pub(crate) fn consumer(brokers: &str) -> Result<BaseConsumer, LogError> {
    let unreachable = |source: KafkaError| LogError::Unreachable { brokers: brokers.to_owned(), source };
    let mut config = ClientConfig::new();
    config.extend(CLIENT.map(|(name, value)| (name.to_owned(), value.to_owned())));
    config
        .set("bootstrap.servers", brokers)
        // librdkafka wants a name all the same.
        .set("group.id", "kgroot")
        .set("enable.auto.commit", "false")
        // What is gone is an error, never a gap.
        .set("auto.offset.reset", "error")
        .set("queued.max.messages.kbytes", QUEUED_KILOBYTES)
        .set("fetch.wait.max.ms", FETCH_WAIT_MS)
        .set("fetch.error.backoff.ms", FETCH_WAIT_MS)
        .create()
        .map_err(unreachable)
}

impl KafkaLog {
    /// Connects; nothing is assigned yet.
    pub fn connect(brokers: &str, tenants: &[TenantId]) -> Result<Self, LogError> {
        let names = |tenant| FAMILIES.iter().map(move |family| topic(family, tenant));
        let mut log = KafkaLog {
            brokers: brokers.to_owned(),
            consumer: Arc::new(consumer(brokers)?),
            topics: tenants.iter().flat_map(names).collect(),
            queues: BTreeMap::new(),
            early: BTreeMap::new(),
            signal: Arc::default(),
        };
        log.partitions()?;
        Ok(log)
    }

    fn unreachable(&self, source: KafkaError) -> LogError {
        LogError::Unreachable { brokers: self.brokers.clone(), source }
    }

    /// Serves the client, and keeps records that came before their partition had its queue.
    fn serve(&mut self) -> Result<(), LogError> {
        while let Some(polled) = self.consumer.poll(Duration::ZERO) {
            match polled {
                Ok(message) => {
                    let partition = Partition { topic: message.topic().into(), number: message.partition() };
                    let record =
                        tenant_of(&partition.topic).map(|tenant| record(&message, &partition, &tenant));
                    self.early.entry(partition).or_default().extend(record);
                }
                Err(error) => heed(&error, None)?,
            }
        }
        Ok(())
    }
}

impl EventLog for KafkaLog {
    fn partitions(&mut self) -> Result<Vec<Partition>, LogError> {
        let metadata = self.consumer.fetch_metadata(None, METADATA_TIMEOUT);
        let metadata = metadata.map_err(|source| self.unreachable(source))?;
        let mut found = Vec::new();
        for topic in metadata.topics().iter().filter(|topic| topic.error().is_none()) {
            let numbers = topic.partitions().iter().map(|partition| partition.id());
            if self.topics.iter().any(|name| name == topic.name()) {
                found.extend(numbers.map(|number| Partition { topic: topic.name().into(), number }));
            }
        }
        Ok(found)
    }

    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, LogError> {
        let found = self.consumer.fetch_watermarks(&partition.topic, partition.number, METADATA_TIMEOUT);
        let (oldest, end) = found.map_err(|source| self.unreachable(source))?;
        Ok(Bounds { oldest, end })
    }

    fn assign(&mut self, places: &BTreeMap<Partition, i64>) -> Result<(), LogError> {
        let mut list = TopicPartitionList::new();
        for (partition, place) in places {
            let added = list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*place));
            added.map_err(|source| self.unreachable(source))?;
        }
        self.consumer.incremental_assign(&list).map_err(|source| self.unreachable(source))?;
        for partition in places.keys() {
            let Some(mut queue) = self.consumer.split_partition_queue(&partition.topic, partition.number)
            else {
                return Err(LogError::Gone { partition: partition.clone(), wanted: places[partition] });
            };
            let signal = Arc::clone(&self.signal);
            queue.set_nonempty_callback(move || signal.raise());
            self.queues.insert(partition.clone(), queue);
        }
        Ok(())
    }

    fn ready(&mut self) -> Vec<Partition> {
        self.queues.keys().cloned().collect()
    }

    fn read(&mut self, partition: &Partition, limit: usize) -> Result<Vec<LogRecord>, LogError> {
        self.serve()?;
        let mut found = Vec::new();
        if let Some(early) = self.early.get_mut(partition) {
            found.extend(early.drain(..early.len().min(limit)));
            if early.is_empty() {
                self.early.remove(partition);
            }
        }
        // Whose topic is nobody's is not read.
        let of = self.queues.get(partition).zip(tenant_of(&partition.topic));
        let Some((queue, tenant)) = of else { return Ok(found) };
        while found.len() < limit {
            match queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => found.push(record(&message, partition, &tenant)),
                Some(Err(error)) => heed(&error, Some(partition))?,
            }
        }
        if found.len() == limit {
            // There may be more, and the client tells only of a queue that was empty.
            self.signal.raise();
        }
        Ok(found)
    }

    fn wait(&mut self, at_most: Duration) {
        if self.early.is_empty() {
            self.signal.wait(at_most);
        }
    }
}

/// What the client complains of: records that are gone end the reading; for the rest it tries again by itself.
fn heed(error: &KafkaError, partition: Option<&Partition>) -> Result<(), LogError> {
    use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
    let gone = matches!(error, KafkaError::MessageConsumption(AutoOffsetReset | OffsetOutOfRange));
    if gone && let Some(partition) = partition {
        return Err(LogError::Gone { partition: partition.clone(), wanted: -1 });
    }
    tracing::warn!(%error, "kafka consumer");
    Ok(())
}

/// The record of a message.
fn record(message: &BorrowedMessage<'_>, partition: &Partition, tenant: &TenantId) -> LogRecord {
    let topic = Arc::clone(&partition.topic);
    let position = SourcePosition { topic, partition: partition.number, offset: message.offset(), item: 0 };
    let appended = match message.timestamp() {
        Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => EventTime::from_ms(ms).ok(),
        Timestamp::NotAvailable => None,
    };
    let bytes = |part: Option<&[u8]>| part.unwrap_or_default().to_vec();
    let (key, value) = (bytes(message.key()), bytes(message.payload()));
    LogRecord { tenant: tenant.clone(), position, appended, key, value }
}
