//! What a snapshot asks of a disk, in one place, so that the proving ground can put a worse one below.
//!
//! A write without [`Disk::sync`] may be lost, and a rename without [`Disk::sync_folder`] undone, by a loss of power.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A disk.
pub trait Disk: Send {
    /// Makes a folder and those above it.
    fn create_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Writes a file anew.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// The file's bytes are on the disk when it returns.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
    /// The folder's entries are on the disk when it returns.
    fn sync_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Gives a file or folder another name.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Bytes of a file.
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>>;
    /// Names in a folder, in order; none if it does not exist.
    fn list(&mut self, path: &Path) -> io::Result<Vec<String>>;
    /// Removes a folder and what it holds.
    fn remove_folder(&mut self, path: &Path) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalDisk;

impl Disk for LocalDisk {
    fn create_folder(&mut self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        File::create(path)?.write_all(bytes)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&mut self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut names: Vec<String> =
            entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }
}

/// Where a path is, for an error.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> DiskError {
    let path = path.to_owned();
    move |source| DiskError { path: path.clone(), source }
}

/// The disk did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct DiskError {
    path: PathBuf,
    source: io::Error,
}
