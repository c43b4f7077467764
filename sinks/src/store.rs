//! The contract of stores that follow the views: Neo4j, OpenSearch, Parquet, Kafka.
//!
//! Key     a row is known by (tenant, view, key) for good; a store derives its own ids from that alone.
//! Order   epochs in order, each complete, none left out; several may be applied at once.
//! Repeat  any number of times, also by a process that should have stopped: the same epochs are the same bytes, and a store
//!         never goes back behind what it has. Progress is kept in the store itself, not before what it speaks of.
//! Limits  one batch in memory; what a store is behind waits in the backlog, on disk.

use std::time::Duration;

use schemas::feed::{Change, EpochChanges};
use schemas::ids::Digest;
use schemas::time::Epoch;

/// How far a store is, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last epoch that it has, complete.
    pub epoch: Epoch,
    /// [`EpochChanges::digest`] of that epoch.
    pub digest: Digest,
    /// What computed it; other rows are expected from another generation.
    pub generation: String,
}

/// Consecutive epochs for a store.
#[derive(Clone, Debug)]
pub struct Batch {
    /// At least one, in order. Only the first may be whole: rows that the store has beside those are then not live.
    pub epochs: Vec<EpochChanges>,
    /// What is true of the store afterwards.
    pub progress: Progress,
}

/// A row that a store will never take, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Epoch of the change.
    pub epoch: Epoch,
    /// The change.
    pub change: Change,
    /// The store's words.
    pub reason: String,
}

/// What happened to a store, by what is to be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is away, busy, or nobody knows whether it took the batch: the same batch is tried again.
    #[error("{0}")]
    Away(String),
    /// A person has to mend something: credentials, a mapping, a version. Tried again at long intervals.
    #[error("{0}")]
    Broken(String),
}

/// How much is given at once, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Changes of one batch, unless a single epoch has more.
    pub changes: usize,
    /// Between two batches that are not full: many small epochs become one write.
    pub every: Duration,
}

/// A store that follows the views.
pub trait Store: Send {
    /// How much it wants at once.
    fn pace(&self) -> Pace {
        Pace { changes: 5_000, every: Duration::from_millis(100) }
    }

    /// Connects, prepares what rows need (constraints, templates, folders), and says how far the store is.
    fn open(&mut self) -> impl Future<Output = Result<Option<Progress>, StoreError>> + Send;

    /// Applies a batch. When it returns, the store has it, its progress included; rows that it refused are given back.
    fn apply(&mut self, batch: &Batch) -> impl Future<Output = Result<Vec<Refusal>, StoreError>> + Send;
}

/// The last change of each row of some epochs, with its epoch, by tenant, view and key: for stores that keep one version.
pub fn latest(epochs: &[EpochChanges]) -> Vec<(Epoch, &Change)> {
    let mut rows = std::collections::BTreeMap::new();
    for epoch in epochs {
        for change in epoch.changes.iter() {
            rows.insert((&change.tenant, change.view, &change.key), (epoch.epoch, change));
        }
    }
    rows.into_values().collect()
}

/// Folds epochs of which the first brings all rows into one that does.
pub fn fold(epochs: Vec<EpochChanges>) -> Option<EpochChanges> {
    let last = epochs.last()?;
    let (epoch, now) = (last.epoch, last.now);
    let live = latest(&epochs).into_iter().filter(|(_, change)| change.live);
    let changes = live.map(|(_, change)| change.clone()).collect();
    Some(EpochChanges { epoch, now, whole: true, changes })
}

#[cfg(test)]
mod tests {
    use schemas::time::EventTime;
    use schemas::view::{CoverageRow, Row, ViewName};

    use super::*;

    fn change(key: &str, accepted: u64, live: bool) -> Change {
        let row = CoverageRow {
            source: key.to_owned(),
            accepted,
            duplicate: 0,
            rejected: Vec::new(),
            reached: None,
        };
        let (tenant, row) = ("a".parse().unwrap(), Row::from(row));
        Change { tenant, view: ViewName::Coverage, key: key.to_owned(), live, row }
    }

    fn epoch(epoch: Epoch, changes: Vec<Change>) -> EpochChanges {
        EpochChanges { epoch, now: EventTime(0), whole: epoch == 1, changes: changes.into() }
    }

    #[test]
    fn the_last_change_of_a_row_counts_and_keeps_its_epoch() {
        let epochs = [
            epoch(1, vec![change("x", 1, true), change("y", 1, true)]),
            epoch(2, vec![change("x", 2, true)]),
            epoch(3, vec![change("y", 1, false)]),
        ];
        let (x, y) = (change("x", 2, true), change("y", 1, false));
        assert_eq!(latest(&epochs), [(2, &x), (3, &y)]);
    }

    #[test]
    fn folded_epochs_hold_what_is_live_at_the_end() {
        let epochs = vec![
            epoch(1, vec![change("x", 1, true), change("y", 1, true)]),
            epoch(2, vec![change("y", 1, false), change("z", 5, true)]),
        ];
        let folded = fold(epochs).unwrap();
        assert_eq!((folded.epoch, folded.whole), (2, true));
        assert_eq!(*folded.changes, [change("x", 1, true), change("z", 5, true)]);
        assert_eq!(fold(Vec::new()), None);
    }
}
