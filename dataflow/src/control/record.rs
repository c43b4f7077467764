//! Records of a control log, and their bytes. Pure.
//!
//! A record is one line: format, checksum of the rest, JSON. People can read it; a flipped bit does not go unnoticed.

use std::collections::BTreeMap;
use std::fmt;

use schemas::error::DecodeError;
use schemas::ids::{Digest, hash64};
use schemas::position::{Partition, SourcePosition};
use schemas::time::Epoch;
use serde::{Deserialize, Serialize};

use crate::seal::Mark;

/// Format of records; a record of another one is refused.
const FORMAT: &str = "kgroot-control-1";

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlRecord {
    /// A process takes the shard over.
    Term(Term),
    /// An epoch is sealed.
    Seal(Seal),
    /// A snapshot is complete.
    Snapshot(SnapshotMark),
}

/// A process takes the shard over: from here on, what earlier terms decide is void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// Greater than every term before it.
    pub term: u64,
    /// Who: host, process and start, for people.
    pub owner: String,
}

/// What may change the computation, and so what its results are compared within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Digest of the program's source: engine, codecs, kinds and rules.
    pub code: Digest,
    /// Digest of the configuration that the computation depends on.
    pub config: Digest,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.code, self.config)
    }
}

/// An epoch: all that its computation may depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Term of the owner.
    pub term: u64,
    /// The epoch; one after that of the seal before.
    pub epoch: Epoch,
    /// Clock reading, in milliseconds.
    pub now_ms: i64,
    /// What computed it first.
    pub generation: Generation,
    /// Records taken, by partition; a partition of which none were taken is left out.
    pub takes: Vec<Take>,
    /// Writer schemas that were learned with it, by id of the registry.
    pub schemas: BTreeMap<u32, String>,
    /// Records refused on the word of somebody else, such as the registry.
    pub verdicts: Vec<Verdict>,
    /// Digest of all records taken: of each its position, time of append, key and value.
    pub input: Digest,
    /// Epochs that were complete by then, with what all views came to.
    pub views: Vec<(Epoch, Digest)>,
}

/// Records of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Take {
    /// The partition.
    pub partition: Partition,
    /// Offset of the first record taken.
    pub from: i64,
    /// Offset after the last record taken.
    pub until: i64,
    /// Digest of the last record: tells a topic that was made anew.
    pub last: Digest,
}

/// A record that was refused on the word of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Which record.
    pub position: SourcePosition,
    /// Why.
    pub error: DecodeError,
}

/// Where reading of a partition stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The partition.
    pub partition: Partition,
    /// Next offset.
    pub next: i64,
    /// Digest of the record before it.
    pub last: Digest,
}

/// A complete snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotMark {
    /// Term of the owner.
    pub term: u64,
    /// Where sealing stood.
    pub mark: Mark,
    /// Digest of its manifest.
    pub manifest: Digest,
}

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another format, or no record at all.
    #[error("not a record of format {FORMAT}; another version of the program wrote it")]
    Format,
    /// The bytes do not match their checksum.
    #[error("the checksum does not match: the record was changed after it was written")]
    Checksum,
    /// The text is not a record, although its checksum matches.
    #[error("{0}")]
    Text(String),
}

impl ControlRecord {
    /// The record as bytes.
    pub fn encode(&self) -> Vec<u8> {
        // The types hold nothing that JSON cannot.
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{FORMAT} {:016x} {text}", hash64(&[text.as_bytes()])).into_bytes()
    }

    /// The record that bytes are.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let line = std::str::from_utf8(bytes).map_err(|_| RecordError::Format)?;
        let rest = line.strip_prefix(FORMAT).and_then(|rest| rest.strip_prefix(' '));
        let (checksum, text) = rest.and_then(|rest| rest.split_once(' ')).ok_or(RecordError::Format)?;
        if format!("{:016x}", hash64(&[text.as_bytes()])) != checksum {
            return Err(RecordError::Checksum);
        }
        serde_json::from_str(text).map_err(|error| RecordError::Text(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> ControlRecord {
        let partition = Partition { topic: "otel-shop".into(), number: 3 };
        let position = SourcePosition { topic: "otel-shop".into(), partition: 3, offset: 7, item: 0 };
        ControlRecord::Seal(Seal {
            term: 2,
            epoch: 41,
            now_ms: 1_790_000_000_000,
            generation: Generation { code: Digest(1), config: Digest(2) },
            takes: vec![Take { partition, from: 5, until: 9, last: Digest(77) }],
            schemas: BTreeMap::from([(1, "\"string\"".to_owned())]),
            verdicts: vec![Verdict { position, error: DecodeError::malformed("no such schema") }],
            input: Digest(5),
            views: vec![(40, Digest(u128::MAX))],
        })
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        assert_eq!(ControlRecord::decode(&seal().encode()), Ok(seal()));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = seal().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(ControlRecord::decode(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(ControlRecord::decode(&bytes[..length]).is_err(), "cut to {length} bytes");
        }
    }
}
