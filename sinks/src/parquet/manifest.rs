//! Manifests: what counts of the files. Pure.
//!
//! Key     its number, from 1 without gaps; each names the hash of the one before.
//! Order   one with `whole_list` names all files that count; each after it says which came and which went.
//! Repeat  a number is taken once and for all; a file belongs to the number in its name and is never named by an earlier one.
//! Limits  one of a newer version is not read.

use schemas::ids::{Digest, TenantId};
use schemas::time::{Epoch, EventTime};
use schemas::view::ViewName;
use serde::{Deserialize, Serialize};

use crate::store::Progress;

use super::columns::SCHEMA;

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the columns, and of manifests, that the writer knew.
    pub schema: u32,
    /// From 1, without gaps.
    pub number: u64,
    /// Hash of the manifest before.
    pub previous: Option<Digest>,
    /// `files` are all that count; nobody needs to read an earlier manifest.
    pub whole_list: bool,
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
    /// Files that came with it, or all that count.
    pub files: Vec<File>,
    /// Paths of files that do not count any more: they are in a merged file, or too old, or all rows came anew.
    pub removed: Vec<String>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// From the root.
    pub path: String,
    /// Version of its columns.
    pub schema: u32,
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
    /// Least and greatest `at`, in milliseconds since 1970; none if no line has one.
    pub at_ms: Option<(i64, i64)>,
    /// Hash of the bytes.
    pub hash: Digest,
}

/// All that is read of a manifest whose version is not known yet.
#[derive(Deserialize)]
struct Version {
    schema: u32,
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

    /// Reads one, unless it is of a version that this program does not know.
    pub(super) fn decode(bytes: &[u8]) -> Result<Manifest, String> {
        let Version { schema } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if SCHEMA < schema {
            return Err(format!(
                "it is of version {schema}, this program knows {SCHEMA}; run the newer kgroot that wrote it"
            ));
        }
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

/// Name of the file that a manifest may name: of what shard, since which manifest, and what is in it.
pub(super) fn file_name(shard: &str, number: u64, hash: Digest) -> String {
    format!("{shard}-{number:020}-{:032x}.parquet", { hash.0 })
}

/// Reads the shard and the number in a file's name; `None` if it is not such a name.
pub(super) fn named(file: &str) -> Option<(&str, u64)> {
    let mut parts = file.strip_suffix(".parquet")?.rsplitn(3, '-');
    let (_hash, number, shard) = (parts.next()?, parts.next()?, parts.next()?);
    Some((shard, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(number: u64) -> Manifest {
        let file = File {
            path: format!("data/{number}.parquet"),
            schema: SCHEMA,
            view: ViewName::Events,
            tenant: "a".parse().unwrap(),
            date: "2026-11-25".to_owned(),
            lines: 1,
            bytes: 1,
            at_ms: Some((5, 6)),
            hash: Digest(1),
        };
        Manifest {
            schema: SCHEMA,
            number,
            previous: None,
            whole_list: false,
            from: number * 10,
            until: number * 10 + 9,
            now: EventTime(1_790_000_000_000),
            digest: Digest(2),
            generation: "g".to_owned(),
            files: vec![file],
            removed: vec!["data/2.parquet".to_owned()],
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let written = manifest(3);
        assert_eq!(Manifest::decode(&written.encode()), Ok(written));
        assert!(Manifest::decode(b"{\"number\": 1}").is_err());
    }

    #[test]
    fn a_manifest_of_a_newer_version_is_not_read_and_the_reason_is_one_line() {
        let newer = format!("{{\"schema\": {}, \"number\": \"of another kind\"}}", SCHEMA + 1);
        let refused = Manifest::decode(newer.as_bytes()).unwrap_err();
        assert!(refused.contains("run the newer kgroot") && !refused.contains('\n'), "{refused}");
    }

    #[test]
    fn a_name_says_shard_and_number() {
        let name = file_name("eu-1", 7, Digest(255));
        assert_eq!(named(&name), Some(("eu-1", 7)));
        assert_eq!(named("part-0.parquet"), None);
        assert_eq!(named("eu-1-7-ff.csv"), None);
    }
}
