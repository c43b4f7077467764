//! The embedded index: events, episodes, anomalies, incidents and alerts in a folder, for full-text search without a server.
//!
//! Key     a document has the id that it has in OpenSearch; it is replaced as a whole.
//! Order   one commit per batch, its progress in the commit itself.
//! Repeat  a commit that was not finished is as if it had never begun; only one process can have the folder.
//! Limits  one batch, and tens of megabytes of an index in the making; what ended longer ago than the retention is removed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schemas::search::{Hits, Search, SearchError};
use schemas::time::{Epoch, EventTime};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tantivy::directory::MmapDirectory;
use tantivy::{IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError};

use crate::document::{VIEWS, document};
use crate::store::{Batch, Pace, Progress, Refusal, Store, StoreError, latest};

mod fields;
mod find;

use fields::Fields;

/// Changes of one commit, unless a single epoch has more.
const COMMIT_CHANGES: usize = 20_000;
/// Between two commits: each synchronizes files.
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// Memory of an index in the making, in bytes; the library wants 15 MB at least.
const WRITER_BYTES: usize = 32 << 20;
/// Sealed time between two removals of what is too old, in milliseconds.
const REMOVE_EVERY_MS: i64 = 3_600_000;
/// The form of documents; another one is another folder.
const FORMAT: &str = "1";

/// Where it is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its folder.
    pub path: PathBuf,
    /// What ended longer ago is removed.
    pub retention_ms: i64,
}

/// The store.
pub struct Index {
    settings: Settings,
    index: tantivy::Index,
    fields: Fields,
    reader: IndexReader,
    epoch: Arc<AtomicU64>,
    /// Opened by [`Store::open`]; taken from here by whoever writes.
    writer: Arc<Mutex<Option<IndexWriter>>>,
    /// When what is too old was last removed.
    removed_at: Option<EventTime>,
}

/// Answers questions from what is committed. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    reader: IndexReader,
    fields: Fields,
    epoch: Arc<AtomicU64>,
}

/// What a commit says of itself.
#[derive(Serialize, Deserialize)]
struct Payload {
    epoch: Epoch,
    digest: schemas::ids::Digest,
    generation: String,
}

/// What a batch does to the index.
struct Work {
    /// Id and document, in place of the one with the id.
    put: Vec<(String, TantivyDocument)>,
    /// Live documents of an earlier epoch than this that are not put are not live any more.
    close_before: Option<Epoch>,
    /// What ended before is removed.
    remove_before: Option<EventTime>,
    payload: String,
}

impl Index {
    /// Opens the folder, or makes it.
    pub fn new(settings: Settings) -> Result<Self, StoreError> {
        let folder = settings.path.join(FORMAT);
        let broken = |error: &dyn std::fmt::Display| damaged(&settings.path, error);
        std::fs::create_dir_all(&folder).map_err(|error| broken(&error))?;
        let directory = MmapDirectory::open(&folder).map_err(|error| broken(&error))?;
        let (schema, fields) = fields::schema();
        let index = tantivy::Index::open_or_create(directory, schema).map_err(|error| broken(&error))?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into();
        let reader: IndexReader = reader.map_err(|error: TantivyError| broken(&error))?;
        let (epoch, writer) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
        Ok(Index { settings, index, fields, reader, epoch, writer, removed_at: None })
    }

    /// Whoever asks.
    pub fn reader(&self) -> Reader {
        let (reader, fields) = (self.reader.clone(), self.fields.clone());
        Reader { reader, fields, epoch: Arc::clone(&self.epoch) }
    }

    /// How far the folder is, as it says itself.
    pub fn progress(&self) -> Result<Option<Progress>, StoreError> {
        let metas = self.index.load_metas().map_err(|error| damaged(&self.settings.path, &error))?;
        let Some(payload) = metas.payload else { return Ok(None) };
        let payload: Payload =
            serde_json::from_str(&payload).map_err(|error| damaged(&self.settings.path, &error))?;
        let Payload { epoch, digest, generation } = payload;
        Ok(Some(Progress { epoch, digest, generation }))
    }

