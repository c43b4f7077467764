//! Which records of a control log count, and what they come to. Pure.
//!
//! Records are taken in the order of the log. A term counts if it is greater than every term before it; a seal or a
//! snapshot counts if it is of the greatest term so far. Whatever a process decided after another one took over is void,
//! whether or not it has noticed.

use std::collections::{BTreeMap, VecDeque};

use schemas::ids::Digest;
use schemas::position::Partition;
use schemas::time::Epoch;

use super::record::{ControlRecord, Generation, Place, RecordError, Seal, SnapshotMark};

/// Snapshots that are kept: one may be damaged.
pub(crate) const SNAPSHOTS_KEPT: usize = 2;

/// What a control log comes to so far.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Offset of the next record.
    pub(crate) next: i64,
    /// Greatest term.
    pub(crate) term: u64,
    /// Who has it.
    pub(crate) owner: String,
    /// Last epoch sealed; `None` where nothing is.
    pub(crate) sealed: Option<Epoch>,
    /// Seals that are newer than the older of the snapshots kept, by epoch, with their offsets.
    pub(crate) seals: BTreeMap<Epoch, (i64, Seal)>,
    /// Snapshots that count, oldest first.
    pub(crate) snapshots: VecDeque<SnapshotMark>,
    /// Offsets of their records.
    pub(crate) marks: VecDeque<i64>,
    /// What the views came to at those epochs, and which computation said so.
    pub(crate) views: BTreeMap<Epoch, (Generation, Digest)>,
}

/// Whether a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It counts.
    Valid,
    /// Another process had taken over before it.
    Void,
}

/// Why a control log makes no sense. It was changed by something that is not this program, or it is not all there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Bytes that are no record.
    #[error("control record {offset}: {source}")]
    Record {
        /// Offset.
        offset: i64,
        /// What is wrong.
        source: RecordError,
    },
    /// An epoch is missing.
    #[error("control record {offset} seals epoch {found} after epoch {before}; records between are missing")]
    Gap {
        /// Offset.
        offset: i64,
        /// Epoch sealed.
        found: Epoch,
        /// Epoch sealed before.
        before: Epoch,
    },
    /// What an epoch's views came to is stated twice, differently.
    #[error(
        "control record {offset} says that the views of epoch {epoch} came to something else than said before"
    )]
    Contradiction {
        /// Offset.
        offset: i64,
        /// Epoch.
        epoch: Epoch,
    },
}

impl Ledger {
    /// Takes the next record of the log.
    pub(crate) fn take(&mut self, offset: i64, bytes: &[u8]) -> Result<Fate, LedgerError> {
        let record = ControlRecord::decode(bytes).map_err(|source| LedgerError::Record { offset, source })?;
        self.next = offset + 1;
        match record {
            ControlRecord::Term(term) if self.term < term.term => {
                self.term = term.term;
                self.owner = term.owner;
                Ok(Fate::Valid)
            }
            ControlRecord::Seal(seal) if self.counts(seal.term) => self.seal(offset, seal),
            ControlRecord::Snapshot(mark) if self.counts(mark.term) => {
                self.snapshot(offset, mark);
                Ok(Fate::Valid)
            }
            ControlRecord::Term(_) | ControlRecord::Seal(_) | ControlRecord::Snapshot(_) => Ok(Fate::Void),
        }
    }

    /// Where older records were removed, the first that is left counts; its term was the greatest then.
    fn counts(&mut self, term: u64) -> bool {
        if self.term == 0 {
            self.term = term;
        }
        self.term == term
    }

    fn seal(&mut self, offset: i64, seal: Seal) -> Result<Fate, LedgerError> {
        // Where older records were removed, sealing begins somewhere.
        let before = self.sealed.unwrap_or(seal.epoch.saturating_sub(1));
        if seal.epoch != before + 1 {
            return Err(LedgerError::Gap { offset, found: seal.epoch, before });
        }
        for (epoch, digest) in &seal.views {
            let said = self.views.insert(*epoch, (seal.generation, *digest));
            let contradicts = |(generation, before)| generation == seal.generation && before != *digest;
            if said.is_some_and(contradicts) {
                return Err(LedgerError::Contradiction { offset, epoch: *epoch });
            }
        }
        self.sealed = Some(seal.epoch);
        self.seals.insert(seal.epoch, (offset, seal));
        Ok(Fate::Valid)
    }

    fn snapshot(&mut self, offset: i64, mark: SnapshotMark) {
        self.snapshots.push_back(mark);
        self.marks.push_back(offset);
        while SNAPSHOTS_KEPT < self.snapshots.len() {
            self.snapshots.pop_front();
            self.marks.pop_front();
        }
        if SNAPSHOTS_KEPT == self.snapshots.len() {
            let oldest = self.snapshots[0].mark.epoch;
            self.seals = self.seals.split_off(&(oldest + 1));
            self.views = self.views.split_off(&oldest);
        }
    }

    /// Offset before which records are no longer needed, once there are enough snapshots: that of the older snapshot's own
    /// record, without which nobody would know of it, or of the first seal after it, whichever comes first.
    pub(crate) fn needed_from(&self) -> Option<i64> {
        let oldest = self.snapshots.front().filter(|_| self.snapshots.len() == SNAPSHOTS_KEPT)?;
        let (sealed, _) = self.seals.get(&(oldest.mark.epoch + 1))?;
        self.marks.front().map(|marked| *marked.min(sealed))
    }
}

/// Where reading stands after seals, from where it stood before them.
pub(crate) fn advance(places: &mut BTreeMap<Partition, Place>, seal: &Seal) {
    for take in &seal.takes {
        let partition = take.partition.clone();
        let place = Place { partition: partition.clone(), next: take.until, last: take.last };
        places.insert(partition, place);
    }
}
