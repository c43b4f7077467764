//! The backlog: changes of epochs, on disk until every store has applied them.
//!
//! Key     `epoch, part` (big endian); part 0 says how many follow.
//! Order   epochs in order.
//! Repeat  begins empty in each process: a recovery computes the same epochs again, and snapshots wait for the stores.
//! Limits  so many bytes; beyond them the oldest epochs are dropped, and a store that still wanted them is told so.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use schemas::feed::{Change, EpochChanges};
use schemas::ids::Digest;
use schemas::time::{Epoch, EventTime};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Names of backlogs begin with it.
const PREFIX: &str = "epochs-";
/// Changes of one value: bounds what is held at once while it is written.
const PART_CHANGES: usize = 5_000;

/// Why the backlog cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum BacklogError {
    /// Its disk.
    #[error("the backlog of the stores: {0}; free space, or set data elsewhere")]
    Disk(#[from] fjall::Error),
    /// Its folder.
    #[error("the folder of the backlog: {0}; set data elsewhere")]
    Folder(#[from] std::io::Error),
    /// A value is not what was written.
    #[error("the backlog of the stores is damaged at epoch {0}; restart: it is computed again")]
    Damaged(Epoch),
    /// What a store needs next was dropped.
    #[error(
        "the store is behind epoch {oldest}, the oldest in the backlog; restart: what it needs is computed again"
    )]
    Behind {
        /// The oldest epoch that is there.
        oldest: Epoch,
    },
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Backlog {
    shared: Arc<Shared>,
}

struct Shared {
    // Keeps the database open.
    _database: Database,
    values: Keyspace,
    bytes_max: u64,
    index: Mutex<Index>,
    latest: watch::Sender<Epoch>,
}

#[derive(Default)]
struct Index {
    /// Epochs that are there, with the bytes and parts of each.
    epochs: VecDeque<(Epoch, u64, u32)>,
    bytes: u64,
    /// The first epoch of this process.
    first: Option<(Epoch, bool)>,
}

/// Part 0.
#[derive(Serialize, Deserialize)]
struct Head {
    now: EventTime,
    whole: bool,
    digest: Digest,
    parts: u32,
}

impl Backlog {
    /// Begins one in a folder, under a name that no other process has: one that should have stopped may still write to its
    /// own. Backlogs of processes before are removed, and nothing else.
    pub fn begin(folder: &Path, process: &str, bytes_max: u64) -> Result<Self, BacklogError> {
        std::fs::create_dir_all(folder)?;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
        let database = Database::builder(folder.join(format!("{PREFIX}{process}"))).open()?;
        let values = database.keyspace("changes", KeyspaceCreateOptions::default)?;
        let (latest, _) = watch::channel(0);
        let index = Mutex::new(Index::default());
        Ok(Backlog { shared: Arc::new(Shared { _database: database, values, bytes_max, index, latest }) })
    }

    /// Adds the next epoch.
    pub fn append(&self, epoch: &EpochChanges) -> Result<(), BacklogError> {
        let number = epoch.epoch;
        let mut parts = 0;
        let mut bytes = 0;
        for changes in epoch.changes.chunks(PART_CHANGES) {
            parts += 1;
            bytes += self.put(number, parts, &changes)?;
        }
        let head = Head { now: epoch.now, whole: epoch.whole, digest: epoch.digest(), parts };
        bytes += self.put(number, 0, &head)?;
        let mut index = self.index();
        index.first.get_or_insert((number, epoch.whole));
        index.epochs.push_back((number, bytes, parts));
        index.bytes += bytes;
        while self.shared.bytes_max < index.bytes && 1 < index.epochs.len() {
            self.drop_oldest(&mut index)?;
        }
        drop(index);
        self.shared.latest.send_replace(number);
        Ok(())
    }

    /// The first epoch of this process, and whether it was whole; `None` before there is one.
    pub fn first(&self) -> Option<(Epoch, bool)> {
        self.index().first
    }

    /// Tells the latest epoch, and of each that is added.
    pub fn latest(&self) -> watch::Receiver<Epoch> {
        self.shared.latest.subscribe()
    }

    /// Epochs after one, in order, with their digests: at least one if there is one, and no more once they hold
    /// `changes_max`.
    pub fn after(
        &self,
        epoch: Epoch,
        changes_max: usize,
    ) -> Result<Vec<(EpochChanges, Digest)>, BacklogError> {
        let (wanted, oldest) = {
            let index = self.index();
            let from = index.epochs.partition_point(|(number, ..)| *number <= epoch);
            let wanted: Vec<Epoch> = index.epochs.range(from..).map(|(number, ..)| *number).collect();
            (wanted, index.epochs.front().map(|(number, ..)| *number))
        };
        let first = self.first().map(|(first, _)| first);
        if let (Some(oldest), Some(first)) = (oldest, first)
            && epoch + 1 < oldest
            && first < oldest
        {
            return Err(BacklogError::Behind { oldest });
        }
        let mut found = Vec::new();
        let mut changes = 0;
        for number in wanted {
            let (epoch, digest) = self.read(number)?;
            changes += epoch.changes.len();
            found.push((epoch, digest));
            if changes_max <= changes {
                break;
            }
        }
        Ok(found)
    }

    /// Drops epochs that every store has.
    pub fn forget(&self, until: Epoch) -> Result<(), BacklogError> {
        let mut index = self.index();
        while index.epochs.front().is_some_and(|(number, ..)| *number <= until) {
            self.drop_oldest(&mut index)?;
        }
        Ok(())
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.index().bytes
    }

