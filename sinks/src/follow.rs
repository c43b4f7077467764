//! A store follows the backlog: opened, given what it lacks in order, tried again when it is away. One task per store, so
//! that a slow or dead one lags alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use schemas::feed::EpochChanges;
use schemas::ids::Digest;
use schemas::time::Epoch;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::backlog::{Backlog, BacklogError};
use crate::store::{Batch, Progress, Refusal, Store, StoreError, fold};

/// Between two attempts at a store that is away: doubled from the first to the last.
const AWAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Between two attempts at a store that a person has to mend.
const BROKEN: Duration = Duration::from_secs(15);
/// How long a recovery may take until people are told that a store waits for it.
const RECOVERY: Duration = Duration::from_secs(60);

/// What a store is followed with.
pub struct Following {
    /// Its name, for people and metrics.
    pub name: &'static str,
    /// What computes.
    pub generation: String,
    /// Told the epoch that the store has.
    pub applied: Arc<AtomicU64>,
    /// Becomes true when the process stops.
    pub stop: watch::Receiver<bool>,
    /// Takes the rows that the store refused.
    pub refused: Box<dyn FnMut(&Refusal) + Send + Sync>,
}

/// Why a store is not followed any further.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// The process stops.
    #[error("asked to stop")]
    Asked,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The backlog.
    #[error(transparent)]
    Backlog(#[from] BacklogError),
}

/// Follows until the process stops, or until the backlog cannot serve the store any more.
pub async fn follow(mut store: impl Store, backlog: Backlog, mut following: Following) {
    let name = following.name;
    let mut pause = AWAY.0;
    let mut given = None;
    loop {
        let begun = following.applied.load(Ordering::Relaxed);
        let ended = match attend(&mut store, &backlog, &mut following, &mut given).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        if begun < following.applied.load(Ordering::Relaxed) {
            pause = AWAY.0;
        }
        metrics::counter!("kgroot_sink_retries_total", "sink" => name).increment(1);
        let wait = match ended {
            Ended::Asked => return,
            Ended::Store(StoreError::Away(reason)) => {
                tracing::warn!(sink = name, reason, "the store is away; it is tried again");
                let wait = pause;
                pause = AWAY.1.min(pause * 2);
                wait
            }
            Ended::Store(StoreError::Broken(reason)) => {
                tracing::error!(sink = name, reason, "the store takes nothing until this is mended");
                BROKEN
            }
            Ended::Backlog(error) => {
                tracing::error!(sink = name, %error, "the store is not followed any more");
                return;
            }
        };
        let stopped = timeout(wait, following.stop.wait_for(|stop| *stop)).await;
        if stopped.is_ok() {
            return;
        }
    }
}

/// One connection to the store, until something happens to it. `given` is the progress that it is known to have.
async fn attend(
    store: &mut impl Store,
    backlog: &Backlog,
    following: &mut Following,
    given: &mut Option<Progress>,
) -> Result<std::convert::Infallible, Ended> {
    let progress = stopping(&mut following.stop.clone(), store.open()).await??;
    let first = arrived(backlog, following, 1).await?;
    let mut position = match &progress {
        // Nothing, or less than this process can tell one by one.
        None => first.0 - 1,
        Some(progress) if progress.epoch < first.0 => {
            if first.1 && progress.epoch + 1 < first.0 {
                let (sink, has) = (following.name, progress.epoch);
                tracing::error!(sink, has, first = first.0, "the store misses what came and went in between");
            }
            first.0 - 1
        }
        Some(progress) if progress.generation != following.generation => {
            *given = replace(store, backlog, following, progress.epoch).await?;
            given.as_ref().map_or(progress.epoch, |given| given.epoch)
        }
        // Once every store has an epoch, the backlog has it no more.
        Some(progress) if given.as_ref() == Some(progress) => progress.epoch,
        Some(progress) => {
            agree(backlog, following, progress).await?;
            *given = Some(progress.clone());
            progress.epoch
        }
    };
    let pace = store.pace();
    loop {
        following.applied.store(position, Ordering::Relaxed);
        metrics::gauge!("kgroot_sink_epoch", "sink" => following.name).set(position as f64);
        arrived(backlog, following, position + 1).await?;
        let epochs = read(backlog, position, pace.changes).await?;
        let full = pace.changes <= changes(&epochs);
        if let Some(progress) = give(store, following, epochs).await? {
            position = progress.epoch;
            *given = Some(progress);
        }
        if !full {
            stopping(&mut following.stop.clone(), sleep(pace.every)).await?;
        }
    }
}

