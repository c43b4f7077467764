//! One suite over both event logs: the contract of `dataflow::ingest::log`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bench::scenario::random::Random;
use dataflow::ingest::embedded::EmbeddedLog;
use dataflow::ingest::kafka::KafkaLog;
use dataflow::ingest::log::{EventLog, LogError, LogRecord};
use schemas::ids::TenantId;
use schemas::position::Partition;
use schemas::time::EventTime;
use sinks::producer::{AppendError, Producer};

use crate::program::{PATIENCE, variable};

/// A log under test: how it is opened for reading, and how a producer appends.
struct Subject<'a> {
    open: &'a dyn Fn() -> Box<dyn EventLog>,
    append: &'a dyn Fn(&str, &[Vec<u8>]),
    tenant: String,
}

fn values(count: usize, salt: u8) -> Vec<Vec<u8>> {
    (0..count).map(|index| vec![salt, 0, 255, u8::try_from(index % 256).unwrap(), b'\n']).collect()
}

/// A log that is read to its end, partitions that appear included.
struct Reader {
    log: Box<dyn EventLog>,
    assigned: BTreeSet<Partition>,
}

impl Reader {
    fn of(log: Box<dyn EventLog>) -> Self {
        Reader { log, assigned: BTreeSet::new() }
    }

    fn discover(&mut self) {
        let found = self.log.partitions().unwrap();
        let fresh = found.into_iter().filter(|partition| self.assigned.insert(partition.clone()));
        let fresh: Vec<Partition> = fresh.collect();
        let places = fresh
            .into_iter()
            .map(|partition| (partition.clone(), self.log.bounds(&partition).unwrap().oldest));
        let places: BTreeMap<Partition, i64> = places.collect();
        self.log.assign(&places).unwrap();
    }

    fn at_hand(&mut self) -> Vec<LogRecord> {
        let ready = self.log.ready();
        assert!(ready.iter().all(|partition| self.assigned.contains(partition)), "{ready:?}");
        ready.iter().flat_map(|partition| self.log.read(partition, 100).unwrap()).collect()
    }

    fn read(&mut self, count: usize) -> Vec<LogRecord> {
        let begun = Instant::now();
        let mut found = Vec::new();
        while found.len() < count {
            assert!(begun.elapsed() < PATIENCE, "{} of {count} records", found.len());
            let read = self.at_hand();
            if read.is_empty() {
                // A broker makes a topic on its own time.
                self.discover();
                self.log.wait(Duration::from_millis(50));
            }
            found.extend(read);
        }
        found
    }
}

/// Values by topic and partition, with the offsets checked to grow.
fn by_partition(records: &[LogRecord]) -> BTreeMap<(String, i32), Vec<Vec<u8>>> {
    let mut last: BTreeMap<(String, i32), i64> = BTreeMap::new();
    let mut values: BTreeMap<(String, i32), Vec<Vec<u8>>> = BTreeMap::new();
    for record in records {
        let place = (record.position.topic.as_ref().to_owned(), record.position.partition);
        let before = last.insert(place.clone(), record.position.offset);
        assert!(before.is_none_or(|before| before < record.position.offset), "{}", record.position);
        values.entry(place).or_default().push(record.value.clone());
    }
    values
}

fn of_topic(records: &[LogRecord], topic: &str) -> Vec<Vec<u8>> {
    let mut values: Vec<_> =
        records.iter().filter(|r| *r.position.topic == *topic).map(|r| r.value.clone()).collect();
    values.sort();
    values
}