    fn read(&self, number: Epoch) -> Result<(EpochChanges, Digest), BacklogError> {
        let head: Head = self.get(number, 0)?;
        let mut changes: Vec<Change> = Vec::new();
        for part in 1..=head.parts {
            changes.append(&mut self.get(number, part)?);
        }
        Ok((EpochChanges { epoch: number, now: head.now, whole: head.whole, changes }, head.digest))
    }

    fn put(&self, epoch: Epoch, part: u32, value: &impl Serialize) -> Result<u64, BacklogError> {
        let Ok(bytes) = rmp_serde::to_vec(value) else { panic!("changes can be written as MessagePack") };
        let bytes = lz4_flex::compress_prepend_size(&bytes);
        let length = bytes.len() as u64;
        self.shared.values.insert(key(epoch, part), bytes)?;
        Ok(length)
    }

    fn get<T: for<'de> Deserialize<'de>>(&self, epoch: Epoch, part: u32) -> Result<T, BacklogError> {
        let bytes = self.shared.values.get(key(epoch, part))?.ok_or(BacklogError::Damaged(epoch))?;
        let bytes = lz4_flex::decompress_size_prepended(&bytes).map_err(|_| BacklogError::Damaged(epoch))?;
        rmp_serde::from_slice(&bytes).map_err(|_| BacklogError::Damaged(epoch))
    }

    fn drop_oldest(&self, index: &mut Index) -> Result<(), BacklogError> {
        if let Some((epoch, bytes, parts)) = index.epochs.pop_front() {
            index.bytes -= bytes;
            for part in 0..=parts {
                self.shared.values.remove(key(epoch, part))?;
            }
        }
        Ok(())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // Changed by pushes and pops that leave it whole.
        self.shared.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(epoch: Epoch, part: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&epoch.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use schemas::view::{CoverageRow, Row, ViewName};

    use super::*;

    fn epoch(epoch: Epoch, rows: u64) -> EpochChanges {
        let change = |number: u64| {
            let source = format!("source-{number:05}");
            let row =
                CoverageRow { source, accepted: epoch, duplicate: 0, rejected: Vec::new(), reached: None };
            let row = Row::Coverage(row);
            let (tenant, key) = ("a".parse().unwrap(), row.key());
            Change { tenant, view: ViewName::Coverage, key, live: true, row }
        };
        EpochChanges { epoch, now: EventTime(7), whole: epoch == 4, changes: (0..rows).map(change).collect() }
    }

    fn begin(name: &str, bytes_max: u64) -> Backlog {
        let folder = std::env::temp_dir().join(format!("kgroot-backlog-{name}-{}", std::process::id()));
        Backlog::begin(&folder, "test", bytes_max).unwrap()
    }

    #[test]
    fn epochs_come_back_as_they_were_in_batches() {
        let backlog = begin("order", u64::MAX);
        let epochs = [epoch(4, 12_000), epoch(5, 0), epoch(6, 3), epoch(7, 3)];
        epochs.iter().for_each(|epoch| backlog.append(epoch).unwrap());
        let read = |after, max| {
            let found = backlog.after(after, max).unwrap();
            found.into_iter().map(|(epoch, digest)| (epoch.clone(), digest == epoch.digest())).collect()
        };
        let expected = |range: std::ops::Range<usize>| -> Vec<(EpochChanges, bool)> {
            epochs[range].iter().map(|epoch| (epoch.clone(), true)).collect()
        };
        let found: Vec<_> = read(0, 1);
        assert!(found == expected(0..1), "a large epoch comes back whole");
        let found: Vec<_> = read(4, 3);
        assert!(found == expected(1..3));
        assert_eq!(backlog.first(), Some((4, true)));
        assert_eq!(*backlog.latest().borrow(), 7);
    }

    #[test]
    fn what_every_store_has_is_dropped_and_who_comes_late_is_told() {
        let backlog = begin("forget", u64::MAX);
        (1..=5).for_each(|number| backlog.append(&epoch(number, 2)).unwrap());
        backlog.forget(3).unwrap();
        assert_eq!(backlog.after(3, 100).unwrap().len(), 2);
        assert!(matches!(backlog.after(1, 100), Err(BacklogError::Behind { oldest: 4 })));
        backlog.forget(5).unwrap();
        assert_eq!(backlog.bytes(), 0);
        assert!(backlog.after(5, 100).unwrap().is_empty());
    }

    #[test]
    fn only_backlogs_of_processes_before_are_removed() {
        let folder = std::env::temp_dir().join(format!("kgroot-backlog-others-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("epochs-before")).unwrap();
        std::fs::write(folder.join("notes.txt"), "mine").unwrap();
        Backlog::begin(&folder, "now", 1).unwrap();
        assert!(folder.join("notes.txt").exists() && folder.join("epochs-now").exists());
        assert!(!folder.join("epochs-before").exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn no_more_is_kept_than_allowed() {
        let backlog = begin("limit", 1);
        (1..=3).for_each(|number| backlog.append(&epoch(number, 2)).unwrap());
        assert!(matches!(backlog.after(0, 100), Err(BacklogError::Behind { oldest: 3 })));
        assert_eq!(backlog.after(2, 100).unwrap().len(), 1);
    }
}
