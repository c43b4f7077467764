//! A round: take records that are at hand, tenant by tenant; decode; seal; hand to the engine.

use std::collections::BTreeMap;

use schemas::ids::TenantId;
use schemas::position::Partition;
use schemas::time::EventTime;

use super::by_tenant::ByTenant;
use super::decoding::Decoded;
use super::{
    DISCOVER_MS, EPOCH_RECORDS_MAX, EPOCH_WAIT, Shard, ShardError, TICK_MS, input_digest, record_digest,
};
use crate::control::record::{ControlRecord, Seal, Take};
use crate::ingest::log::LogRecord;

impl Shard {
    /// Seals an epoch if there are records, or if time must go on. Waits a little for records.
    pub fn round(&mut self) -> Result<(), ShardError> {
        self.take_completions()?;
        self.advance_snapshot()?;
        self.advance_letters()?;
        self.discover()?;
        let (records, full) = self.gather()?;
        let now = self.now();
        // Behind by more than an epoch: time is that of the log, so that what waited there is not late for it.
        let appended = records.iter().filter_map(|record| record.appended).max();
        let reading = appended.filter(|_| full).map_or(now, |appended| appended.min(now));
        let reading = reading.max(EventTime(self.mark.now_ms));
        let decoded = self.decode(records, reading);
        if decoded.records.is_empty() && now.ms_since(self.sealed_at) < TICK_MS {
            return Ok(());
        }
        self.sealed_at = now;
        self.seal(decoded, reading)
    }

    /// Takes up partitions that are new, from their oldest record.
    fn discover(&mut self) -> Result<(), ShardError> {
        let now = self.now();
        if self.discovered_at.is_some_and(|last| now.ms_since(last) < DISCOVER_MS) {
            return Ok(());
        }
        self.discovered_at = Some(now);
        let found = match self.log.partitions() {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "topics could not be listed");
                return Ok(());
            }
        };
        let mut fresh = BTreeMap::new();
        for partition in found.into_iter().filter(|partition| !self.assigned.contains(partition)) {
            match self.log.bounds(&partition) {
                Ok(bounds) => {
                    fresh.insert(partition, bounds.oldest);
                }
                Err(error) => tracing::warn!(%error, %partition, "cannot be read yet"),
            }
        }
        if !fresh.is_empty() {
            self.log.assign(&fresh)?;
            self.assigned.add(fresh.into_keys());
        }
        Ok(())
    }

    /// Records for one epoch, in the order of their positions, and whether there were as many as an epoch may have.
    fn gather(&mut self) -> Result<(Vec<LogRecord>, bool), ShardError> {
        let mut records = self.take_at_hand(EPOCH_RECORDS_MAX)?;
        if records.len() < EPOCH_RECORDS_MAX {
            self.log.wait(EPOCH_WAIT);
            records.extend(self.take_at_hand(EPOCH_RECORDS_MAX - records.len())?);
        }
        let full = EPOCH_RECORDS_MAX <= records.len();
        records.sort_by(|left, right| left.position.cmp(&right.position));
        metrics::counter!("kgroot_source_records_total")
            .increment(u64::try_from(records.len()).unwrap_or(u64::MAX));
        Ok((records, full))
    }

    /// Partitions that may have records.
    fn ready(&mut self) -> ByTenant {
        let mut ready = ByTenant::default();
        ready.add(self.log.ready().into_iter().chain(self.deferred.keys().cloned()));
        ready
    }

    /// Each tenant's share first, then what is left: equal parts for those who have more, then whatever there is.
    fn take_at_hand(&mut self, limit: usize) -> Result<Vec<LogRecord>, ShardError> {
        let ready = self.ready();
        let now = self.now();
        let mut taken = Vec::new();
        let mut greedy: Vec<&TenantId> = Vec::new();
        let turns = self.shares.divide(ready.tenants(), limit, now);
        for (tenant, share) in turns {
            let found = self.take_of(ready.of(tenant), share)?;
            self.shares.spend(tenant, found.len());
            if found.len() == share && 0 < share {
                greedy.push(tenant);
            }
            taken.extend(found);
        }
        for equally in [true, false] {
            for (tenant, others) in greedy.iter().zip((0..greedy.len()).rev()) {
                let left = limit.saturating_sub(taken.len());
                let part = if equally { left.div_ceil(others + 1) } else { left };
                let part = part.min(self.shares.allowance(tenant, now));
                let found = self.take_of(ready.of(tenant), part)?;
                self.shares.spend(tenant, found.len());
                taken.extend(found);
            }
        }
        Ok(taken)
    }

    /// Records of one tenant, an equal part of each partition first.
    fn take_of<'p>(
        &mut self,
        partitions: impl Iterator<Item = &'p Partition> + Clone,
        limit: usize,
    ) -> Result<Vec<LogRecord>, ShardError> {
        let mut taken = Vec::new();
        let part = (limit / partitions.clone().count().max(1)).max(1);
        for share in [part, limit] {
            for partition in partitions.clone() {
                let left = limit.saturating_sub(taken.len()).min(share);
                if 0 < left {
                    taken.extend(self.next_of(partition, left)?);
                }
            }
        }
        Ok(taken)
    }

    /// The next records of a partition: first those that were put back.
    fn next_of(&mut self, partition: &Partition, limit: usize) -> Result<Vec<LogRecord>, ShardError> {
        let Some(deferred) = self.deferred.get_mut(partition) else {
            return Ok(self.log.read(partition, limit)?);
        };
        let taken = deferred.drain(..limit.min(deferred.len())).collect();
        if deferred.is_empty() {
            self.deferred.remove(partition);
        }
        Ok(taken)
    }

    fn seal(&mut self, decoded: Decoded, now: EventTime) -> Result<(), ShardError> {
        let Decoded { records, arrivals, learned, verdicts } = decoded;
        let seal = Seal {
            term: self.term,
            epoch: self.mark.epoch + 1,
            now_ms: now.0,
            generation: self.policy.generation,
            takes: takes(&records),
            schemas: learned,
            verdicts,
            input: input_digest(&records),
            views: std::mem::take(&mut self.untold),
        };
        self.commit(ControlRecord::Seal(seal.clone()))?;
        self.file_originals(seal.epoch, records);
        let capture = self.snapshot_due();
        self.feed(&seal, arrivals, capture)?;
        if capture {
            self.begin_snapshot();
        }
        Ok(())
    }

    /// Keeps the bytes of an epoch until it is complete: some of them may become dead letters.
    pub(super) fn file_originals(&mut self, epoch: schemas::time::Epoch, records: Vec<LogRecord>) {
        let originals = records.into_iter().map(|record| (record.position, (record.key, record.value)));
        self.in_flight.insert(epoch, originals.collect());
    }
}

/// What was taken of each partition, from records in the order of their positions.
fn takes(records: &[LogRecord]) -> Vec<Take> {
    let together = |left: &LogRecord, right: &LogRecord| {
        (&left.position.topic, left.position.partition) == (&right.position.topic, right.position.partition)
    };
    let take = |of_one: &[LogRecord]| match of_one {
        [first, ..] => {
            let last = of_one.last().unwrap_or(first);
            let (partition, from) = (first.position.partition(), first.position.offset);
            Take { partition, from, until: last.position.offset + 1, last: record_digest(last) }
        }
        [] => panic!("a chunk has a first record"),
    };
    records.chunk_by(together).map(take).collect()
}
