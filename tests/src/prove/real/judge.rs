//! What a run came to: the journal, Kafka, the control topic, the views and the letters, each against the others.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::control::record::Seal;
use dataflow::ingest::log::LogRecord;
use schemas::codec::avro;
use schemas::ids::{Digest, TenantId, hash128};
use schemas::position::{Partition, SourcePosition};
use schemas::time::Epoch;
use schemas::view::{Row, ViewName};
use serde_json::{Value, json};

use super::input::canary;
use super::producer::Sent;
use super::topics::{Stored, original};
use super::views::{Rows, Texts};
use crate::prove::{Cases, Report};
use crate::twin::Views;

/// Differences that are told in full, of each sort.
const TOLD_MAX: usize = 3;

/// Counts that must be zero, and words about the first of what they count.
#[derive(Default)]
pub(crate) struct Verdict {
    lost: u64,
    duplicate: u64,
    phantom: u64,
    crossing: u64,
    digest_mismatches: u64,
    failures: Vec<String>,
}

/// What stands in each partition, by offset.
pub(crate) type Records = BTreeMap<Partition, Vec<LogRecord>>;

impl Verdict {
    /// The report of a check that ran to its end, or did not.
    pub(crate) fn report(
        mut self,
        check: &'static str,
        cases: Cases,
        ran: Result<(), String>,
        mut figures: Vec<(&'static str, Value)>,
    ) -> Report {
        self.failures.extend(ran.err());
        let failures =
            self.failures.iter().map(|failure| format!("seed {}: {failure}", cases.seed)).collect();
        figures.extend([
            ("lost", json!(self.lost)),
            ("duplicate", json!(self.duplicate)),
            ("phantom", json!(self.phantom)),
            ("crossing", json!(self.crossing)),
            ("digest_mismatches", json!(self.digest_mismatches)),
        ]);
        Report { check, n: cases.n, failures, figures }
    }

    /// The same rows, in the same order, to the byte.
    pub(crate) fn same(&mut self, whose: &str, left: &[Rows], right: &[Rows]) {
        for ((place, rows), (other, others)) in left.iter().flatten().zip(right.iter().flatten()) {
            let text = |rows: &[Value]| json!(rows).to_string();
            if place != other || text(rows) != text(others) {
                let (tenant, view) = place;
                self.digest_mismatches += 1;
                self.tell(format!("{tenant}/{view}: {whose} differ"));
            }
        }
    }

    fn tell(&mut self, line: String) {
        if self.failures.len() < 10 * TOLD_MAX {
            self.failures.push(line);
        }
    }

    /// What was acknowledged stands in Kafka; gives how much stands there that was not acknowledged.
    pub(crate) fn journal(&mut self, journal: &[Sent], records: &Records) -> u64 {
        let mut unacknowledged: BTreeMap<(&Partition, i64), &LogRecord> = BTreeMap::new();
        for (partition, records) in records {
            unacknowledged.extend(records.iter().map(|record| ((partition, record.position.offset), record)));
        }
        for sent in journal {
            let found = unacknowledged.remove(&(&sent.partition, sent.offset));
            if found.is_none_or(|found| found.value != sent.value || found.key != sent.key) {
                self.lost += 1;
                self.tell(format!("{}@{} was acknowledged and is not there", sent.partition, sent.offset));
            }
        }
        u64::try_from(unacknowledged.len()).unwrap_or(u64::MAX)
    }

    /// Every record is sealed once, with the digest of what is there, and no epoch's views came to two things.
    pub(crate) fn sealing(&mut self, seals: &[Seal], records: &Records) {
        let mut taken: BTreeMap<SourcePosition, u64> = BTreeMap::new();
        let mut said: BTreeMap<(Epoch, Digest, Digest), Digest> = BTreeMap::new();
        for seal in seals {
            let mut input: Vec<&LogRecord> = Vec::new();
            for take in &seal.takes {
                let of = records.get(&take.partition).into_iter().flatten();
                let within = (take.from..take.until).count();
                let found: Vec<&LogRecord> =
                    of.filter(|record| (take.from..take.until).contains(&record.position.offset)).collect();
                if found.len() != within {
                    self.phantom += 1;
                    self.tell(format!("epoch {} took records that are not there: {take:?}", seal.epoch));
                }
                input.extend(found);
            }
            input.sort_by(|left, right| left.position.cmp(&right.position));
            if digest(&input) != seal.input {
                self.digest_mismatches += 1;
                self.tell(format!("epoch {}: the records are not those that were sealed", seal.epoch));
            }
            input.iter().for_each(|record| *taken.entry(record.position.clone()).or_default() += 1);
            let of = seal.generation;
            for (epoch, views) in &seal.views {
                let before = said.insert((*epoch, of.code, of.config), *views);
                if before.is_some_and(|before| before != *views) {
                    self.digest_mismatches += 1;
                    self.tell(format!("epoch {epoch}: its views came to two things"));
                }
            }
        }
        self.refusals(seals, records);
        for record in records.values().flatten() {
            match taken.get(&record.position).copied().unwrap_or(0) {
                0 => {
                    self.lost += 1;
                    self.tell(format!("{} was never sealed", record.position));
                }
                1 => {}
                times => {
                    self.duplicate += 1;
                    self.tell(format!("{} was sealed {times} times", record.position));
                }
            }
        }
    }

    /// No record was refused for a schema that the registry has.
    fn refusals(&mut self, seals: &[Seal], records: &Records) {
        let registered: BTreeSet<u32> = seals.iter().flat_map(|seal| seal.schemas.keys().copied()).collect();
        for verdict in seals.iter().flat_map(|seal| &seal.verdicts) {
            let of = records.get(&verdict.position.partition()).into_iter().flatten();
            let mut named = of.filter(|record| record.position.offset == verdict.position.offset);
            let id = named.next().and_then(|record| avro::frame(&record.value).ok()).map(|(id, _)| id);
            if id.is_none_or(|id| registered.contains(&id)) {
                self.lost += 1;
                self.tell(format!("{} was refused for schema {id:?}, which is registered", verdict.position));
            }
        }
    }

    /// Every view has the twin's rows and no others, and none of another tenant.
    pub(crate) fn views(&mut self, tenants: &[TenantId], found: &Texts, wanted: &Texts) {
        for ((tenant, view), rows) in found {
            let empty = BTreeSet::new();
            let wanted = wanted.get(&(tenant.clone(), *view)).unwrap_or(&empty);
            let missing: Vec<&String> = wanted.difference(rows).collect();
            let surplus: Vec<&String> = rows.difference(wanted).collect();
            self.lost += missing.len() as u64;
            self.phantom += surplus.len() as u64;
            missing.iter().take(TOLD_MAX).for_each(|row| self.tell(format!("{tenant}/{view} lacks {row}")));
            surplus.iter().take(TOLD_MAX).for_each(|row| self.tell(format!("{tenant}/{view} has {row}")));
            for other in tenants.iter().filter(|other| *other != tenant) {
                let crossed = rows.iter().filter(|row| row.contains(&canary(other))).count();
                if 0 < crossed {
                    self.crossing += crossed as u64;
                    self.tell(format!("{tenant}/{view}: {crossed} rows of {other}"));
                }
            }
        }
    }

    /// Every refused record has one letter, with its bytes, in the topic beside its own.
    pub(crate) fn letters(&mut self, expected: &Views, records: &Records, letters: &[Stored]) {
        let rejects = expected.iter().filter(|((_, view), _)| *view == ViewName::Rejects);
        let mut refused: BTreeMap<SourcePosition, u64> = BTreeMap::new();
        for row in rejects.flat_map(|(_, rows)| rows) {
            if let Row::Reject(reject) = row {
                refused.insert(reject.position.clone(), 0);
            }
        }
        for letter in letters {
            let place = original(letter);
            let count = place.as_ref().and_then(|place| refused.get_mut(place));
            let (Some(place), Some(count)) = (&place, count) else {
                self.phantom += 1;
                self.tell(format!("{}@{}: a letter about {place:?}", letter.partition, letter.offset));
                continue;
            };
            *count += 1;
            let of = records.get(&place.partition()).into_iter().flatten();
            let record = of.into_iter().find(|record| record.position.offset == place.offset);
            let whole = record.is_some_and(|record| record.key == letter.key && record.value == letter.value);
            if !whole || *letter.partition.topic != *format!("{}.dlq", place.topic) {
                self.lost += 1;
                self.tell(format!("the letter about {place} is not its record"));
            }
        }
        for (place, count) in refused {
            match count {
                0 => {
                    self.lost += 1;
                    self.tell(format!("{place} was refused and has no letter"));
                }
                1 => {}
                count => {
                    self.duplicate += 1;
                    self.tell(format!("{place} has {count} letters"));
                }
            }
        }
    }
}

/// What records come to, said once more without the program.
fn digest(records: &[&LogRecord]) -> Digest {
    let one = |record: &LogRecord| {
        let appended = record.appended.map_or(0, |at| at.0);
        let position = record.position.to_string();
        hash128(&[position.as_bytes(), &appended.to_le_bytes(), &record.key, &record.value])
    };
    let fold = |sum: u128, record: &&LogRecord| hash128(&[&sum.to_le_bytes(), &one(record).to_le_bytes()]);
    Digest(records.iter().fold(0, fold))
}
