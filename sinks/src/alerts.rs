//! Alerts of ours to Kafka, for whatever pages people: `kgroot-alerts-{tenant}`.
//!
//! Key     the incident; the value is the alert as the API gives it, with its epoch and whether it still stands.
//! Order   epochs in order, one after the other for each incident.
//! Repeat  once for consumers that read what is committed: records of a batch and the shard's progress are one transaction
//!         of one id for each shard, which fences the owner before. Others may see a record twice, or one that is given up;
//!         key and epoch tell them.
//! Limits  the producer's queue; a broker that is away is waited for by the caller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use schemas::feed::Change;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::{Value, json};

use crate::store::{Batch, Pace, Progress, Refusal, Store, StoreError};
use crate::{client, committed};

/// How long the broker may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where the shards say how far they are.
const PROGRESS_TOPIC: &str = "kgroot-alerts-progress";

/// The store.
pub struct KafkaAlerts {
    brokers: String,
    shard: String,
    producer: Option<Arc<BaseProducer>>,
}

impl KafkaAlerts {
    /// Takes the settings; nothing is connected yet.
    pub fn new(brokers: &str, shard: &str) -> Self {
        KafkaAlerts { brokers: brokers.to_owned(), shard: shard.to_owned(), producer: None }
    }
}

/// A record on its way: topic, key, value.
type Line = (String, String, String);

/// The records of a batch: alerts, then progress.
fn lines(shard: &str, batch: &Batch) -> Vec<Line> {
    let mut lines = Vec::new();
    for epoch in &batch.epochs {
        let alerts = epoch.changes.iter().filter(|change| change.view == ViewName::Alerts);
        lines.extend(alerts.map(|change| alert(epoch.epoch, change)));
    }
    let Progress { epoch, digest, generation } = &batch.progress;
    let progress = json!({ "epoch": epoch, "digest": digest, "generation": generation });
    lines.push((PROGRESS_TOPIC.to_owned(), shard.to_owned(), progress.to_string()));
    lines
}

fn alert(epoch: Epoch, change: &Change) -> Line {
    let value =
        json!({ "tenant_id": change.tenant, "epoch": epoch, "live": change.live, "alert": change.row });
    (format!("kgroot-alerts-{}", change.tenant), change.key.clone(), value.to_string())
}

fn read_progress(value: &[u8]) -> Option<Progress> {
    let found: Value = serde_json::from_slice(value).ok()?;
    let digest = found["digest"].as_str()?.parse().ok()?;
    Some(Progress {
        epoch: found["epoch"].as_u64()?,
        digest,
        generation: found["generation"].as_str()?.to_owned(),
    })
}

/// Becomes the one writer of a shard, and learns how far it is.
fn begin(brokers: &str, shard: &str) -> Result<(BaseProducer, Option<Progress>), KafkaError> {
    let producer: BaseProducer =
        client(brokers).set("transactional.id", format!("kgroot-alerts-{shard}")).create()?;
    // From here on nobody else writes: what stands is all there is.
    producer.init_transactions(PATIENCE)?;
    make_progress_topic(brokers)?;
    let mut told = progress_of_shards(brokers)?;
    Ok((producer, told.remove(shard)))
}

/// What the shards said last.
fn progress_of_shards(brokers: &str) -> Result<BTreeMap<String, Progress>, KafkaError> {
    let mut told = BTreeMap::new();
    committed::read(brokers, &[PROGRESS_TOPIC.to_owned()], |message| {
        let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
        if let (Some(shard), Some(progress)) = (key, message.payload().and_then(read_progress)) {
            told.insert(shard.to_owned(), progress);
        }
    })?;
    Ok(told)
}

/// Makes the topic of progress, unless it exists: of each shard only the last word is kept, and soon no more than that.
fn make_progress_topic(brokers: &str) -> Result<(), KafkaError> {
    let admin: AdminClient<_> = client(brokers).create()?;
    let new = NewTopic::new(PROGRESS_TOPIC, 1, TopicReplication::Fixed(-1))
        .set("cleanup.policy", "compact")
        .set("segment.ms", "600000")
        .set("min.cleanable.dirty.ratio", "0.1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| KafkaError::Canceled)?;
    for made in runtime.block_on(admin.create_topics([&new], &AdminOptions::new()))? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    Ok(())
}

fn write(producer: &BaseProducer, lines: &[Line]) -> Result<(), KafkaError> {
    producer.begin_transaction()?;
    for (topic, key, value) in lines {
        let mut record = BaseRecord::to(topic).key(key.as_bytes()).payload(value.as_bytes());
        let begun = Instant::now();
        while let Err((error, back)) = producer.send(record) {
            let full = matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
            if !full || PATIENCE < begun.elapsed() {
                return Err(error);
            }
            record = back;
            producer.poll(Duration::from_millis(100));
        }
    }
    producer.commit_transaction(PATIENCE)
}

impl Store for KafkaAlerts {
    fn pace(&self) -> Pace {
        // Alerts are few; each batch is a transaction.
        Pace { changes: 50_000, every: Duration::from_millis(500) }
    }

    async fn open(&mut self) -> Result<Option<Progress>, StoreError> {
        // The producer before may have left a transaction open: whoever begins ends it.
        self.producer = None;
        let (brokers, shard) = (self.brokers.clone(), self.shard.clone());
        let begun = tokio::task::spawn_blocking(move || begin(&brokers, &shard)).await;
        let (producer, progress) = joined(begun)?;
        self.producer = Some(Arc::new(producer));
        Ok(progress)
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Refusal>, StoreError> {
        let Some(producer) = self.producer.clone() else {
            return Err(StoreError::Away("not connected".to_owned()));
        };
        let lines = lines(&self.shard, batch);
        joined(tokio::task::spawn_blocking(move || write(&producer, &lines)).await)?;
        Ok(Vec::new())
    }
}

fn joined<T>(done: Result<Result<T, KafkaError>, tokio::task::JoinError>) -> Result<T, StoreError> {
    let away = |error: &dyn std::fmt::Display| StoreError::Away(format!("alerts to Kafka: {error}"));
    done.map_err(|error| away(&error))?.map_err(|error| away(&error))
}
