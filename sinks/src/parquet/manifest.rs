//! Manifests: what counts of the files. Pure.

use std::collections::BTreeMap;

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

/// Files of a view that count, by manifests in order: those since the last that was whole.
pub fn current(history: &[Manifest], view: ViewName) -> Vec<&File> {
    let since = history.iter().rposition(|manifest| manifest.whole).unwrap_or(0);
    let files = history[since..].iter().flat_map(|manifest| &manifest.files);
    let of_view: BTreeMap<&str, &File> =
        files.filter(|file| file.view == view).map(|file| (file.path.as_str(), file)).collect();
    of_view.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(number: u64, whole: bool) -> Manifest {
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
            whole,
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
        let written = manifest(3, false);
        assert_eq!(Manifest::decode(&written.encode()), Ok(written));
        assert!(Manifest::decode(b"{\"number\": 1}").is_err());
    }

    #[test]
    fn files_before_a_whole_one_do_not_count() {
        let history = [manifest(1, false), manifest(2, true), manifest(3, false)];
        let paths: Vec<&str> =
            current(&history, ViewName::Events).iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["data/2.parquet", "data/3.parquet"]);
        assert!(current(&history, ViewName::Alerts).is_empty());
    }
}