/// Gives a store what it lacks; gives the progress that it then has.
async fn give(
    store: &mut impl Store,
    following: &mut Following,
    epochs: Vec<(EpochChanges, Digest)>,
) -> Result<Option<Progress>, Ended> {
    let Some((last, digest)) = epochs.last() else { return Ok(None) };
    let progress = Progress { epoch: last.epoch, digest: *digest, generation: following.generation.clone() };
    let rows = changes(&epochs);
    let batch = Batch { epochs: epochs.into_iter().map(|(epoch, _)| epoch).collect(), progress };
    let refused = stopping(&mut following.stop.clone(), store.apply(&batch)).await??;
    metrics::counter!("kgroot_sink_rows_total", "sink" => following.name).increment(rows as u64);
    for refusal in &refused {
        metrics::counter!("kgroot_sink_refused_total", "sink" => following.name).increment(1);
        (following.refused)(refusal);
    }
    Ok(Some(batch.progress))
}

/// The store has what another generation computed: it is given everything as of an epoch that it does not have.
async fn replace(
    store: &mut impl Store,
    backlog: &Backlog,
    following: &mut Following,
    has: Epoch,
) -> Result<Option<Progress>, Ended> {
    recovered(backlog, following, has + 1).await?;
    tracing::info!(
        sink = following.name,
        has,
        "another version computed what the store has: all is replaced"
    );
    let mut epochs = Vec::new();
    let mut position = backlog.first().map_or(0, |(first, _)| first - 1);
    while position <= has {
        let read = read(backlog, position, store.pace().changes).await?;
        position = read.last().map_or(position, |(epoch, _)| epoch.epoch);
        epochs.extend(read.into_iter().map(|(epoch, _)| epoch));
    }
    let digest = epochs.last().map(EpochChanges::digest);
    let whole = fold(epochs).zip(digest).into_iter().collect();
    give(store, following, whole).await
}

/// The same input was computed to the same changes as when the store was given them.
async fn agree(backlog: &Backlog, following: &mut Following, progress: &Progress) -> Result<(), Ended> {
    recovered(backlog, following, progress.epoch).await?;
    let found = read(backlog, progress.epoch - 1, 1).await?;
    match found.first() {
        Some((epoch, digest))
            if epoch.epoch == progress.epoch && !epoch.whole && *digest != progress.digest =>
        {
            let epoch = epoch.epoch;
            let detail = "restore the store, or use another folder or index for this engine";
            Err(StoreError::Broken(format!("epoch {epoch} in the store is not what was computed; {detail}"))
                .into())
        }
        _ => Ok(()),
    }
}

/// Waits until an epoch is in the backlog; gives the first of this process.
async fn arrived(backlog: &Backlog, following: &Following, epoch: Epoch) -> Result<(Epoch, bool), Ended> {
    let mut latest = backlog.latest();
    let waited =
        stopping(&mut following.stop.clone(), latest.wait_for(|latest| epoch.max(1) <= *latest)).await?;
    // The sender lives as long as the backlog.
    let present = waited.is_ok();
    backlog.first().filter(|_| present).ok_or(Ended::Asked)
}

/// As [`arrived`], for an epoch that was sealed before: it comes with the recovery, unless it is of another history.
async fn recovered(backlog: &Backlog, following: &Following, epoch: Epoch) -> Result<(), Ended> {
    let waited = timeout(RECOVERY, arrived(backlog, following, epoch)).await;
    let come_to = *backlog.latest().borrow();
    let away = || {
        let detail =
            "unless a recovery is under way, it was filled by another engine: empty it, or name another";
        StoreError::Away(format!("the store has epoch {epoch}, this engine has come to {come_to}; {detail}"))
    };
    waited.map_err(|_| away())?.map(drop)
}

async fn read(
    backlog: &Backlog,
    after: Epoch,
    changes_max: usize,
) -> Result<Vec<(EpochChanges, Digest)>, Ended> {
    let backlog = backlog.clone();
    let read = tokio::task::spawn_blocking(move || backlog.after(after, changes_max)).await;
    // Only a runtime that ends cancels it.
    Ok(read.map_err(|_| Ended::Asked)??)
}

fn changes(epochs: &[(EpochChanges, Digest)]) -> usize {
    epochs.iter().map(|(epoch, _)| epoch.changes.len()).sum()
}

async fn stopping<T>(stop: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Result<T, Ended> {
    tokio::select! {
        done = work => Ok(done),
        // A sender that is gone stops as well.
        _ = stop.wait_for(|stop| *stop) => Err(Ended::Asked),
    }
}

#[cfg(test)]
mod tests;