fn suite(subject: &Subject<'_>) {
    let topic = |family: &str| format!("{family}-{}", subject.tenant);
    let sorted = |mut values: Vec<Vec<u8>>| {
        values.sort();
        values
    };
    (subject.append)(&topic("otel"), &values(700, 1));
    (subject.append)(&topic("prometheus"), &values(3, 2));
    let mut log = Reader::of((subject.open)());
    let mut first = log.read(703);
    assert_eq!(of_topic(&first, &topic("otel")), sorted(values(700, 1)));
    assert_eq!(of_topic(&first, &topic("prometheus")), values(3, 2));
    assert!(
        first.iter().all(|record| record.tenant.to_string() == subject.tenant && record.appended.is_some())
    );
    // A topic that appears later, and one that is nobody's.
    (subject.append)(&topic("argo-logs"), &values(5, 3));
    (subject.append)(&format!("{}.dlq", topic("otel")), &values(1, 4));
    (subject.append)(&topic("otel"), &values(2, 5));
    first.extend(log.read(7));
    log.log.wait(Duration::from_millis(50));
    assert!(log.at_hand().is_empty(), "a record came that nobody sent");
    // Whoever opens it again reads the same, in the same order of each partition.
    drop(log);
    let mut again = Reader::of((subject.open)());
    let first = by_partition(&first);
    assert_eq!(by_partition(&again.read(710)), first);
    // From any offset on, and no further than it is asked to.
    let of_otel = first.iter().filter(|((found, _), _)| *found == topic("otel"));
    let ((_, number), _) = of_otel.max_by_key(|(_, values)| values.len()).unwrap();
    let partition = Partition { topic: topic("otel").into(), number: *number };
    let bounds = again.log.bounds(&partition).unwrap();
    assert_eq!(bounds.oldest, 0);
    let mut late = Reader::of((subject.open)());
    late.log.assign(&BTreeMap::from([(partition.clone(), bounds.end - 2)])).unwrap();
    late.assigned.insert(partition);
    let tail: Vec<i64> = late.read(2).iter().map(|record| record.position.offset).collect();
    assert_eq!(tail, [bounds.end - 2, bounds.end - 1]);
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kgroot-{name}-{}", std::process::id()));
        if path.exists() {
            std::fs::remove_dir_all(&path).unwrap();
        }
        Folder(path)
    }

    /// Bytes of all files; one that goes meanwhile has none.
    fn bytes(&self) -> u64 {
        fn of(path: &Path) -> u64 {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries
                .map(|entry| match entry.metadata() {
                    Ok(found) if found.is_dir() => of(&entry.path()),
                    Ok(found) => found.len(),
                    Err(_) => 0,
                })
                .sum()
        }
        of(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

const NOW: EventTime = EventTime(1_790_000_000_000);

#[test]
fn the_embedded_log_keeps_the_contract() {
    let folder = Folder::new("contract");
    // Opened anew for each use, as by another process.
    let open = || EmbeddedLog::open(&folder.0, 1_000).unwrap();
    let shared = open();
    suite(&Subject {
        open: &|| Box::new(shared.reader(|| NOW)),
        append: &|topic, values| {
            shared.append(topic, NOW, values).unwrap();
        },
        tenant: "contract".to_owned(),
    });
    let locked = EmbeddedLog::open(&folder.0, 1_000).map(|_| ()).unwrap_err();
    assert!(matches!(locked, LogError::Open { .. }), "{locked}");
    drop(shared);
    let mut reopened = Reader::of(Box::new(open().reader(|| NOW)));
    assert_eq!(reopened.read(710).len(), 710);
}

#[test]
fn of_many_topics_only_those_that_grew_are_ready() {
    let folder = Folder::new("ready");
    let log = EmbeddedLog::open(&folder.0, 1_000).unwrap();
    let append = |topic: &str, count| log.append(topic, NOW, &values(count, 1)).unwrap();
    append("otel-a", 3);
    append("otel-b", 1);
    let mut reader = Reader::of(Box::new(log.reader(|| NOW)));
    let ready = |reader: &mut Reader| -> Vec<String> {
        reader.log.ready().iter().map(|partition| partition.topic.to_string()).collect()
    };
    assert_eq!(ready(&mut reader), [""; 0], "none is assigned");
    reader.discover();
    assert_eq!(ready(&mut reader), ["otel-a", "otel-b"]);
    assert_eq!(reader.read(4).len(), 4);
    append("otel-c", 1);
    assert_eq!(ready(&mut reader), [""; 0], "all is read that is assigned");
    append("otel-b", 2);
    assert_eq!(ready(&mut reader), ["otel-b"]);
    let partition = Partition { topic: "otel-b".into(), number: 0 };
    assert_eq!(reader.log.read(&partition, 1).unwrap().len(), 1);
    assert_eq!(ready(&mut reader), ["otel-b"], "there is one more");
    reader.discover();
    assert_eq!(ready(&mut reader), ["otel-b", "otel-c"]);
    assert_eq!(reader.read(2).len(), 2);
    assert_eq!(ready(&mut reader), [""; 0]);
}

#[test]
fn records_beyond_the_retention_are_removed_and_offsets_go_on() {
    let folder = Folder::new("retention");
    let log = EmbeddedLog::open(&folder.0, 1_000).unwrap();
    log.append("otel-t", EventTime(NOW.0 - 2_000), &values(4, 1)).unwrap();
    let mut reader = Reader::of(Box::new(log.reader(|| NOW)));
    assert_eq!(reader.read(4).len(), 4, "what was not read is not removed, however old it is");
    reader.discover();
    let partition = Partition { topic: "otel-t".into(), number: 0 };
    assert_eq!(reader.log.bounds(&partition).unwrap().oldest, 3, "the last one remembers the offset");
    let mut behind = Reader::of(Box::new(log.reader(|| NOW)));
    behind.log.assign(&BTreeMap::from([(partition.clone(), 1)])).unwrap();
    assert!(matches!(behind.log.read(&partition, 1), Err(LogError::Gone { .. })), "a gap is an error");
    drop(behind);
    drop((reader, log));
    let log = EmbeddedLog::open(&folder.0, 1_000).unwrap();
    assert_eq!(log.append("otel-t", NOW, &values(1, 2)).unwrap(), 4);
}

#[test]
fn a_fast_topic_does_not_outgrow_the_retention() {
    let folder = Folder::new("fast");
    let log = EmbeddedLog::open(&folder.0, 1_000).unwrap();
    let mut reader = Reader::of(Box::new(log.reader(|| NOW)));
    for round in 0..30 {
        log.append("otel-t", EventTime(NOW.0 - 2_000), &values(1_000, round)).unwrap();
        assert_eq!(reader.read(1_000).len(), 1_000);
    }
    reader.discover();
    let partition = Partition { topic: "otel-t".into(), number: 0 };
    assert_eq!(reader.log.bounds(&partition).unwrap().oldest, 29_999, "all but the last that was read");
}

#[test]
fn what_was_removed_leaves_the_disk() {
    let folder = Folder::new("disk");
    let open = || EmbeddedLog::open(&folder.0, 1_000).unwrap();
    let log = open();
    // Another topic, first in the store's order: tables that have its one record stay.
    log.append("argo-logs-t", NOW, &values(1, 1)).unwrap();
    // A mebibyte that does not compress: forty times sixteen of them are more than the store's buffers hold.
    let mut random = Random::new(7);
    let noise: Vec<u8> = (0..1 << 17).flat_map(|_| random.bits().to_le_bytes()).collect();
    let values = vec![noise; 16];
    for _ in 0..40 {
        log.append("otel-t", NOW, &values).unwrap();
    }
    drop(log);
    let partition = Partition { topic: "otel-t".into(), number: 0 };
    // What can be discarded are tables, which the store writes on threads of its own, on a busy machine long after the append: so
    // something is appended and removed until they are there. The files go when the store is opened.
    let (mut end, mut left) = (640, Vec::new());
    while left.last().is_none_or(|left| 320 <= *left) {
        assert!(left.len() < 20, "{left:?} MiB, of {end} that were appended and are old");
        let log = open();
        log.append("otel-t", NOW, &values).unwrap();
        end += 16;
        let mut later = log.reader(|| NOW.plus_ms(2_000));
        later.assign(&BTreeMap::from([(partition.clone(), end)])).unwrap();
        later.partitions().unwrap();
        assert_eq!(later.bounds(&partition).unwrap().oldest, end - 1);
        // It waits for the thread that discards.
        drop((later, log));
        drop(open());
        left.push(folder.bytes() >> 20);
    }
    let mut anew = open().reader(|| NOW);
    // Whoever opens it sees nothing again of what was removed.
    assert_eq!(anew.bounds(&partition).unwrap().oldest, end - 1);
    for offset in [0, 320, 638] {
        anew.assign(&BTreeMap::from([(partition.clone(), offset)])).unwrap();
        assert!(matches!(anew.read(&partition, 1), Err(LogError::Gone { .. })), "{offset}");
    }
}

#[test]
fn the_kafka_log_keeps_the_contract() {
    let Some(brokers) = variable("KGROOT_TEST_KAFKA") else {
        assert!(variable("KGROOT_TEST_WITHOUT_SERVERS").is_some(), "no servers: run `cargo verify`");
        println!("NOT RUN: the event log on real Kafka, because KGROOT_TEST_WITHOUT_SERVERS is set");
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let tenant: TenantId = format!("contract-{}", std::process::id()).parse().unwrap();
    let producer = Producer::connect(&brokers).unwrap();
    suite(&Subject {
        open: &|| Box::new(KafkaLog::connect(&brokers, std::slice::from_ref(&tenant)).unwrap()),
        append: &|topic, values| {
            let places = runtime.block_on(producer.append(topic, values)).unwrap();
            assert_eq!(places.len(), values.len());
        },
        tenant: tenant.to_string(),
    });
    let topic = schemas::topic::topic("otel", &tenant);
    let append = |bytes: usize| runtime.block_on(producer.append(&topic, &[vec![b'x'; bytes]]));
    assert!(matches!(append(2 << 20), Err(AppendError::TooLarge { .. })), "longer than the topic takes");
    assert_eq!(append(1 << 19).unwrap().len(), 1, "and the producer goes on");
}
