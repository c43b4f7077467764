//! What stands in Kafka, read by consumers that are not the program's: records, dead letters, and the control topic, which
//! is followed while it is written, because its owner removes what a snapshot has replaced.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dataflow::ingest::log::LogRecord;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::error::RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure};
use rdkafka::message::{Headers, Message};
use rdkafka::{ClientConfig, Offset, Timestamp, TopicPartitionList};
use schemas::dead_letter::POSITION_HEADERS;
use schemas::position::{Partition, SourcePosition};
use schemas::time::EventTime;
use schemas::topic::tenant_of;

/// How long a broker may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

fn consumer(brokers: &str) -> Result<BaseConsumer, String> {
    let consumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "kgroot-prove")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("reconnect.backoff.max.ms", "500")
        .create();
    consumer.map_err(|error| format!("consumer: {error}"))
}

/// A message, whatever topic it stands in.
pub(crate) struct Stored {
    pub(crate) partition: Partition,
    pub(crate) offset: i64,
    pub(crate) stamp: Option<EventTime>,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: BTreeMap<String, String>,
}

fn stored(message: &impl Message) -> Stored {
    let stamp = match message.timestamp() {
        Timestamp::CreateTime(ms) | Timestamp::LogAppendTime(ms) => EventTime::from_ms(ms).ok(),
        Timestamp::NotAvailable => None,
    };
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    Stored {
        partition: Partition { topic: message.topic().into(), number: message.partition() },
        offset: message.offset(),
        stamp,
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
    }
}

/// Everything in the topics that exist, from the beginning, in the order of each partition.
pub(crate) fn read_back(brokers: &str, topics: &[String]) -> Result<Vec<Stored>, String> {
    let failed = |error: KafkaError| format!("read back: {error}");
    let consumer = consumer(brokers)?;
    let metadata = consumer.fetch_metadata(None, PATIENCE).map_err(failed)?;
    let mut list = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|topic| topics.iter().any(|name| name == topic.name())) {
        for partition in topic.partitions() {
            list.add_partition_offset(topic.name(), partition.id(), Offset::Beginning).map_err(failed)?;
        }
    }
    let mut unread = list.count();
    consumer.assign(&list).map_err(failed)?;
    let mut heard = Instant::now();
    let mut found = Vec::new();
    while 0 < unread {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                found.push(stored(&message));
                heard = Instant::now();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => unread -= 1,
            Some(Err(error)) => eprintln!("read back: {error}"),
            None => {}
        }
        if PATIENCE < heard.elapsed() {
            return Err(format!("read back: {unread} partitions do not come to an end"));
        }
    }
    Ok(found)
}

/// Records as the program's log gives them.
pub(crate) fn records(stored: &[Stored]) -> Result<BTreeMap<Partition, Vec<LogRecord>>, String> {
    let mut records: BTreeMap<Partition, Vec<LogRecord>> = BTreeMap::new();
    for Stored { partition, offset, stamp, key, value, .. } in stored {
        let tenant = tenant_of(&partition.topic).ok_or_else(|| format!("{partition} is nobody's"))?;
        let (topic, number) = (partition.topic.clone(), partition.number);
        let position = SourcePosition { topic, partition: number, offset: *offset, item: 0 };
        let (key, value) = (key.clone(), value.clone());
        let record = LogRecord { tenant, position, appended: *stamp, key, value };
        records.entry(partition.clone()).or_default().push(record);
    }
    Ok(records)
}

/// The position that a dead letter says it is about.
pub(crate) fn original(letter: &Stored) -> Option<SourcePosition> {
    let mut values = POSITION_HEADERS.iter().map(|name| letter.headers.get(*name));
    let mut next = || values.next().flatten();
    let topic = next()?.as_str().into();
    let (partition, offset) = (next()?.parse().ok()?, next()?.parse().ok()?);
    Some(SourcePosition { topic, partition, offset, item: next()?.parse().ok()? })
}

/// What a control topic said so far.
#[derive(Default)]
struct Heard {
    records: Vec<Vec<u8>>,
    failure: Option<String>,
}

/// Follows a control topic from its first record.
pub(crate) struct Tail {
    heard: Arc<Mutex<Heard>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it had to say stands in `heard`.
            let _ended = thread.join();
        }
    }
}

impl Tail {
    /// Begins with a topic that exists and is empty.
    pub(crate) fn start(brokers: &str, topic: &str) -> Result<Self, String> {
        let failed = |error: KafkaError| format!("{topic}: {error}");
        let consumer = consumer(brokers)?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Offset(0)).map_err(failed)?;
        consumer.assign(&list).map_err(failed)?;
        let (heard, stop): (Arc<Mutex<Heard>>, Arc<AtomicBool>) = Default::default();
        let (hearing, stopping) = (Arc::clone(&heard), Arc::clone(&stop));
        let run = move || {
            let mut next = 0;
            while !stopping.load(Ordering::Relaxed) {
                let Some(polled) = consumer.poll(Duration::from_millis(50)) else { continue };
                let mut heard = hearing.lock().unwrap_or_else(PoisonError::into_inner);
                match polled {
                    Err(KafkaError::PartitionEOF(_)) => {}
                    // Brokers go away while some checks run.
                    Err(KafkaError::MessageConsumption(AllBrokersDown | BrokerTransportFailure)) => {}
                    Ok(message) if message.offset() == next => {
                        next += 1;
                        heard.records.push(message.payload().unwrap_or_default().to_vec());
                    }
                    Ok(message) => {
                        heard.failure =
                            Some(format!("offset {} came where {next} was due", message.offset()));
                    }
                    Err(error) => eprintln!("control topic: {error}"),
                }
            }
        };
        let thread = std::thread::Builder::new().name("tail".to_owned()).spawn(run);
        Ok(Tail { heard, stop, thread: Some(thread.map_err(|error| error.to_string())?) })
    }

    /// All records so far, in order.
    pub(crate) fn records(&self) -> Result<Vec<Vec<u8>>, String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match &heard.failure {
            Some(failure) => Err(format!("the control topic was not heard completely: {failure}")),
            None => Ok(heard.records.clone()),
        }
    }
}
