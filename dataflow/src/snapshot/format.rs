//! The bytes of a snapshot. Pure.
//!
//! A shard file is `magic, digest (16 bytes), body`: the body is retained rows, in order, as MessagePack with field names,
//! compressed with LZ4; the digest is that of the body. The manifest is one line, as a control record is: format,
//! checksum, JSON; it names every shard with its digest and length. A changed bit anywhere is an error.

use std::collections::BTreeMap;

use schemas::ids::{Digest, hash64, hash128};
use serde::{Deserialize, Serialize};

use crate::control::record::{Generation, Place};
use crate::retained::Retained;
use crate::seal::Mark;

/// First bytes of a shard file.
const MAGIC: [u8; 8] = *b"kgshard2";
/// Format of a manifest.
const FORMAT: &str = "kgroot-snapshot-6";
/// Files of a snapshot: rows spread over them by hash, so that any number of workers can load them.
pub(crate) const SHARDS: usize = 16;

/// What a snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Where sealing stood.
    pub mark: Mark,
    /// What took it.
    pub generation: Generation,
    /// What all views came to as of its epoch.
    pub views: Digest,
    /// Where reading stood, by partition.
    pub places: Vec<Place>,
    /// Writer schemas known by then, by id of the registry.
    pub schemas: BTreeMap<u32, String>,
    /// The files, in order.
    pub shards: Vec<ShardFile>,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFile {
    /// Name in the snapshot's folder.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of it.
    pub bytes: u64,
    /// Digest of its bytes.
    pub digest: Digest,
}

/// Why bytes are not what a snapshot holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Another format.
    #[error("not of this format; another version of the program wrote it")]
    Format,
    /// The bytes do not match their digest.
    #[error("the digest does not match: the file is damaged")]
    Digest,
    /// What the bytes say cannot be read, although their digest matches.
    #[error("{0}")]
    Content(String),
}

/// The digest of a file.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(hash128(&[bytes]))
}

/// Rows as shards, each in order.
pub(crate) fn partition(rows: Vec<Retained>) -> Vec<Vec<Retained>> {
    let mut shards: Vec<Vec<Retained>> = (0..SHARDS).map(|_| Vec::new()).collect();
    for row in rows {
        // The highest bits: what workers exchange by are others.
        let shard = usize::try_from(row.hash() >> 60).unwrap_or_default();
        shards[shard].push(row);
    }
    for shard in &mut shards {
        shard.sort_unstable();
    }
    shards
}

/// A shard as bytes.
pub(crate) fn encode_shard(rows: &[Retained]) -> Result<Vec<u8>, FormatError> {
    let mut plain = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut plain).with_struct_map();
    rows.serialize(&mut serializer).map_err(|error| FormatError::Content(error.to_string()))?;
    let body = lz4_flex::compress_prepend_size(&plain);
    let Digest(digest) = digest(&body);
    Ok([&MAGIC[..], &digest.to_be_bytes(), &body].concat())
}

/// The rows of a shard.
pub(crate) fn decode_shard(bytes: &[u8]) -> Result<Vec<Retained>, FormatError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(FormatError::Format)?;
    let (stated, body) = rest.split_first_chunk::<16>().ok_or(FormatError::Format)?;
    if digest(body) != Digest(u128::from_be_bytes(*stated)) {
        return Err(FormatError::Digest);
    }
    let content = |error: &dyn std::fmt::Display| FormatError::Content(error.to_string());
    let plain = lz4_flex::decompress_size_prepended(body).map_err(|error| content(&error))?;
    rmp_serde::from_slice(&plain).map_err(|error| content(&error))
}

impl Manifest {
    /// The manifest as bytes.
    pub fn encode(&self) -> Vec<u8> {
        // The types hold nothing that JSON cannot.
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{FORMAT} {:016x} {text}\n", hash64(&[text.as_bytes()])).into_bytes()
    }

    /// The manifest that bytes are.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let line = std::str::from_utf8(bytes).map_err(|_| FormatError::Format)?;
        let rest = line.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(' '));
        let rest = rest.and_then(|rest| rest.strip_suffix('\n')).ok_or(FormatError::Format)?;
        let (checksum, text) = rest.split_once(' ').ok_or(FormatError::Format)?;
        if format!("{:016x}", hash64(&[text.as_bytes()])) != checksum {
            return Err(FormatError::Digest);
        }
        serde_json::from_str(text).map_err(|error| FormatError::Content(error.to_string()))
    }
}
