//! Parquet files of all views, in a folder or an S3-compatible bucket, for analyses elsewhere.
//!
//! Key     every change of a row is a line: its key, its epoch, and whether the view has it since. The last one counts.
//! Order   a manifest per batch names its files and the manifest before by hash; its number is taken once and for all.
//! Repeat  a number that is taken ends the batch: what stands is read, and the store goes on behind it. Files that no
//!         manifest names do not count.
//! Limits  one batch in memory. Files by view, tenant and date; within a file sorted by time, key and epoch.
//!
//! The layout is docs/parquet.md.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use schemas::ids::{Digest, hash128};

use crate::store::{Batch, Pace, Progress, Refusal, Store, StoreError};

mod columns;
mod manifest;
mod rows;

pub use columns::{Column, Type, columns};
pub use manifest::{File, Manifest};
pub use rows::{encode, parts};

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
    /// Whose changes they are.
    pub shard: String,
}

/// The store.
pub struct Parquet {
    settings: Settings,
    objects: Arc<dyn ObjectStore>,
    root: Path,
    /// The last manifest, with its hash.
    last: Option<(Manifest, Digest)>,
}

impl Parquet {
    /// Reads the settings; nothing is read or written yet.
    pub fn new(settings: Settings) -> Result<Self, StoreError> {
        let (objects, root) = open(&settings.url, &settings.options)?;
        Ok(Parquet { settings, objects, root, last: None })
    }

    fn manifests(&self) -> Path {
        self.root.clone().join("manifests").join(self.settings.shard.as_str())
    }

    /// The manifests of the shard, first to last; each names the hash of the one before.
    pub async fn history(&self) -> Result<Vec<(Manifest, Digest)>, StoreError> {
        let listed: Vec<_> = self.objects.list(Some(&self.manifests())).try_collect().await.map_err(away)?;
        let mut names: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
        names.sort();
        let mut history: Vec<(Manifest, Digest)> = Vec::new();
        for name in names {
            let bytes = self.objects.get(&name).await.map_err(away)?.bytes().await.map_err(away)?;
            let found = Manifest::decode(&bytes).map_err(|error| damaged(&name, &error))?;
            let before = history.last();
            let (number, previous) =
                (before.map_or(1, |(last, _)| last.number + 1), before.map(|(_, hash)| *hash));
            if (found.number, found.previous) != (number, previous) {
                return Err(damaged(&name, &"it does not follow the one before"));
            }
            history.push((found, Digest(hash128(&[&bytes]))));
        }
        Ok(history)
    }

    async fn write(&self, batch: &Batch) -> Result<Vec<File>, StoreError> {
        let mut files = Vec::new();
        for part in parts(&batch.epochs) {
            let name =
                format!("{}-{}-{}.parquet", self.settings.shard, batch.epochs[0].epoch, batch.progress.epoch);
            let place = format!("data/view={}/tenant={}/date={}", part.view, part.tenant, part.date);
            let path = place.split('/').fold(self.root.clone(), Path::join).join(name.as_str());
            let (view, lines) = (part.view, part.lines.len());
            let bytes = encode(view, &part.lines).map_err(|error| {
                StoreError::Broken(format!("rows of {view} cannot be written as Parquet: {error}"))
            })?;
            let (length, hash) = (bytes.len() as u64, Digest(hash128(&[&bytes])));
            self.objects.put(&path, PutPayload::from(bytes)).await.map_err(away)?;
            files.push(File {
                path: path.to_string(),
                view,
                tenant: part.tenant,
                date: part.date,
                lines: lines as u64,
                bytes: length,
                hash,
            });
        }
        Ok(files)
    }
}

impl Store for Parquet {
    fn pace(&self) -> Pace {
        Pace { changes: COMMIT_CHANGES, every: self.settings.every }
    }

    async fn open(&mut self) -> Result<Option<Progress>, StoreError> {
        self.last = self.history().await?.pop();
        Ok(self.last.as_ref().map(|(manifest, _)| manifest.progress()))
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Refusal>, StoreError> {
        let files = self.write(batch).await?;
        let manifest = Manifest {
            number: self.last.as_ref().map_or(1, |(last, _)| last.number + 1),
            previous: self.last.as_ref().map(|(_, hash)| *hash),
            whole: batch.epochs.first().is_some_and(|first| first.whole),
            from: batch.epochs.first().map_or(0, |first| first.epoch),
            until: batch.progress.epoch,
            now: batch.epochs.last().map_or(schemas::time::EventTime(0), |last| last.now),
            digest: batch.progress.digest,
            generation: batch.progress.generation.clone(),
            files,
        };
        let bytes = manifest.encode();
        let hash = Digest(hash128(&[&bytes]));
        let path = self.manifests().join(format!("{:020}.json", manifest.number));
        let once = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.objects.put_opts(&path, PutPayload::from(bytes), once).await {
            Ok(_) => {
                self.last = Some((manifest, hash));
                Ok(Vec::new())
            }
            // By us, with the answer lost, or by a process that should have stopped: either way it stands.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Err(StoreError::Away(format!("manifest {path} is there already; what it says is read")))
            }
            Err(error) => Err(away(error)),
        }
    }
}

fn open(url: &str, options: &[(String, String)]) -> Result<(Arc<dyn ObjectStore>, Path), StoreError> {
    let broken = |error: &dyn std::fmt::Display| {
        StoreError::Broken(format!("{url}: {error}; set sinks.parquet.url to a folder or s3://bucket/prefix"))
    };
    if let Ok(parsed) = url::Url::parse(url)
        && parsed.scheme() != "file"
    {
        // What must not be replaced is put on the condition that it is not there.
        let condition = ("aws_conditional_put".to_owned(), "etag".to_owned());
        let options = options.iter().cloned().chain([condition]);
        let (objects, root) =
            object_store::parse_url_opts(&parsed, options).map_err(|error| broken(&error))?;
        return Ok((Arc::from(objects), root));
    }
    let folder = url.strip_prefix("file://").unwrap_or(url);
    std::fs::create_dir_all(folder).map_err(|error| broken(&error))?;
    let objects =
        object_store::local::LocalFileSystem::new_with_prefix(folder).map_err(|error| broken(&error))?;
    Ok((Arc::new(objects.with_fsync(true)), Path::default()))
}

fn away(error: object_store::Error) -> StoreError {
    use object_store::Error as E;
    match &error {
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            StoreError::Broken(format!("{error}; check what may be written at sinks.parquet.url"))
        }
        E::NotImplemented { .. } | E::NotSupported { .. } => {
            StoreError::Broken(format!("{error}; the bucket must take puts on a condition"))
        }
        _ => StoreError::Away(error.to_string()),
    }
}

fn damaged(name: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("manifest {name}: {error}; restore it, or use another sinks.parquet.url"))
}
