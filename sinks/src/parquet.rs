//! Parquet files of all views, in a folder or an S3-compatible bucket, for analyses elsewhere.
//!
//! Key     every change of a row is a line: its key, its epoch, and whether the view has it since. The last one counts.
//! Order   a manifest per batch says which files came and went, and names the one before by hash; its number is taken once
//!         and for all. A file's name begins with the number of the manifest that may name it.
//! Repeat  a number that is taken ends the batch: what stands is read, and the store goes on behind it. Files that no
//!         manifest names do not count, and are deleted once their number is taken.
//! Limits  one batch, or what is merged, in memory. Files by view, tenant and date; within a file sorted by time, key and
//!         epoch. What does not count any more stays for so many manifests (`ledger`).
//!
//! The layout is docs/parquet.md; why it is so, docs/adr/0014-parquet-manifests.md.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use schemas::ids::{Digest, hash128};
use schemas::time::EventTime;

use crate::store::{Batch, Pace, Progress, Refusal, Store, StoreError};

mod columns;
mod fill;
mod ledger;
mod lines;
mod manifest;
mod merge;
mod objects;
mod tidy;

use columns::SCHEMA;
use ledger::{Ledger, needed};
use lines::Part;
pub use lines::{batches, file, parts, write};
pub use manifest::{File, Manifest};
use objects::{AT_ONCE, Objects, Put};

/// Changes of one commit, unless a single epoch has more.
const COMMIT_CHANGES: usize = 200_000;

/// Where it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A folder, `file:///…` or `s3://bucket/prefix`.
    pub url: String,
    /// Options of the bucket, such as `aws_endpoint`.
    pub options: Vec<(String, String)>,
    /// Between two commits.
    pub every: Duration,
    /// Rows dated so long before the last epoch are removed, by date; `None`: never.
    pub retention_ms: Option<i64>,
    /// Whose changes they are.
    pub shard: String,
}

/// The store.
pub struct Parquet {
    settings: Settings,
    objects: Objects,
    ledger: Ledger,
    /// Files that could not be merged: tried again by the next process.
    unmerged: Vec<String>,
    /// What a crash left behind is deleted.
    swept: bool,
}

impl Parquet {
    /// Reads the settings; nothing is read or written yet.
    pub fn new(settings: Settings) -> Result<Self, StoreError> {
        let objects = Objects::open(&settings.url, &settings.options)?;
        Ok(Parquet::over(objects, settings))
    }

    fn over(objects: Objects, settings: Settings) -> Self {
        Parquet { settings, objects, ledger: Ledger::default(), unmerged: Vec::new(), swept: false }
    }

    fn manifests(&self) -> Path {
        self.objects.place("manifests").join(self.settings.shard.as_str())
    }

    fn manifest(&self, number: u64) -> Path {
        self.manifests().join(format!("{number:020}.json"))
    }

    /// Manifests that are there, in order.
    async fn names(&self) -> Result<Vec<Path>, StoreError> {
        let mut names = self.objects.list(&self.manifests()).await?;
        names.retain(|name| name.extension() == Some("json"));
        Ok(names)
    }

    /// Reads from the whole list on from which everything can be told that anybody still reads.
    async fn read(&self) -> Result<Ledger, StoreError> {
        let mut names = self.names().await?;
        let mut read = Vec::new();
        while !names.is_empty() {
            let some = names.split_off(names.len().saturating_sub(AT_ONCE));
            for (name, bytes) in some.iter().zip(self.objects.get(&some).await?).rev() {
                let found = Manifest::decode(&bytes).map_err(|error| damaged(name, &error))?;
                read.push((name.clone(), found, Digest(hash128(&[&bytes]))));
            }
            let last = read.first().map_or(0, |(_, last, _)| last.number);
            let lists = read.iter().rev().filter(|(_, found, _)| found.whole_list);
            let from = needed(lists.map(|(_, found, _)| found.number), last);
            if let Some(enough) = read.iter().position(|(_, found, _)| found.number == from) {
                read.truncate(enough + 1);
                break;
            }
        }
        let mut ledger = Ledger::default();
        for (name, found, hash) in read.into_iter().rev() {
            ledger.take(found, hash).map_err(|error| damaged(&name, &error))?;
        }
        Ok(ledger)
    }

    /// Writes the batch's files.
    async fn files(&self, batch: &Batch) -> Result<Vec<File>, StoreError> {
        let mut encoded = Vec::new();
        for Part { view, tenant, date, lines } in parts(&batch.epochs) {
            let bytes = write(view, batches(view, &lines)).map_err(|error| {
                StoreError::Broken(format!("rows of {view} cannot be written as Parquet: {error}"))
            })?;
            let facts = File {
                path: String::new(),
                schema: SCHEMA,
                view,
                tenant,
                date,
                lines: lines.len() as u64,
                bytes: bytes.len() as u64,
                at_ms: lines::at_ms(&lines),
                hash: Digest(hash128(&[&bytes])),
            };
            encoded.push((facts, bytes));
        }
        let put = |(facts, bytes)| self.put(facts, bytes);
        futures_util::stream::iter(encoded).map(put).buffered(AT_ONCE).try_collect().await
    }

