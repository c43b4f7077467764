//! Snapshots in a folder: each in a folder of its own, named after its epoch, that appears whole or not at all.
//!
//! Order   the folders above are synchronized; files are written and synchronized under a name that counts for nothing, read again and compared, then the
//!         folder gets its name, and the folder above is synchronized. Only then may a control record name it.
//! Repeat  a snapshot of the same epoch replaces an unfinished one.
//! Limits  as many as the control log names; the rest is removed.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use schemas::ids::Digest;
use schemas::time::Epoch;

use super::disk::{Disk, DiskError, at};
use super::format::{FormatError, Manifest, ShardFile, decode_shard, digest, encode_shard, partition};
use crate::retained::Retained;

const MANIFEST: &str = "manifest";
const UNFINISHED: &str = "unfinished-";

/// A folder of snapshots.
pub struct SnapshotFolder {
    path: PathBuf,
    disk: Box<dyn Disk>,
}

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk failed, or is full.
    #[error("snapshot {0}; check the disk")]
    Disk(#[from] DiskError),
    /// A file is not what it should be.
    #[error("snapshot {}: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FormatError,
    },
    /// What was written reads otherwise: the disk lies.
    #[error("snapshot {} reads otherwise than it was written; check the disk", .0.display())]
    Unfaithful(PathBuf),
}

impl SnapshotFolder {
    /// A folder, which need not exist yet.
    pub fn new(path: &Path, disk: Box<dyn Disk>) -> Self {
        SnapshotFolder { path: path.to_owned(), disk }
    }

    fn of(&self, epoch: Epoch) -> PathBuf {
        self.path.join(format!("{epoch:020}"))
    }

    /// Writes a snapshot; `manifest` has no shards yet. Gives the digest of the manifest.
    pub(crate) fn write(
        &mut self,
        mut manifest: Manifest,
        rows: Vec<Retained>,
    ) -> Result<Digest, SnapshotError> {
        let (target, folder) = (self.of(manifest.mark.epoch), self.unfinished(manifest.mark.epoch));
        self.clear(&folder)?;
        self.disk.create_folder(&folder).map_err(at(&folder))?;
        self.sync_above()?;
        manifest.shards.clear();
        for (number, rows) in partition(rows).into_iter().enumerate() {
            let name = format!("shard-{number:02}");
            let path = folder.join(&name);
            let damaged = |source| SnapshotError::Damaged { path: path.clone(), source };
            let bytes = encode_shard(&rows).map_err(damaged)?;
            let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
            let (rows, length, digest) = (count(rows.len()), count(bytes.len()), digest(&bytes));
            self.write_file(&path, &bytes)?;
            manifest.shards.push(ShardFile { name, rows, bytes: length, digest });
        }
        let bytes = manifest.encode();
        self.write_file(&folder.join(MANIFEST), &bytes)?;
        self.disk.sync_folder(&folder).map_err(at(&folder))?;
        self.clear(&target)?;
        self.disk.rename(&folder, &target).map_err(at(&target))?;
        self.disk.sync_folder(&self.path).map_err(at(&self.path))?;
        Ok(digest(&bytes))
    }

    /// The folder of snapshots is itself an entry of a folder, and that of another: all may be new.
    fn sync_above(&mut self) -> Result<(), SnapshotError> {
        let above: Vec<PathBuf> = self.path.ancestors().skip(1).map(Path::to_owned).collect();
        for path in above {
            let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
            match self.disk.sync_folder(&path) {
                // Where this process may not look, it made nothing.
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {}
                other => other.map_err(at(&path))?,
            }
        }
        Ok(())
    }

    fn unfinished(&self, epoch: Epoch) -> PathBuf {
        self.path.join(format!("{UNFINISHED}{epoch:020}"))
    }

    fn write_file(&mut self, path: &Path, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.disk.write(path, bytes).map_err(at(path))?;
        self.disk.sync(path).map_err(at(path))?;
        if self.disk.read(path).map_err(at(path))? == bytes {
            Ok(())
        } else {
            Err(SnapshotError::Unfaithful(path.to_owned()))
        }
    }

    fn clear(&mut self, folder: &Path) -> Result<(), SnapshotError> {
        if self.disk.list(folder).map_err(at(folder))?.is_empty() {
            return Ok(());
        }
        Ok(self.disk.remove_folder(folder).map_err(at(folder))?)
    }

    /// The manifest of an epoch, if it is the one with that digest.
    pub fn manifest(&mut self, epoch: Epoch, expected: Digest) -> Result<Manifest, SnapshotError> {
        let path = self.of(epoch).join(MANIFEST);
        let bytes = self.disk.read(&path).map_err(at(&path))?;
        let damaged = |source| SnapshotError::Damaged { path: path.clone(), source };
        if digest(&bytes) != expected {
            return Err(damaged(FormatError::Digest));
        }
        Manifest::decode(&bytes).map_err(damaged)
    }

    /// All rows of a snapshot. Whole or an error: never a part.
    pub(crate) fn rows(&mut self, manifest: &Manifest) -> Result<Vec<Retained>, SnapshotError> {
        let folder = self.of(manifest.mark.epoch);
        let mut files = Vec::with_capacity(manifest.shards.len());
        for shard in &manifest.shards {
            let path = folder.join(&shard.name);
            let bytes = self.disk.read(&path).map_err(at(&path))?;
            files.push(File { path, bytes, digest: shard.digest });
        }
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let parts = files.chunks(files.len().div_ceil(threads).max(1));
        std::thread::scope(|scope| {
            let decoding: Vec<_> = parts.map(|files| scope.spawn(|| decode(files))).collect();
            let mut rows = Vec::new();
            for part in decoding {
                match part.join() {
                    Ok(decoded) => rows.extend(decoded?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(rows)
        })
    }

    /// Reads a snapshot and says how many rows it holds.
    pub fn verify(&mut self, epoch: Epoch, expected: Digest) -> Result<u64, SnapshotError> {
        let manifest = self.manifest(epoch, expected)?;
        Ok(u64::try_from(self.rows(&manifest)?.len()).unwrap_or(u64::MAX))
    }

    /// Removes every snapshot but those of some epochs, and what was left unfinished.
    pub fn keep(&mut self, epochs: &BTreeSet<Epoch>) -> Result<(), SnapshotError> {
        let kept: BTreeSet<String> = epochs.iter().map(|epoch| format!("{epoch:020}")).collect();
        for name in self.disk.list(&self.path).map_err(at(&self.path))? {
            if !kept.contains(&name) {
                let path = self.path.join(name);
                self.disk.remove_folder(&path).map_err(at(&path))?;
            }
        }
        Ok(())
    }
}

/// A file of a snapshot, and what it should be.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
    digest: Digest,
}

fn decode(files: &[File]) -> Result<Vec<Retained>, SnapshotError> {
    let mut rows = Vec::new();
    for File { path, bytes, digest: expected } in files {
        let damaged = |source| SnapshotError::Damaged { path: path.clone(), source };
        if digest(bytes) != *expected {
            return Err(damaged(FormatError::Digest));
        }
        rows.extend(decode_shard(bytes).map_err(damaged)?);
    }
    Ok(rows)
}
