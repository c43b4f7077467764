//! The backlog: changes of epochs until every store has applied them; in memory, and on disk what is too much for that.
//!
//! Key     epoch.
//! Order   epochs in order.
//! Repeat  begins empty in each process: a recovery computes the same epochs again, and snapshots wait for the stores.
//! Limits  so many changes in memory, unless the disk takes nothing; so many bytes on disk. Beyond them the oldest
//!         epochs are dropped, and a store that still wanted them is told so.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::feed::EpochChanges;
use schemas::ids::Digest;
use schemas::time::Epoch;
use tokio::sync::watch;

mod file;

/// Names of backlogs begin with it.
const PREFIX: &str = "epochs-";
/// Changes that are kept in memory: stores that keep up never touch the disk.
const MEMORY_CHANGES: usize = 50_000;
/// Changes that are kept in memory while the disk takes nothing.
const MEMORY_CHANGES_MAX: usize = 1_000_000;

/// Why the backlog cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum BacklogError {
    /// Its disk.
    #[error("the backlog of the stores, {}: {source}; free space, or set data elsewhere", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// A file is not what was written.
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
    folder: PathBuf,
    bytes_max: u64,
    index: Mutex<Index>,
    latest: watch::Sender<Epoch>,
}

#[derive(Default)]
struct Index {
    kept: VecDeque<Kept>,
    /// Changes of the epochs in memory.
    changes: usize,
    /// Bytes of the epochs on disk.
    bytes: u64,
    /// The first epoch of this process, and whether it was whole.
    first: Option<(Epoch, bool)>,
}

#[derive(Clone)]
struct Kept {
    epoch: Epoch,
    digest: Digest,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Memory(EpochChanges),
    Disk { bytes: u64 },
}

impl Backlog {
    /// Begins one in a folder, under a name that no other process has: one that should have stopped may still write to its
    /// own. Backlogs of processes before are removed, and nothing else.
    pub fn begin(folder: &Path, process: &str, bytes_max: u64) -> Result<Self, BacklogError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| BacklogError::Disk { path, source }
        };
        std::fs::create_dir_all(folder).map_err(at(folder))?;
        for entry in std::fs::read_dir(folder).map_err(at(folder))? {
            let entry = entry.map_err(at(folder))?;
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                std::fs::remove_dir_all(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        let folder = folder.join(format!("{PREFIX}{process}"));
        std::fs::create_dir(&folder).map_err(at(&folder))?;
        let (latest, _) = watch::channel(0);
        Ok(Backlog { shared: Arc::new(Shared { folder, bytes_max, index: Mutex::default(), latest }) })
    }

    /// Adds the next epoch. Only one thread adds, spills and forgets.
    pub fn append(&self, epoch: EpochChanges) {
        let number = epoch.epoch;
        let mut index = self.index();
        index.first.get_or_insert((number, epoch.whole));
        index.changes += epoch.changes.len();
        index.kept.push_back(Kept { epoch: number, digest: epoch.digest(), place: Place::Memory(epoch) });
        drop(index);
        self.shared.latest.send_replace(number);
    }

    /// Moves to disk what is too much for memory; where the disk does not take it, it is tried again the next time. In
    /// the end drops the oldest epochs beyond the limits.
    pub fn spill(&self) -> Result<(), BacklogError> {
        let mut spilled = Ok(());
        while spilled.is_ok() {
            let Some(oldest) = self.index().oldest_in_memory() else { break };
            spilled = self.write(&oldest);
        }
        let mut index = self.index();
        while 1 < index.kept.len()
            && (self.shared.bytes_max < index.bytes || MEMORY_CHANGES_MAX < index.changes)
        {
            self.drop_oldest(&mut index);
        }
        spilled
    }

    /// Drops epochs that every store has.
    pub fn forget(&self, until: Epoch) {
        let mut index = self.index();
        while index.kept.front().is_some_and(|kept| kept.epoch <= until) {
            self.drop_oldest(&mut index);
        }
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
        let wanted: Vec<Kept> = {
            let index = self.index();
            let oldest = index.kept.front().map(|kept| kept.epoch);
            if let (Some(oldest), Some((first, _))) = (oldest, index.first)
                && epoch + 1 < oldest
                && first < oldest
            {
                return Err(BacklogError::Behind { oldest });
            }
            let from = index.kept.partition_point(|kept| kept.epoch <= epoch);
            index.kept.range(from..).cloned().collect()
        };
        let mut found = Vec::new();
        let mut changes = 0;
        for kept in wanted {
            let digest = kept.digest;
            let epoch = self.read(kept)?;
            changes += epoch.changes.len();
            found.push((epoch, digest));
            if changes_max <= changes {
                break;
            }
        }
        Ok(found)
    }

    /// Bytes that wait on disk.
    pub fn bytes(&self) -> u64 {
        self.index().bytes
    }

    /// Changes that wait in memory.
    pub fn changes(&self) -> usize {
        self.index().changes
    }

    fn read(&self, kept: Kept) -> Result<EpochChanges, BacklogError> {
        let number = kept.epoch;
        if let Place::Memory(epoch) = kept.place {
            return Ok(epoch);
        }
        let path = self.path(number);
        match file::read(&path) {
            Ok(epoch) if epoch.digest() == kept.digest => Ok(epoch),
            Ok(_) => Err(BacklogError::Damaged(number)),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(BacklogError::Damaged(number))
            }
            // Dropped meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let oldest = self.index().kept.front().map_or(number, |kept| kept.epoch);
                Err(BacklogError::Behind { oldest })
            }
            Err(source) => Err(BacklogError::Disk { path, source }),
        }
    }

    /// Moves one epoch to disk.
    fn write(&self, epoch: &EpochChanges) -> Result<(), BacklogError> {
        let path = self.path(epoch.epoch);
        let bytes = file::write(&path, epoch).map_err(|source| BacklogError::Disk { path, source })?;
        let mut index = self.index();
        let at = index.kept.partition_point(|kept| kept.epoch < epoch.epoch);
        if let Some(kept) = index.kept.get_mut(at) {
            kept.place = Place::Disk { bytes };
            index.changes -= epoch.changes.len();
            index.bytes += bytes;
        }
        Ok(())
    }

    fn drop_oldest(&self, index: &mut Index) {
        match index.kept.pop_front() {
            Some(Kept { place: Place::Memory(epoch), .. }) => index.changes -= epoch.changes.len(),
            Some(Kept { epoch, place: Place::Disk { bytes }, .. }) => {
                index.bytes -= bytes;
                let path = self.path(epoch);
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(%error, path = %path.display(), "a file of the backlog stays until a restart");
                }
            }
            None => {}
        }
    }

    fn path(&self, epoch: Epoch) -> PathBuf {
        self.shared.folder.join(format!("{epoch:020}"))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // Changed by pushes and pops that leave it whole.
        self.shared.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// The oldest epoch in memory, if there is too much in it.
    fn oldest_in_memory(&self) -> Option<EpochChanges> {
        let mut kept = self.kept.iter().filter(|_| MEMORY_CHANGES < self.changes);
        kept.find_map(|kept| match &kept.place {
            Place::Memory(epoch) => Some(epoch.clone()),
            Place::Disk { .. } => None,
        })
    }
}

#[cfg(test)]
mod tests;
