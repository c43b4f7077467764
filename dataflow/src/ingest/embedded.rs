//! The event log of one process, without a server: topics with one partition each, in an LSM store (fjall).
//!
//! Records live under `topic 0x00 offset(8, big endian)`, so that a scan of a topic is its order. An append is
//! acknowledged when it is synchronized to the disk. Dead letters live beside them under the position of the refused
//! record: reading the log again writes the same letters again, never more. What is older than the retention goes
//! (`retention`). Records that came by HTTP are appended by a thread of their own (`appender`). The control log lives in a
//! keyspace of its own.

mod appender;
mod retention;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use schemas::dead_letter::{DeadLetter, DeadLetterSink};
use schemas::position::{Partition, SourcePosition};
use schemas::time::EventTime;
use schemas::topic::tenant_of;

pub use self::appender::EmbeddedAppender;
use self::retention::Discarding;
use self::topics::{Ends, Topics};
use super::log::{Bounds, EventLog, LogError, LogRecord};
use crate::control::log::ControlLog;
use crate::priority::let_readers_first;

/// What was not yet moved from journals into tables is read again at a start: the least that can be
/// set.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// Between the topic and the offset of a key; no topic contains it.
const SEPARATOR: u8 = 0;

/// The log; cheap to clone.
#[derive(Clone)]
pub struct EmbeddedLog {
    store: Arc<Store>,
}

struct Store {
    database: Database,
    records: Keyspace,
    letters: Keyspace,
    control: Keyspace,
    /// Offset of the oldest record of each topic of which some were removed.
    oldest: Keyspace,
    retention_ms: i64,
    /// Held while appending: offsets are dense, and visible in order.
    topics: Mutex<Topics>,
    grown: Condvar,
}

/// A reader of all topics.
pub struct EmbeddedReader {
    log: EmbeddedLog,
    clock: fn() -> EventTime,
    /// Next offset to read of each topic.
    places: BTreeMap<Arc<str>, i64>,
    /// Appends that were looked at.
    seen: u64,
    /// Topics with a place that grew, or were assigned, and were not read to their end since.
    behind: BTreeSet<Arc<str>>,
    discarding: Discarding,
}

/// The control log beside the records.
pub struct EmbeddedControl {
    log: EmbeddedLog,
    next: i64,
}

impl EmbeddedLog {
    /// Opens the log in a folder, or begins one. One process at a time can have it.
    pub fn open(path: &Path, retention_ms: i64) -> Result<Self, LogError> {
        let failed = |source| LogError::Open { path: path.display().to_string(), source };
        // Threads of the store are as patient as the one that opens it.
        let opening = || {
            let_readers_first();
            Database::builder(path).max_journaling_size(JOURNAL_BYTES_MAX).open()
        };
        let opened = std::thread::scope(|scope| scope.spawn(opening).join());
        let database = opened.unwrap_or_else(|panic| resume_unwind(panic)).map_err(failed)?;
        let records = database.keyspace("records", KeyspaceCreateOptions::default).map_err(failed)?;
        let letters = database.keyspace("dead-letters", KeyspaceCreateOptions::default).map_err(failed)?;
        let control = database.keyspace("control", KeyspaceCreateOptions::default).map_err(failed)?;
        let oldest = database.keyspace("oldest", KeyspaceCreateOptions::default).map_err(failed)?;
        let topics = Mutex::new(Topics::of(ends(&records, &oldest)?));
        let grown = Condvar::new();
        let store = Store { database, records, letters, control, oldest, retention_ms, topics, grown };
        Ok(EmbeddedLog { store: Arc::new(store) })
    }

    /// Appends records to a topic, all or none; they are on the disk when it returns. Gives the first offset.
    pub fn append(&self, topic: &str, at: EventTime, values: &[Vec<u8>]) -> Result<i64, LogError> {
        let mut topics = self.topics();
        let first = topics.ends(topic).next;
        let mut batch = self.store.database.batch().durability(Some(PersistMode::SyncData));
        let mut offset = first;
        for value in values {
            batch.insert(&self.store.records, key(topic, offset), [&at.0.to_be_bytes()[..], value].concat());
            offset += 1;
        }
        batch.commit()?;
        topics.grow(topic, offset);
        self.store.grown.notify_all();
        Ok(first)
    }

