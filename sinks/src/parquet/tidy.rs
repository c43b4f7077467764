//! Deletes what nobody reads any more: manifests before the needed whole list, files that were removed long ago, and what a
//! crash left behind.
//!
//! Order   only after a commit of ours, and only while it is the newest: a process that should have stopped finds a newer
//!         one and deletes nothing. It cannot be wrong about what it deletes either: a path that does not count never counts
//!         again, and a file can only be named by the manifest whose number it bears.
//! Repeat  any number of times; what is not there is deleted.
//! Limits  so many files of one commit.

use object_store::path::Path;

use crate::store::StoreError;

use super::Parquet;
use super::manifest::named;

/// Files deleted after one commit at most: a commit stays short.
const DELETED_MAX: usize = 1_000;

impl Parquet {
    /// After a commit. Fails only if the store has gone on without this process.
    pub(super) async fn tidy(&mut self) -> Result<(), StoreError> {
        let names = match self.names().await {
            Ok(names) => names,
            Err(error) => {
                later(&error);
                return Ok(());
            }
        };
        let newest = self.manifest(self.ledger.next() - 1);
        if names.last() != Some(&newest) {
            return Err(StoreError::Away(format!(
                "manifest {newest} is not the newest; what stands is read"
            )));
        }
        let needed = self.ledger.needed();
        let first = self.manifest(needed);
        let old: Vec<Path> = names.into_iter().take_while(|name| *name < first).collect();
        let done = self.delete(old, needed).await;
        done.unwrap_or_else(|error| later(&error));
        Ok(())
    }

    async fn delete(&mut self, manifests: Vec<Path>, needed: u64) -> Result<(), StoreError> {
        let files = self.ledger.deletable(DELETED_MAX);
        self.objects.delete(files.iter().map(|path| Path::from(path.as_str())).collect()).await?;
        self.ledger.deleted(files.len());
        self.objects.delete(manifests).await?;
        self.ledger.forget(needed);
        if !self.swept {
            self.sweep().await?;
            self.swept = true;
        }
        Ok(())
    }

    /// Deletes files of the shard whose number is taken and that no manifest names.
    async fn sweep(&self) -> Result<(), StoreError> {
        let (kept, next) = (self.ledger.kept(), self.ledger.next());
        let orphan = |path: &Path| {
            let file = path.filename().and_then(named);
            let of_past = file.is_some_and(|(shard, number)| shard == self.settings.shard && number < next);
            of_past && !kept.contains(path.as_ref())
        };
        let mut found = self.objects.list(&self.objects.place("data")).await?;
        found.retain(orphan);
        if !found.is_empty() {
            tracing::info!(files = found.len(), "files that no manifest names are deleted");
        }
        self.objects.delete(found).await?;
        self.sweep_halves().map_err(|error| StoreError::Away(error.to_string()))
    }

    /// Likewise in a folder: what was being written when a process ended.
    fn sweep_halves(&self) -> std::io::Result<()> {
        let (shard, next) = (self.settings.shard.as_str(), self.ledger.next());
        for path in self.objects.halves()? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let whole = name.split('#').next().unwrap_or_default();
            let of_shard = path
                .parent()
                .is_some_and(|folder| folder.ends_with(Path::from("manifests").join(shard).as_ref()));
            let manifest =
                whole.strip_suffix(".json").and_then(|number| number.parse().ok()).filter(|_| of_shard);
            let file = named(whole).filter(|(of, _)| *of == shard).map(|(_, number)| number);
            if manifest.or(file).is_some_and(|number: u64| number < next) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

fn later(error: &StoreError) {
    tracing::warn!(%error, "what nobody reads any more is deleted after the next commit");
}