    /// Writes one file, whose path is told by what it is.
    async fn put(&self, mut facts: File, bytes: Vec<u8>) -> Result<File, StoreError> {
        let name = manifest::file_name(&self.settings.shard, self.ledger.next(), facts.hash);
        let place = format!("data/view={}/tenant={}/date={}/{name}", facts.view, facts.tenant, facts.date);
        let path = self.objects.place(&place);
        self.objects.put_known(&path, bytes).await?;
        facts.path = path.to_string();
        Ok(facts)
    }

    /// Writes small files again as larger ones; gives those, and the paths of what is in them.
    async fn merged(&mut self, except: &[String]) -> Result<(Vec<File>, Vec<String>), StoreError> {
        let (mut files, mut paths) = (Vec::new(), Vec::new());
        let except: BTreeSet<&str> = except.iter().chain(&self.unmerged).map(String::as_str).collect();
        for group in self.ledger.due(&except) {
            let of_group: Vec<String> = group.iter().map(|file| file.path.clone()).collect();
            match self.merge(&group).await? {
                Ok(file) => {
                    files.push(file);
                    paths.extend(of_group);
                }
                Err(error) => {
                    tracing::error!(error, files = ?of_group, "files were not merged; they count as they are");
                    self.unmerged.extend(of_group);
                }
            }
        }
        Ok((files, paths))
    }

    async fn merge(&self, group: &[File]) -> Result<Result<File, String>, StoreError> {
        let Some(first) = group.first() else { panic!("a group has files") };
        let paths: Vec<Path> = group.iter().map(|file| Path::from(file.path.as_str())).collect();
        let read = self.objects.get(&paths).await?;
        let differs = |(file, bytes): &(&File, &Bytes)| Digest(hash128(&[bytes])) != file.hash;
        if let Some((file, _)) = group.iter().zip(&read).find(differs) {
            return Ok(Err(format!("{} is not what was written", file.path)));
        }
        let bytes = match merge::merge(first.view, read) {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let times = group.iter().filter_map(|file| file.at_ms);
        let facts = File {
            path: String::new(),
            schema: SCHEMA,
            lines: group.iter().map(|file| file.lines).sum(),
            bytes: bytes.len() as u64,
            at_ms: times.reduce(|(least, greatest), (from, to)| (least.min(from), greatest.max(to))),
            hash: Digest(hash128(&[&bytes])),
            ..first.clone()
        };
        self.put(facts, bytes).await.map(Ok)
    }

    /// Files whose dates are too old at an instant.
    fn expired(&self, now: EventTime) -> Vec<String> {
        let before = self.settings.retention_ms.map(|ms| lines::date(now.plus_ms(-ms)));
        before.map(|date| self.ledger.before(&date)).unwrap_or_default()
    }

    /// Names files for good.
    async fn commit(&mut self, manifest: Manifest) -> Result<(), StoreError> {
        let manifest = self.ledger.complete(manifest);
        let (path, bytes) = (self.manifest(manifest.number), manifest.encode());
        let hash = Digest(hash128(&[&bytes]));
        // By us, with the answer lost, or by a process that should have stopped: either way it stands.
        if self.objects.put(&path, bytes).await? == Put::Present {
            return Err(StoreError::Away(format!("manifest {path} is there already; what it says is read")));
        }
        let taken = self.ledger.take(manifest, hash);
        assert_eq!(taken, Ok(()), "a manifest of ours follows the one before");
        Ok(())
    }
}

impl Store for Parquet {
    fn pace(&self) -> Pace {
        Pace { changes: COMMIT_CHANGES, every: self.settings.every }
    }

    async fn open(&mut self) -> Result<Option<Progress>, StoreError> {
        self.ledger = self.read().await?;
        Ok(self.ledger.last().map(Manifest::progress))
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Refusal>, StoreError> {
        let now = batch.epochs.last().map_or(EventTime(0), |last| last.now);
        let whole = batch.epochs.first().is_some_and(|first| first.whole);
        let mut files = self.files(batch).await?;
        let mut removed = if whole { self.ledger.all() } else { self.expired(now) };
        if !whole {
            let (merged, paths) = self.merged(&removed).await?;
            files.extend(merged);
            removed.extend(paths);
        }
        let manifest = Manifest {
            schema: SCHEMA,
            // These three are told by those before.
            number: 0,
            previous: None,
            whole_list: false,
            from: batch.epochs.first().map_or(0, |first| first.epoch),
            until: batch.progress.epoch,
            now,
            digest: batch.progress.digest,
            generation: batch.progress.generation.clone(),
            files,
            removed,
        };
        self.commit(manifest).await?;
        self.tidy().await?;
        Ok(Vec::new())
    }
}

fn damaged(name: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("manifest {name}: {error}; restore it, or use another sinks.parquet.url"))
}

#[cfg(test)]
mod tests;
