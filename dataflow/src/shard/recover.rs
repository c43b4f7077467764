//! Recovery: take the shard over, bring back the newest snapshot that can be read, replay what was sealed after it.

use std::collections::{BTreeMap, BTreeSet};

use schemas::ids::Digest;
use schemas::position::Partition;
use schemas::time::EventTime;

use super::by_tenant::ByTenant;
use super::letters::Letters;
use super::snapshots::Taking;
use super::{Inside, Outside, RETRY, Shard, ShardError, ShardPolicy, input_digest, record_digest};
use crate::arrival::Arrival;
use crate::control::ledger::{Ledger, LedgerError};
use crate::control::record::{Place, Seal, SnapshotMark, Take};
use crate::ingest::decode::{Decoder, Outcome, refused};
use crate::ingest::log::LogRecord;
use crate::ingest::registry::RegistryAnswer;
use crate::ingest::share::Shares;
use crate::retained::Retained;
use crate::seal::Mark;
use crate::snapshot::format::Manifest;

/// Records read at a time while replaying.
const REPLAY_RECORDS_MAX: usize = 5_000;

impl Shard {
    /// Takes the shard over and brings the engine, which has sealed nothing yet, to where sealing stood.
    pub fn recover(outside: Outside, inside: Inside, policy: ShardPolicy) -> Result<Self, ShardError> {
        let Outside { log, control, snapshots, registry, letters, background, clock, applied, stop } =
            outside;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut shard = Shard {
            decoder: Decoder::new(registry.is_some()),
            letters: Letters::new(letters),
            runtime: runtime.map_err(ShardError::Start)?,
            shares: Shares::new(policy.quota),
            began_ms: clock().0,
            failed_ms: 0,
            log,
            control,
            registry,
            clock,
            applied,
            stop,
            background,
            inside,
            policy,
            ledger: Ledger::default(),
            term: 0,
            places: BTreeMap::new(),
            mark: Mark { epoch: 0, now_ms: 0, event_time_ms: 0, seq: 0, tenants: std::sync::Arc::default() },
            in_flight: BTreeMap::new(),
            untold: Vec::new(),
            taking: Taking::Idle,
            folder: Some(snapshots),
            discovered_at: None,
            sealed_at: EventTime(0),
            deferred: BTreeMap::new(),
            registry_away_at: None,
            assigned: ByTenant::default(),
        };
        shard.take_over()?;
        shard.bring_back()?;
        shard.open_partitions()?;
        shard.replay()?;
        shard.check_registry()?;
        Ok(shard)
    }

    /// Feeds the newest snapshot that can be read; without any, the seals must go back to the beginning.
    fn bring_back(&mut self) -> Result<(), ShardError> {
        let mut problems = Vec::new();
        for mark in self.ledger.snapshots.clone().into_iter().rev() {
            match self.load(&mark) {
                Ok((manifest, rows)) => return self.resume(manifest, rows),
                Err(error) => {
                    tracing::error!(%error, epoch = mark.mark.epoch, "snapshot cannot be used");
                    problems.push(error.to_string());
                }
            }
        }
        match self.ledger.seals.first_key_value() {
            None if problems.is_empty() && self.ledger.sealed.is_none() => Ok(()),
            Some((1, _)) => Ok(()),
            first => {
                let first = first.map_or(0, |(epoch, _)| *epoch);
                problems.push(format!("the oldest seal is that of epoch {first}"));
                Err(ShardError::NoSnapshot(problems.join("; ")))
            }
        }
    }

    fn load(&mut self, mark: &SnapshotMark) -> Result<(Manifest, Vec<Retained>), ShardError> {
        let Some(folder) = &mut self.folder else { panic!("no snapshot is written while recovering") };
        let manifest = folder.manifest(mark.mark.epoch, mark.manifest)?;
        let rows = folder.rows(&manifest)?;
        Ok((manifest, rows))
    }

    fn resume(&mut self, manifest: Manifest, rows: Vec<Retained>) -> Result<(), ShardError> {
        let Manifest { mark, generation, views, places, schemas, .. } = manifest;
        let resumed = self.runtime.block_on(self.inside.input.resume(&mark, rows))?;
        let Some(completed) = self.inside.completed.blocking_recv() else {
            return Err(ShardError::Engine(crate::engine::EngineError::Stopped));
        };
        if generation != self.policy.generation {
            tracing::info!("another program or configuration: all views were computed anew");
        } else if completed.views != views {
            return Err(ShardError::Diverged { epoch: mark.epoch, said: views, found: completed.views });
        }
        self.mark = resumed;
        self.places = places.into_iter().map(|place| (place.partition.clone(), place)).collect();
        for (id, text) in schemas {
            self.decoder.learn(id, &text);
        }
        Ok(())
    }

    fn unreplayed(&self) -> Result<Vec<Seal>, ShardError> {
        let seals: Vec<Seal> =
            self.ledger.seals.range(self.mark.epoch + 1..).map(|(_, (_, seal))| seal.clone()).collect();
        match seals.first().map(|seal| seal.epoch) {
            Some(found) if found != self.mark.epoch + 1 => {
                Err(LedgerError::Gap { offset: 0, found, before: self.mark.epoch }.into())
            }
            _ => Ok(seals),
        }
    }

