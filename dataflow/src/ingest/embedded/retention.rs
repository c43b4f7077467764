//! Retention of the embedded log: records older than it are removed when topics are listed, except the last of each topic, which
//! remembers the offset, and what the one who lists has not read.
//!
//! To remove a record is to write that it is gone; its bytes leave the disk when the store merges that note with the table
//! that has the record, which of a topic that only grows may be never. So tables that hold nothing else are discarded whole,
//! on a thread of its own, because the store merges nothing meanwhile. With such a table a note may go whose record is in a
//! table that stays: the record is then seen again by whoever opens the log, is as old as it was, and is removed again.

use std::thread::JoinHandle;

use fjall::AbstractTree;
use schemas::time::EventTime;

use super::{EmbeddedLog, Ends, key};
use crate::ingest::log::LogError;

/// Records removed at a time, so that appends do not wait long.
const REMOVED_MAX: i64 = 10_000;

/// What was removed of a topic: everything before an offset.
pub(super) struct Removed {
    topic: String,
    before: i64,
}

impl EmbeddedLog {
    /// Removes what is older than the retention and stands before an offset.
    pub(super) fn forget(
        &self,
        topic: &str,
        before: i64,
        now: EventTime,
    ) -> Result<Option<Removed>, LogError> {
        let end = now.plus_ms(-self.store.retention_ms);
        let Some(Ends { oldest, .. }) = self.ends().get(topic).copied() else { return Ok(None) };
        let kept = self.first_kept(topic, oldest..before, end)?;
        if kept <= oldest {
            return Ok(None);
        }
        for from in (oldest..kept).step_by(REMOVED_MAX as usize) {
            let mut batch = self.store.database.batch();
            for offset in from..kept.min(from + REMOVED_MAX) {
                batch.remove(&self.store.records, key(topic, offset));
            }
            batch.commit()?;
        }
        if let Some(ends) = self.ends().get_mut(topic) {
            ends.oldest = ends.oldest.max(kept);
        }
        Ok(Some(Removed { topic: topic.to_owned(), before: kept }))
    }

    /// The first of some offsets whose record was appended at `end` or later, else the one after them. If the clock went
    /// back meanwhile, times pass `end` more than once: it is one of the places where they do.
    fn first_kept(
        &self,
        topic: &str,
        offsets: std::ops::Range<i64>,
        end: EventTime,
    ) -> Result<i64, LogError> {
        let (mut low, mut high) = (offsets.start, offsets.end);
        // Mostly nothing is old: the first tells.
        let mut middle = low;
        while low < high {
            let record = self.read(topic, middle, 1)?;
            if record.first().and_then(|record| record.appended).is_some_and(|at| at < end) {
                low = middle + 1;
            } else {
                high = middle;
            }
            middle = low.midpoint(high);
        }
        Ok(low)
    }
}

/// Discards the tables of what was removed, one time after the other.
#[derive(Default)]
pub(super) struct Discarding(Option<JoinHandle<()>>);

impl Discarding {
    /// Begins, unless it is still about the time before: what is left then comes with the next.
    pub(super) fn begin(&mut self, log: &EmbeddedLog, removed: Vec<Removed>) {
        if removed.is_empty() || self.0.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let records = log.store.records.clone();
        let discard = move || {
            for Removed { topic, before } in removed {
                if let Err(error) = records.tree.drop_range(key(&topic, 0)..key(&topic, before)) {
                    tracing::warn!(%error, %topic, "what was removed stays on the disk");
                }
            }
        };
        match std::thread::Builder::new().name("kgroot-discard".to_owned()).spawn(discard) {
            Ok(thread) => self.0 = Some(thread),
            Err(error) => tracing::warn!(%error, "what was removed stays on the disk"),
        }
    }
}

impl Drop for Discarding {
    /// The folder is free for another process only when nobody works on it.
    fn drop(&mut self) {
        if let Some(Err(panicked)) = self.0.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panicked);
        }
    }
}
