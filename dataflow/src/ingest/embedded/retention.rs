//! Retention of the embedded log: records older than it are removed when topics are listed, except the last of each topic, which
//! remembers the offset, and what the one who lists has not read.
//!
//! To remove a record is to write that it is gone; its bytes leave the disk when the store merges that note with the table
//! that has the record, which of a topic that only grows may be never. So tables that hold nothing else are discarded whole,
//! on a thread of its own, because the store merges nothing meanwhile. With such a table a note may go whose record is in a
//! table that stays; so where a topic begins is written down, and nothing before that is read, whoever opens the log.

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use fjall::{AbstractTree, PersistMode};
use schemas::time::EventTime;

use super::{EmbeddedLog, Ends, key};
use crate::ingest::log::LogError;

/// Records removed at a time, so that appends do not wait long.
const REMOVED_MAX: i64 = 10_000;
/// Bytes by which the log grows between two times that tables are discarded: about one of them. Each time costs the store some
/// writes, whether or not there is such a table.
const GROWN_BYTES: u64 = 64 << 20;

impl EmbeddedLog {
    /// Removes what is older than the retention and stands before an offset; the offset before which all is removed, if
    /// something was.
    pub(super) fn forget(&self, topic: &str, before: i64, now: EventTime) -> Result<Option<i64>, LogError> {
        let end = now.plus_ms(-self.store.retention_ms);
        let Ends { oldest, .. } = self.topics().ends(topic);
        let kept = self.first_kept(topic, oldest..before, end)?;
        for from in (oldest..kept).step_by(REMOVED_MAX as usize) {
            let until = kept.min(from + REMOVED_MAX);
            let mut batch = self.store.database.batch();
            for offset in from..until {
                batch.remove(&self.store.records, key(topic, offset));
            }
            batch.insert(&self.store.oldest, topic, until.to_be_bytes());
            batch.commit()?;
            self.topics().forget(topic, until);
        }
        Ok((oldest < kept).then_some(kept))
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

    /// Discards tables that hold only records before the offsets.
    fn discard(&self, removed: &BTreeMap<String, i64>) -> Result<(), fjall::Error> {
        // Where topics begin is on the disk before any note is not.
        self.store.database.persist(PersistMode::SyncData)?;
        for (topic, before) in removed {
            self.store.records.tree.drop_range(key(topic, 0)..key(topic, *before))?;
        }
        Ok(())
    }
}

/// Discards the tables of what was removed, one time after the other.
#[derive(Default)]
pub(super) struct Discarding {
    /// Before which offset all of a topic was removed, since the last time.
    removed: BTreeMap<String, i64>,
    /// The least that the records took on the disk since then, in bytes.
    least: u64,
    thread: Option<JoinHandle<()>>,
}

impl Discarding {
    /// All of a topic before an offset was removed.
    pub(super) fn removed(&mut self, topic: &str, before: i64) {
        self.removed.insert(topic.to_owned(), before);
    }

    /// Begins, if it is worth it and the time before is over.
    pub(super) fn begin(&mut self, log: &EmbeddedLog) {
        if let Some(thread) = self.thread.take_if(|thread| thread.is_finished()) {
            ended(thread);
        }
        let bytes = log.store.records.disk_space();
        self.least = self.least.min(bytes);
        if self.thread.is_some() || self.removed.is_empty() || bytes < self.least + GROWN_BYTES {
            return;
        }
        self.least = bytes;
        let (store, removed) = (log.clone(), std::mem::take(&mut self.removed));
        let discard = move || {
            if let Err(error) = store.discard(&removed) {
                tracing::warn!(%error, "what was removed stays on the disk");
            }
        };
        match std::thread::Builder::new().name("kgroot-discard".to_owned()).spawn(discard) {
            Ok(thread) => self.thread = Some(thread),
            Err(error) => tracing::warn!(%error, "what was removed stays on the disk"),
        }
    }
}

impl Drop for Discarding {
    /// The folder is free for another process only when nobody works on it.
    fn drop(&mut self) {
        self.thread.take().into_iter().for_each(ended);
    }
}

/// Waits for a thread, whose panic is a bug of this process.
fn ended(thread: JoinHandle<()>) {
    if let Err(panicked) = thread.join()
        && !std::thread::panicking()
    {
        std::panic::resume_unwind(panicked);
    }
}
