//! Manifests: what counts of the files. Pure.

use schemas::ids::{Digest, TenantId};
use schemas::time::{Epoch, EventTime};
use schemas::view::ViewName;
use serde::{Deserialize, Serialize};

use crate::store::Progress;

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// From 1, without gaps.
    pub number: u64,
    /// Hash of the manifest before.
    pub previous: Option<Digest>,
    /// The files hold all rows there are: what earlier files have beside them is not live.
    pub whole: bool,
    /// First epoch.
    pub from: Epoch,
    /// Last epoch, complete.
    pub until: Epoch,
    /// Sealed clock reading of the last epoch.
    pub now: EventTime,
    /// Digest of the last epoch.
    pub digest: Digest,
    /// What computed it.
    pub generation: String,
    /// Its files.
    pub files: Vec<File>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// From the root.
    pub path: String,
    /// Whose rows.
    pub view: ViewName,
    /// Whose.
    pub tenant: TenantId,
    /// Date of the rows, `YYYY-MM-DD`.
    pub date: String,
    /// Lines.
    pub lines: u64,
    /// Bytes.
    pub bytes: u64,
    /// Hash of the bytes.
    pub hash: Digest,
}

impl Manifest {
    /// What is true of the store once this stands.
    pub(super) fn progress(&self) -> Progress {
        Progress { epoch: self.until, digest: self.digest, generation: self.generation.clone() }
    }

    /// One JSON document.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Ok(bytes) = serde_json::to_vec_pretty(self) else { panic!("a manifest can be written as JSON") };
        bytes
    }

    /// Reads one.
    pub(super) fn decode(bytes: &[u8]) -> Result<Manifest, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(number: u64) -> Manifest {
        let file = File {
            path: format!("data/{number}.parquet"),
            view: ViewName::Events,
            tenant: "a".parse().unwrap(),
            date: "2026-11-25".to_owned(),
            lines: 1,
            bytes: 1,
            hash: Digest(1),
        };
        let (previous, generation) = (None, "g".to_owned());
        let (from, until) = (number * 10, number * 10 + 9);
        Manifest {
            number,
            previous,
            whole: false,
            from,
            until,
            now: EventTime(0),
            digest: Digest(2),
            generation,
            files: vec![file],
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let written = manifest(3);
        assert_eq!(Manifest::decode(&written.encode()), Ok(written));
        assert!(Manifest::decode(b"{\"number\": 1}").is_err());
    }
}