    /// Reasons (as JSON) and original bytes of the dead letters of a topic `{topic}.dlq`.
    pub fn dead_letters(&self, topic: &str) -> Result<Vec<(Vec<u8>, Vec<u8>)>, LogError> {
        let mut letters = Vec::new();
        for guard in self.store.letters.prefix(format!("{topic}\0")) {
            let (_, value) = guard.into_inner()?;
            let (length, rest) = value.split_at_checked(4).unwrap_or_default();
            let length = length.try_into().map_or(0, u32::from_be_bytes);
            let at = usize::try_from(length).unwrap_or(usize::MAX);
            let (reason, original) = rest.split_at_checked(at).unwrap_or_default();
            letters.push((reason.to_vec(), original.to_vec()));
        }
        Ok(letters)
    }

    /// A reader. `clock` tells what is older than the retention.
    pub fn reader(&self, clock: fn() -> EventTime) -> EmbeddedReader {
        EmbeddedReader {
            log: self.clone(),
            clock,
            places: BTreeMap::new(),
            seen: 0,
            behind: BTreeSet::new(),
            discarding: Discarding::default(),
        }
    }

    /// The control log of the one shard.
    pub fn control(&self) -> Result<EmbeddedControl, LogError> {
        let last = self.store.control.iter().next_back().map(|guard| guard.key()).transpose()?;
        let next = last.and_then(|key| offset_of(&key)).map_or(0, |last| last + 1);
        Ok(EmbeddedControl { log: self.clone(), next })
    }

    fn topics(&self) -> MutexGuard<'_, Topics> {
        // Nothing between the steps of a change can panic.
        self.store.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, topic: &str, from: i64, count: usize) -> Result<Vec<LogRecord>, LogError> {
        let Some(tenant) = tenant_of(topic) else { return Ok(Vec::new()) };
        let (topic, mut found) = (Arc::from(topic), Vec::new());
        for guard in self.store.records.range(key(&topic, from)..key(&topic, i64::MAX)).take(count) {
            let (key, value) = guard.into_inner()?;
            let offset = offset_of(&key).unwrap_or(-1);
            let position = SourcePosition { topic: Arc::clone(&topic), partition: 0, offset, item: 0 };
            let Some((at, value)) = value.split_first_chunk() else {
                return Err(LogError::Damaged(position));
            };
            found.push(LogRecord {
                tenant: tenant.clone(),
                position,
                appended: EventTime::from_ms(i64::from_be_bytes(*at)).ok(),
                key: Vec::new(),
                value: value.to_vec(),
            });
        }
        Ok(found)
    }
}

impl EventLog for EmbeddedReader {
    fn partitions(&mut self) -> Result<Vec<Partition>, LogError> {
        let topics = self.log.topics().all();
        for (topic, ends) in &topics {
            // However old it is, what was not read stays.
            let read = self.places.get(topic).copied().unwrap_or(0);
            if let Some(before) = self.log.forget(topic, read.min(ends.next - 1), (self.clock)())? {
                self.discarding.removed(topic, before);
            }
        }
        self.discarding.begin(&self.log);
        let read = topics.into_keys().filter(|topic| tenant_of(topic).is_some());
        Ok(read.map(|topic| Partition { topic, number: 0 }).collect())
    }

    fn bounds(&mut self, partition: &Partition) -> Result<Bounds, LogError> {
        let Ends { oldest, next, .. } = self.log.topics().ends(&partition.topic);
        Ok(Bounds { oldest, end: next })
    }

    fn assign(&mut self, places: &BTreeMap<Partition, i64>) -> Result<(), LogError> {
        let topics = || places.keys().map(|partition| Arc::clone(&partition.topic));
        self.places.extend(topics().zip(places.values().copied()));
        self.behind.extend(topics());
        Ok(())
    }

    /// Of many topics most are idle: only those that grew are looked at.
    fn ready(&mut self) -> Vec<Partition> {
        let topics = self.log.topics();
        let grown = topics.grown_since(self.seen).filter(|topic| self.places.contains_key(*topic));
        self.behind.extend(grown.cloned());
        self.seen = topics.appends();
        self.behind.iter().map(|topic| Partition { topic: Arc::clone(topic), number: 0 }).collect()
    }

