//! The state of a shard, looked at without taking it over.

use std::collections::BTreeSet;

use schemas::time::Epoch;

use super::ShardError;
use crate::control::ledger::{Fate, Ledger};
use crate::control::log::ControlLog;
use crate::control::record::SnapshotMark;
use crate::snapshot::folder::SnapshotFolder;

/// What a control log comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateReport {
    /// Greatest term.
    pub term: u64,
    /// Who has it.
    pub owner: String,
    /// Last epoch sealed.
    pub sealed: Option<Epoch>,
    /// Records that the log keeps.
    pub records: u64,
    /// Those that are void: decided by a process that had been taken over.
    pub void: u64,
    /// Snapshots that count, oldest first.
    pub snapshots: Vec<SnapshotMark>,
    /// Sealed epochs that are newer than the newest snapshot.
    pub to_replay: u64,
}

fn read(control: &mut dyn ControlLog) -> Result<(Ledger, u64, u64), ShardError> {
    let mut ledger = Ledger::default();
    let (mut records, mut void) = (0, 0);
    for (offset, bytes) in control.read(0)? {
        records += 1;
        void += u64::from(ledger.take(offset, &bytes)? == Fate::Void);
    }
    Ok((ledger, records, void))
}

/// Reads the control log.
pub fn inspect(control: &mut dyn ControlLog) -> Result<StateReport, ShardError> {
    let (ledger, records, void) = read(control)?;
    let newest = ledger.snapshots.back().map_or(0, |mark| mark.mark.epoch);
    let to_replay = ledger.sealed.unwrap_or(0).saturating_sub(newest);
    let Ledger { term, owner, sealed, snapshots, .. } = ledger;
    Ok(StateReport { term, owner, sealed, records, void, snapshots: snapshots.into(), to_replay })
}

/// Removes snapshots and control records that no recovery needs; gives the epochs of those kept.
pub fn compact(
    control: &mut dyn ControlLog,
    folder: &mut SnapshotFolder,
) -> Result<BTreeSet<Epoch>, ShardError> {
    let (ledger, ..) = read(control)?;
    let kept: BTreeSet<Epoch> = ledger.snapshots.iter().map(|mark| mark.mark.epoch).collect();
    folder.keep(&kept)?;
    if let Some(offset) = ledger.needed_from() {
        control.forget(offset)?;
    }
    Ok(kept)
}
