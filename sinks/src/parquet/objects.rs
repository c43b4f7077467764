//! A folder or an S3-compatible bucket: what the store needs of it, and what its errors mean.
//!
//! Repeat  nothing is ever replaced; what is there already is told apart from what could not be written.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use crate::store::StoreError;

/// Requests at once.
pub(super) const AT_ONCE: usize = 16;

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) root: Path,
    /// The folder, if it is one.
    pub(super) folder: Option<PathBuf>,
}

/// What became of a put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there now.
    New,
    /// Something of that name was there.
    Present,
}

impl Objects {
    /// Opens a folder, which is made if it is not there, or a bucket.
    pub(super) fn open(url: &str, options: &[(String, String)]) -> Result<Self, StoreError> {
        let broken = |error: &dyn std::fmt::Display| {
            StoreError::Broken(format!(
                "{url}: {error}; set sinks.parquet.url to a folder or s3://bucket/prefix"
            ))
        };
        if let Ok(parsed) = url::Url::parse(url)
            && parsed.scheme() != "file"
        {
            // What must not be replaced is put on the condition that it is not there.
            let condition = ("aws_conditional_put".to_owned(), "etag".to_owned());
            let options = options.iter().cloned().chain([condition]);
            let (store, root) =
                object_store::parse_url_opts(&parsed, options).map_err(|error| broken(&error))?;
            return Ok(Objects { store: Arc::from(store), root, folder: None });
        }
        let folder = url.strip_prefix("file://").unwrap_or(url);
        std::fs::create_dir_all(folder).map_err(|error| broken(&error))?;
        let store =
            object_store::local::LocalFileSystem::new_with_prefix(folder).map_err(|error| broken(&error))?;
        // A date whose files are gone leaves no folder behind.
        let store = store.with_fsync(true).with_automatic_cleanup(true);
        Ok(Objects { store: Arc::new(store), root: Path::default(), folder: Some(folder.into()) })
    }

    /// Path of a place below the root.
    pub(super) fn place(&self, place: &str) -> Path {
        place.split('/').fold(self.root.clone(), Path::join)
    }

    /// Puts bytes where nothing is.
    pub(super) async fn put(&self, path: &Path, bytes: Vec<u8>) -> Result<Put, StoreError> {
        let once = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(path, PutPayload::from(bytes), once).await {
            Ok(_) => Ok(Put::New),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Put::Present),
            Err(error) => Err(away(error)),
        }
    }

    /// Puts bytes under a name that says what they are: what is there already is the same.
    pub(super) async fn put_known(&self, path: &Path, bytes: Vec<u8>) -> Result<(), StoreError> {
        let length = bytes.len() as u64;
        if self.put(path, bytes).await? == Put::Present {
            let found = self.store.head(path).await.map_err(away)?.size;
            if found != length {
                let what = "is not what its name says; remove it, and see who else writes there";
                return Err(StoreError::Broken(format!(
                    "{path}, of {found} bytes instead of {length}, {what}"
                )));
            }
        }
        Ok(())
    }

    /// Bytes of each path, in order.
    pub(super) async fn get(&self, paths: &[Path]) -> Result<Vec<Bytes>, StoreError> {
        let read = |path: Path| {
            let store = Arc::clone(&self.store);
            async move { store.get(&path).await.map_err(away)?.bytes().await.map_err(away) }
        };
        futures_util::stream::iter(paths.to_vec()).map(read).buffered(AT_ONCE).try_collect().await
    }

    /// What stands below a path, in order of names.
    pub(super) async fn list(&self, below: &Path) -> Result<Vec<Path>, StoreError> {
        let listed: Vec<_> = self.store.list(Some(below)).try_collect().await.map_err(away)?;
        let mut paths: Vec<Path> = listed.into_iter().map(|object| object.location).collect();
        paths.sort();
        Ok(paths)
    }

    /// In a folder: what a crash left half written. Their names end with `#` and a number, and no list shows them.
    pub(super) fn halves(&self) -> std::io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut open: Vec<PathBuf> = self.folder.iter().cloned().collect();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    open.push(entry.path());
                } else if entry.file_name().to_string_lossy().contains('#') {
                    found.push(entry.path());
                }
            }
        }
        Ok(found)
    }

    /// Deletes; what is not there is deleted.
    pub(super) async fn delete(&self, paths: Vec<Path>) -> Result<(), StoreError> {
        let paths = futures_util::stream::iter(paths).map(Ok).boxed();
        let mut deleted = self.store.delete_stream(paths);
        while let Some(done) = deleted.next().await {
            match done {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(away(error)),
            }
        }
        Ok(())
    }
}

fn away(error: Error) -> StoreError {
    match &error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            StoreError::Broken(format!("{error}; check what may be written at sinks.parquet.url"))
        }
        Error::NotImplemented { .. } | Error::NotSupported { .. } => {
            StoreError::Broken(format!("{error}; the bucket must take puts on a condition"))
        }
        _ => StoreError::Away(error.to_string()),
    }
}