    fn read(&mut self, partition: &Partition, limit: usize) -> Result<Vec<LogRecord>, LogError> {
        let Some(place) = self.places.get_mut(&*partition.topic) else { return Ok(Vec::new()) };
        let ends = self.log.topics().ends(&partition.topic);
        if ends.next <= *place {
            self.behind.remove(&*partition.topic);
            return Ok(Vec::new());
        }
        let found = self.log.read(&partition.topic, *place, limit)?;
        if *place < ends.oldest || found.first().is_some_and(|first| first.position.offset != *place) {
            return Err(LogError::Gone { partition: partition.clone(), wanted: *place });
        }
        if let Some(last) = found.last() {
            *place = last.position.offset + 1;
            if ends.next <= *place {
                self.behind.remove(&*partition.topic);
            }
        }
        Ok(found)
    }

    /// What is behind was to be had before: whoever waits did not want it, or comes again.
    fn wait(&mut self, at_most: Duration) {
        let seen = self.seen;
        let idle = |topics: &mut Topics| topics.appends() == seen;
        let topics = self.log.topics();
        // A poisoned or an expired wait both end in another look.
        drop(self.log.store.grown.wait_timeout_while(topics, at_most, idle));
    }
}

impl DeadLetterSink for EmbeddedLog {
    /// One letter for each refused position, however often it is sent.
    fn send(&mut self, letter: &DeadLetter) -> Result<(), String> {
        let place = format!("{}\0{}", letter.topic(), letter.reject.position);
        let reason: BTreeMap<_, _> = letter.headers().into_iter().collect();
        let reason = serde_json::to_vec(&reason).unwrap_or_default();
        let length = u32::try_from(reason.len()).unwrap_or(u32::MAX).to_be_bytes();
        let bytes = [&length[..], &reason, &letter.value].concat();
        self.store.letters.insert(place, bytes).map_err(|error| error.to_string())
    }

    fn flush(&mut self) -> Result<(), String> {
        self.store.database.persist(PersistMode::SyncData).map_err(|error| error.to_string())
    }
}

impl ControlLog for EmbeddedControl {
    fn append(&mut self, record: &[u8]) -> Result<i64, LogError> {
        let mut batch = self.log.store.database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.log.store.control, self.next.to_be_bytes(), record);
        batch.commit()?;
        self.next += 1;
        Ok(self.next - 1)
    }

    fn read(&mut self, from: i64) -> Result<Vec<(i64, Vec<u8>)>, LogError> {
        let mut found = Vec::new();
        for guard in self.log.store.control.range(from.to_be_bytes()..) {
            let (key, value) = guard.into_inner()?;
            found.push((offset_of(&key).unwrap_or(-1), value.to_vec()));
        }
        Ok(found)
    }

    fn forget(&mut self, before: i64) -> Result<(), LogError> {
        let mut batch = self.log.store.database.batch();
        for guard in self.log.store.control.range(..before.to_be_bytes()) {
            batch.remove(&self.log.store.control, guard.key()?);
        }
        Ok(batch.commit()?)
    }
}

fn key(topic: &str, offset: i64) -> Vec<u8> {
    [topic.as_bytes(), &[SEPARATOR], &offset.to_be_bytes()].concat()
}

fn offset_of(key: &[u8]) -> Option<i64> {
    key.last_chunk().map(|bytes| i64::from_be_bytes(*bytes))
}

/// Where each topic begins, and where it goes on: two seeks per topic.
fn ends(records: &Keyspace, oldest: &Keyspace) -> Result<BTreeMap<Arc<str>, (i64, i64)>, LogError> {
    let mut found = BTreeMap::new();
    let mut from: Vec<u8> = Vec::new();
    while let Some(guard) = records.range(from.clone()..).next() {
        let first = guard.key()?;
        let Some(end) = first.iter().position(|byte| *byte == SEPARATOR) else { break };
        let topic = String::from_utf8_lossy(&first[..end]).into_owned();
        if let Some(last) = records.range(key(&topic, 0)..=key(&topic, i64::MAX)).next_back() {
            let oldest = offset_of(&first).unwrap_or(0);
            found.insert(Arc::from(&*topic), (oldest, offset_of(&last.key()?).unwrap_or(-1) + 1));
        }
        from = [topic.as_bytes(), &[SEPARATOR + 1]].concat();
    }
    for guard in oldest.iter() {
        let (topic, removed) = guard.into_inner()?;
        if let Some((oldest, _)) = found.get_mut(&*String::from_utf8_lossy(&topic)) {
            *oldest = (*oldest).max(offset_of(&removed).unwrap_or(0));
        }
    }
    Ok(found)
}
