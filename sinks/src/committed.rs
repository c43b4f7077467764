//! Topics of ours, read from their beginning to their end as it is now: only what was committed.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use crate::client;

/// How long the broker may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives `take` every record that stands in some topics; topics that do not exist are empty.
pub(crate) fn read(
    brokers: &str,
    topics: &[String],
    mut take: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), KafkaError> {
    let consumer: BaseConsumer = client(brokers)
        .set("group.id", "kgroot-sinks")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        // The end of a partition is told with the next answer: it is not to wait for records.
        .set("fetch.wait.max.ms", "10")
        .create()?;
    let metadata = consumer.fetch_metadata(None, PATIENCE)?;
    let mut list = TopicPartitionList::new();
    for topic in metadata.topics().iter().filter(|topic| topics.iter().any(|name| name == topic.name())) {
        for partition in topic.partitions() {
            list.add_partition_offset(topic.name(), partition.id(), Offset::Beginning)?;
        }
    }
    let mut unread = list.count();
    consumer.assign(&list)?;
    let mut heard = Instant::now();
    while 0 < unread {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                take(&message);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => unread -= 1,
            Some(Err(error)) => tracing::warn!(%error, "reading what was committed"),
            None => {}
        }
        if PATIENCE < heard.elapsed() {
            return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
        }
    }
    Ok(())
}
