//! Taking a snapshot: an epoch is captured, its rows are written on a thread of their own, letters up to it are durable, and
//! then, when every store has applied what came before it, a control record names it. A snapshot that fails is tried again
//! later; the shard goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, channel};

use schemas::ids::Digest;
use schemas::time::Epoch;

use super::{Shard, ShardError};
use crate::control::record::{ControlRecord, Place, SnapshotMark};
use crate::engine::Kept;
use crate::retained::Retained;
use crate::seal::Mark;
use crate::snapshot::folder::{SnapshotError, SnapshotFolder};
use crate::snapshot::format::Manifest;

/// How far the taking of a snapshot is.
#[derive(Default)]
pub(super) enum Taking {
    /// None is being taken.
    #[default]
    Idle,
    /// An epoch is captured: rows come in, and what the views came to.
    Capturing(Box<Capturing>),
    /// Files are being written.
    Writing(Receiver<Written>, Mark),
    /// Files are there; some store is not as far yet.
    Held(Mark, Digest),
}

type Written = (SnapshotFolder, Result<Digest, SnapshotError>);

/// A captured epoch.
pub(super) struct Capturing {
    mark: Mark,
    places: Vec<Place>,
    schemas: BTreeMap<u32, String>,
    rows: Option<Vec<Retained>>,
    views: Option<Digest>,
}

impl Taking {
    /// An epoch is complete.
    pub(super) fn completed(&mut self, epoch: Epoch, views: Digest) {
        if let Taking::Capturing(capturing) = self
            && capturing.mark.epoch == epoch
        {
            capturing.views = Some(views);
        }
    }
}

impl Capturing {
    fn take(&mut self, kept: Kept) {
        // What an earlier capture left behind is not wanted.
        if kept.0.epoch == self.mark.epoch {
            self.rows = Some(kept.0.rows);
        }
    }
}

impl Shard {
    /// Whether the next epoch is to be captured.
    pub(super) fn snapshot_due(&self) -> bool {
        let last = self.ledger.snapshots.back().map_or(self.began_ms, |mark| mark.mark.now_ms);
        matches!(self.taking, Taking::Idle)
            && self.policy.snapshot_every_ms <= self.mark.now_ms.saturating_sub(last.max(self.failed_ms))
    }

    /// The epoch that was just sealed is captured.
    pub(super) fn begin_snapshot(&mut self) {
        self.taking = Taking::Capturing(Box::new(Capturing {
            mark: self.mark.clone(),
            places: self.places.values().cloned().collect(),
            schemas: self.decoder.known().clone(),
            rows: None,
            views: None,
        }));
    }

    /// Takes the next step of a snapshot, if it can be taken without waiting.
    pub(super) fn advance_snapshot(&mut self) -> Result<(), ShardError> {
        if let Taking::Capturing(capturing) = &mut self.taking {
            while let Ok(kept) = self.inside.captured.try_recv() {
                capturing.take(kept);
            }
        }
        match std::mem::take(&mut self.taking) {
            Taking::Capturing(capturing) => self.write_snapshot(capturing),
            Taking::Writing(writing, mark) => match writing.try_recv() {
                Ok(written) => self.end_snapshot(written, mark),
                Err(_) => {
                    self.taking = Taking::Writing(writing, mark);
                    Ok(())
                }
            },
            Taking::Held(mark, manifest) => self.name_snapshot(mark, manifest),
            Taking::Idle => Ok(()),
        }
    }

    /// Waits for the rows of a captured epoch, which is complete.
    pub(super) fn await_captured(&mut self) -> Result<(), ShardError> {
        if let Taking::Capturing(capturing) = &mut self.taking {
            while capturing.rows.is_none() {
                let Ok(kept) = self.inside.captured.recv() else { return Err(ShardError::Stopped) };
                capturing.take(kept);
            }
        }
        Ok(())
    }

    fn write_snapshot(&mut self, capturing: Box<Capturing>) -> Result<(), ShardError> {
        if capturing.views.is_none() || capturing.rows.is_none() {
            self.taking = Taking::Capturing(capturing);
            return Ok(());
        }
        let Some(mut folder) = self.folder.take() else { panic!("one snapshot is written at a time") };
        let Capturing { mark, places, schemas, rows: Some(rows), views: Some(views) } = *capturing else {
            return Ok(());
        };
        let generation = self.policy.generation;
        let manifest =
            Manifest { mark: mark.clone(), generation, views, places, schemas, shards: Vec::new() };
        let (done, writing) = channel();
        let job = move || {
            let written = folder.write(manifest, rows);
            // A shard that has ended takes nothing back.
            let _taken = done.send((folder, written));
        };
        self.background.spawn("kgroot-snapshot", Box::new(job)).map_err(ShardError::Start)?;
        self.taking = Taking::Writing(writing, mark);
        Ok(())
    }

    fn end_snapshot(&mut self, (folder, written): Written, mark: Mark) -> Result<(), ShardError> {
        self.folder = Some(folder);
        match written {
            Ok(manifest) => self.name_snapshot(mark, manifest),
            Err(error) => {
                self.failed_ms = self.mark.now_ms;
                metrics::counter!("kgroot_snapshot_failures_total").increment(1);
                tracing::error!(%error, "no snapshot; it is tried again later");
                Ok(())
            }
        }
    }

    /// Names a snapshot in the control log, once nothing before it is needed: recoveries begin with it from then on.
    fn name_snapshot(&mut self, mark: Mark, manifest: Digest) -> Result<(), ShardError> {
        let held_ms = self.mark.now_ms.saturating_sub(mark.now_ms);
        let applied = (self.applied)();
        if applied < mark.epoch {
            if held_ms <= self.policy.hold_back_ms {
                self.taking = Taking::Held(mark, manifest);
                return Ok(());
            }
            tracing::error!(
                epoch = mark.epoch,
                applied,
                "a store is too far behind: it will miss what came and went"
            );
        }
        // Letters of epochs before it will not be written again.
        self.flush_letters()?;
        let epoch = mark.epoch;
        let record = SnapshotMark { term: self.term, mark, manifest };
        self.commit(ControlRecord::Snapshot(record))?;
        tracing::info!(epoch, "snapshot");
        self.remove_old_snapshots()
    }

    /// Keeps what a recovery may need, and no more.
    fn remove_old_snapshots(&mut self) -> Result<(), ShardError> {
        let kept: BTreeSet<Epoch> = self.ledger.snapshots.iter().map(|mark| mark.mark.epoch).collect();
        if let Some(folder) = &mut self.folder
            && let Err(error) = folder.keep(&kept)
        {
            tracing::warn!(%error, "old snapshots stay");
        }
        if let Some(offset) = self.ledger.needed_from()
            && let Err(error) = self.control.forget(offset)
        {
            tracing::warn!(%error, "old control records stay");
        }
        Ok(())
    }

    /// Waits for a snapshot that was begun. Its epoch is complete.
    pub(super) fn finish_snapshot(&mut self) -> Result<(), ShardError> {
        self.await_captured()?;
        self.advance_snapshot()?;
        match std::mem::take(&mut self.taking) {
            Taking::Writing(writing, mark) => {
                self.background.expect();
                let Ok(written) = writing.recv() else { panic!("the writer of a snapshot panicked") };
                self.end_snapshot(written, mark)
            }
            // One that waits for stores is not waited for.
            other => {
                self.taking = other;
                Ok(())
            }
        }
    }
}