    /// Begins to read every partition of which something was taken, where that ended; what was taken last must still stand
    /// there, unless it was removed for its age.
    fn open_partitions(&mut self) -> Result<(), ShardError> {
        let mut starts: BTreeMap<Partition, (i64, Option<Digest>)> = BTreeMap::new();
        for (partition, place) in &self.places {
            starts.insert(partition.clone(), (place.next, Some(place.last)));
        }
        let mut ends: BTreeMap<Partition, i64> = BTreeMap::new();
        for take in self.unreplayed()?.iter().flat_map(|seal| &seal.takes) {
            starts.entry(take.partition.clone()).or_insert((take.from, None));
            ends.insert(take.partition.clone(), take.until);
        }
        let mut assigned = BTreeMap::new();
        let mut checked = Vec::new();
        for (partition, (wanted, last)) in starts {
            let bounds = self.bounds(&partition)?;
            if wanted < bounds.oldest {
                return Err(ShardError::Retention { partition, wanted, oldest: bounds.oldest });
            }
            let sealed = ends.get(&partition).copied().unwrap_or(wanted);
            if bounds.end < sealed {
                return Err(ShardError::Truncated { partition, wanted: sealed, end: bounds.end });
            }
            match last.filter(|_| bounds.oldest < wanted) {
                Some(last) => {
                    assigned.insert(partition.clone(), wanted - 1);
                    checked.push((partition, wanted - 1, last));
                }
                None => {
                    assigned.insert(partition, wanted);
                }
            }
        }
        self.log.assign(&assigned)?;
        for (partition, offset, last) in checked {
            let read = self.read_until(&partition, offset, offset + 1)?;
            if read.first().map(record_digest) != Some(last) {
                return Err(ShardError::Recreated { partition, offset });
            }
        }
        self.assigned.add(assigned.into_keys());
        Ok(())
    }

    /// What a partition holds; waits while the log is away.
    fn bounds(&mut self, partition: &Partition) -> Result<crate::ingest::log::Bounds, ShardError> {
        loop {
            match self.log.bounds(partition) {
                Ok(bounds) => return Ok(bounds),
                Err(error @ crate::ingest::log::LogError::Unreachable { .. }) if !self.stopping() => {
                    tracing::warn!(%error, %partition, "recovery waits for the log");
                    self.background.pause(RETRY);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Records of a partition between two offsets; waits until they are at hand.
    fn read_until(
        &mut self,
        partition: &Partition,
        from: i64,
        until: i64,
    ) -> Result<Vec<LogRecord>, ShardError> {
        let mut records: Vec<LogRecord> = Vec::new();
        let mut next = from;
        while next < until {
            let left = usize::try_from(until - next).unwrap_or(usize::MAX).min(REPLAY_RECORDS_MAX);
            let read = self.log.read(partition, left)?;
            if read.is_empty() {
                if self.stopping() {
                    return Err(ShardError::Stopped);
                }
                self.log.wait(RETRY);
            }
            if let Some(last) = read.last() {
                next = last.position.offset + 1;
            }
            records.extend(read);
        }
        Ok(records)
    }

    /// Computes what was sealed once more.
    fn replay(&mut self) -> Result<(), ShardError> {
        let seals = self.unreplayed()?;
        let count = seals.len();
        for seal in seals {
            let mut records = Vec::new();
            for Take { partition, from, until, .. } in &seal.takes {
                let next = self.places.get(partition).map_or(*from, |place| place.next);
                records.extend(self.read_until(partition, next, *until)?);
            }
            records.sort_by(|left, right| left.position.cmp(&right.position));
            if input_digest(&records) != seal.input {
                return Err(ShardError::LogChanged { epoch: seal.epoch });
            }
            for (id, text) in &seal.schemas {
                self.decoder.learn(*id, text);
            }
            let arrivals = self.decode_sealed(&records, &seal)?;
            self.file_originals(seal.epoch, records);
            self.feed(&seal, arrivals, false)?;
            self.take_completions()?;
        }
        if 0 < count {
            tracing::info!(epochs = count, epoch = self.mark.epoch, "sealed epochs replayed");
        }
        Ok(())
    }

    /// Decodes sealed records: what depends on others was sealed with them.
    fn decode_sealed(&self, records: &[LogRecord], seal: &Seal) -> Result<Vec<Arrival>, ShardError> {
        let verdicts: BTreeMap<_, _> =
            seal.verdicts.iter().map(|verdict| (&verdict.position, &verdict.error)).collect();
        let mut arrivals = Vec::new();
        for record in records {
            if let Some(error) = verdicts.get(&record.position) {
                arrivals.extend(refused(record, (*error).clone()));
                continue;
            }
            match self.decoder.decode(record, EventTime(seal.now_ms)) {
                Outcome::Arrived(found) => arrivals.extend(found),
                Outcome::Wants(_) => return Err(ShardError::LogChanged { epoch: seal.epoch }),
            }
        }
        Ok(arrivals)
    }

    /// Asks the registry once whether it still says what records were read with. One that is away is believed later.
    fn check_registry(&mut self) -> Result<(), ShardError> {
        let Some(registry) = &mut self.registry else { return Ok(()) };
        let known: BTreeSet<(u32, String)> =
            self.decoder.known().iter().map(|(id, text)| (*id, text.clone())).collect();
        for (id, text) in known {
            match registry.schema(id) {
                RegistryAnswer::Schema(found) if found == text => {}
                RegistryAnswer::Away(error) => {
                    tracing::warn!(%error, "schemas are those that were sealed");
                    return Ok(());
                }
                RegistryAnswer::Schema(_) | RegistryAnswer::Unknown(_) => {
                    return Err(ShardError::RegistryChanged { id });
                }
            }
        }
        Ok(())
    }

    /// Where reading stands, by partition.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.values()
    }
}