    fn work(&mut self, batch: &Batch) -> Result<Work, StoreError> {
        let changes = latest(&batch.epochs);
        let kept = changes.into_iter().filter(|(_, change)| VIEWS.contains(&change.view));
        let put = kept.map(|(epoch, change)| self.fields.document(&document(epoch, change)));
        let Progress { epoch, digest, generation } = batch.progress.clone();
        let payload = serde_json::to_string(&Payload { epoch, digest, generation });
        let now = batch.epochs.last().map(|last| last.now);
        let due = now.filter(|now| self.removed_at.is_none_or(|at| REMOVE_EVERY_MS <= now.ms_since(at)));
        self.removed_at = due.or(self.removed_at);
        Ok(Work {
            put: put.collect(),
            close_before: batch.epochs.first().filter(|first| first.whole).map(|first| first.epoch),
            remove_before: due.map(|now| now.plus_ms(-self.settings.retention_ms)),
            payload: payload.map_err(|error| damaged(&self.settings.path, &error))?,
        })
    }
}

impl Store for Index {
    fn pace(&self) -> Pace {
        Pace { changes: COMMIT_CHANGES, every: COMMIT_EVERY }
    }

    async fn open(&mut self) -> Result<Option<Progress>, StoreError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is left over has the folder, and perhaps half a batch.
        *writer = None;
        let opened = self.index.writer_with_num_threads(1, WRITER_BYTES);
        *writer = Some(opened.map_err(|error| away(&self.settings.path, &error))?);
        let progress = self.progress()?;
        self.epoch.store(progress.as_ref().map_or(0, |progress| progress.epoch), Ordering::Release);
        Ok(progress)
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Refusal>, StoreError> {
        let work = self.work(batch)?;
        let (writer, reader, fields) = (Arc::clone(&self.writer), self.reader.clone(), self.fields.clone());
        let applied = tokio::task::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(writer) = writer.as_mut() else { panic!("an index is opened before it is written") };
            write(writer, &reader, &fields, work)
        });
        let applied = applied.await.map_err(|error| away(&self.settings.path, &error))?;
        applied.map_err(|error| away(&self.settings.path, &error))?;
        self.epoch.store(batch.progress.epoch, Ordering::Release);
        Ok(Vec::new())
    }
}

fn write(
    writer: &mut IndexWriter,
    reader: &IndexReader,
    fields: &Fields,
    work: Work,
) -> Result<(), TantivyError> {
    let Work { put, close_before, remove_before, payload } = work;
    if let Some(epoch) = close_before {
        let kept: std::collections::BTreeSet<&str> = put.iter().map(|(id, _)| id.as_str()).collect();
        for mut found in find::live_before(&reader.searcher(), fields, epoch)? {
            found["live"] = Value::Bool(false);
            found["epoch"] = Value::from(epoch);
            let (id, document) = fields.document(&found);
            if !kept.contains(id.as_str()) {
                writer.delete_term(fields.id_term(&id));
                writer.add_document(document)?;
            }
        }
    }
    for (id, document) in put {
        writer.delete_term(fields.id_term(&id));
        writer.add_document(document)?;
    }
    if let Some(before) = remove_before {
        writer.delete_query(find::ended_before(fields, before))?;
    }
    let mut commit = writer.prepare_commit()?;
    commit.set_payload(&payload);
    commit.commit()?;
    reader.reload()
}

impl Reader {
    /// Answers; it takes milliseconds of a thread that may wait for a disk.
    pub fn search(&self, search: &Search) -> Result<Hits, SearchError> {
        // Read before the documents: these are at least of that epoch.
        let epoch = self.epoch.load(Ordering::Acquire);
        let found = find::find(&self.reader.searcher(), &self.fields, search);
        let hits = found.map_err(|error| SearchError::Away(error.to_string()))?;
        Ok(Hits::page(epoch, hits, search.limit))
    }
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    let path = path.display();
    StoreError::Broken(format!(
        "{path}: {error}; give this user the right to it, or remove it: what is live comes back"
    ))
}

fn away(path: &Path, error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Away(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
