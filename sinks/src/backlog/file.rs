//! One epoch as a file: `length (u32, little endian), block` for its head and for every few thousand changes; a block is
//! MessagePack, compressed with LZ4.

use std::fs::File;
use std::io::{BufReader, BufWriter, Error, ErrorKind, Read, Result, Write};
use std::path::Path;

use schemas::feed::{Change, EpochChanges};
use schemas::time::{Epoch, EventTime};
use serde::{Deserialize, Serialize};

/// Changes of one block: bounds what is held at once while it is written.
const BLOCK_CHANGES: usize = 5_000;

#[derive(Serialize, Deserialize)]
struct Head {
    epoch: Epoch,
    now: EventTime,
    whole: bool,
    blocks: usize,
}

/// Writes an epoch, or leaves no file; gives its bytes.
pub(super) fn write(path: &Path, epoch: &EpochChanges) -> Result<u64> {
    let written = write_blocks(path, epoch);
    if written.is_err() {
        // A part of it is of no use, and takes space where there may be none. There may be nothing to remove.
        let _removed = std::fs::remove_file(path);
    }
    written
}

fn write_blocks(path: &Path, epoch: &EpochChanges) -> Result<u64> {
    let mut file = BufWriter::new(File::create(path)?);
    let blocks = epoch.changes.len().div_ceil(BLOCK_CHANGES);
    let head = Head { epoch: epoch.epoch, now: epoch.now, whole: epoch.whole, blocks };
    let mut bytes = put(&mut file, &head)?;
    for changes in epoch.changes.chunks(BLOCK_CHANGES) {
        bytes += put(&mut file, &changes)?;
    }
    file.flush()?;
    Ok(bytes)
}

/// Reads an epoch; anything that cannot be one is [`ErrorKind::InvalidData`].
pub(super) fn read(path: &Path) -> Result<EpochChanges> {
    let mut file = BufReader::new(File::open(path)?);
    let Head { epoch, now, whole, blocks } = get(&mut file)?;
    let mut changes: Vec<Change> = Vec::new();
    for _ in 0..blocks {
        changes.append(&mut get(&mut file)?);
    }
    Ok(EpochChanges { epoch, now, whole, changes: changes.into() })
}

fn put(file: &mut impl Write, value: &impl Serialize) -> Result<u64> {
    let Ok(plain) = rmp_serde::to_vec(value) else { panic!("changes can be written as MessagePack") };
    let block = lz4_flex::compress_prepend_size(&plain);
    let length = u32::try_from(block.len()).map_err(|_| Error::from(ErrorKind::FileTooLarge))?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&block)?;
    Ok(u64::from(length) + 4)
}

fn get<T: for<'de> Deserialize<'de>>(file: &mut impl Read) -> Result<T> {
    let invalid = |_| Error::from(ErrorKind::InvalidData);
    let mut length = [0; 4];
    file.read_exact(&mut length).map_err(invalid)?;
    let mut block = Vec::new();
    file.take(u64::from(u32::from_le_bytes(length))).read_to_end(&mut block)?;
    let plain =
        lz4_flex::decompress_size_prepended(&block).map_err(|_| Error::from(ErrorKind::InvalidData))?;
    rmp_serde::from_slice(&plain).map_err(|_| Error::from(ErrorKind::InvalidData))
}
