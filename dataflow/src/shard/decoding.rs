//! Decoding the records of an epoch, with the registry's word where a writer schema is not known yet.
//!
//! While the registry is away, a record that needs it waits, and with it what follows it in its partition; other partitions,
//! and records whose schema is known, go on. What waits is part of no epoch: it is neither lost nor refused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use schemas::error::{DecodeError, RejectCode};
use schemas::position::Partition;
use schemas::time::EventTime;

use super::{RETRY, Shard};
use crate::arrival::Arrival;
use crate::control::record::Verdict;
use crate::ingest::decode::{Outcome, refused};
use crate::ingest::log::LogRecord;
use crate::ingest::registry::RegistryAnswer;

/// What decoding records came to.
#[derive(Default)]
pub(super) struct Decoded {
    /// Those that become part of the epoch.
    pub(super) records: Vec<LogRecord>,
    pub(super) arrivals: Vec<Arrival>,
    pub(super) learned: BTreeMap<u32, String>,
    pub(super) verdicts: Vec<Verdict>,
}

/// What the registry said of ids that are not known, within one epoch.
#[derive(Default)]
struct Asked {
    unknown: BTreeMap<u32, DecodeError>,
    away: BTreeSet<u32>,
}

impl Shard {
    /// Decodes records in the order of their positions; those that must wait are put back.
    pub(super) fn decode(&mut self, records: Vec<LogRecord>, now: EventTime) -> Decoded {
        let (mut decoded, mut asked) = (Decoded::default(), Asked::default());
        let mut waiting: BTreeMap<Partition, VecDeque<LogRecord>> = BTreeMap::new();
        for record in records {
            let partition = record.position.partition();
            let arrivals = match waiting.contains_key(&partition) {
                true => None,
                false => self.decode_one(&record, now, &mut decoded, &mut asked),
            };
            match arrivals {
                Some(arrivals) => {
                    decoded.arrivals.extend(arrivals);
                    decoded.records.push(record);
                }
                None => waiting.entry(partition).or_default().push_back(record),
            }
        }
        for (partition, mut records) in waiting {
            // Before those that wait already and were not taken this time.
            records.extend(self.deferred.remove(&partition).unwrap_or_default());
            self.deferred.insert(partition, records);
        }
        decoded
    }

    /// `None` while the registry is away.
    fn decode_one(
        &mut self,
        record: &LogRecord,
        now: EventTime,
        decoded: &mut Decoded,
        asked: &mut Asked,
    ) -> Option<Vec<Arrival>> {
        loop {
            let id = match self.decoder.decode(record, now) {
                Outcome::Arrived(arrivals) => return Some(arrivals),
                Outcome::Wants(id) => id,
            };
            if let Some(error) = asked.unknown.get(&id) {
                let position = record.position.clone();
                decoded.verdicts.push(Verdict { position, error: error.clone() });
                return Some(refused(record, error.clone()));
            }
            if asked.away.contains(&id) {
                return None;
            }
            match self.ask_registry(id) {
                RegistryAnswer::Schema(text) => {
                    self.decoder.learn(id, &text);
                    decoded.learned.insert(id, text);
                }
                RegistryAnswer::Unknown(detail) => {
                    asked.unknown.insert(id, DecodeError::new(RejectCode::Schema, detail));
                }
                RegistryAnswer::Away(_) => {
                    asked.away.insert(id);
                }
            }
        }
    }

    /// The registry's word on an id; one that was away is left alone for a moment.
    fn ask_registry(&mut self, id: u32) -> RegistryAnswer {
        let now = self.now();
        let pause_ms = i64::try_from(RETRY.as_millis()).unwrap_or(i64::MAX);
        if self.registry_away_at.is_some_and(|at| now.ms_since(at) < pause_ms) {
            return RegistryAnswer::Away(String::new());
        }
        let answer = match &mut self.registry {
            Some(registry) => registry.schema(id),
            None => RegistryAnswer::Unknown("no registry is configured".to_owned()),
        };
        self.registry_away_at = match &answer {
            RegistryAnswer::Away(error) => {
                metrics::counter!("kgroot_registry_away_total").increment(1);
                tracing::warn!(id, %error, "records wait for the registry");
                Some(now)
            }
            _ => None,
        };
        answer
    }
}
