//! What one key of a view shows, and what it showed before. Pure.
//!
//! There are as many cells as rows. Nearly all show the row that they began with: such a cell has nothing on the heap but
//! that row.

use schemas::time::{Diff, Epoch};
use schemas::view::Row;

use crate::values::Values;

/// One key of a view: what is there now, and what was there before.
#[derive(Debug)]
pub(super) enum Cell {
    /// At most one row, and no epoch that can be read shows another.
    One(Version),
    /// Any other.
    Many(Box<History>),
}

/// What is shown from an epoch on: the greatest row with positive multiplicity, or nothing if there is none.
#[derive(Debug)]
pub(super) struct Version {
    since: Epoch,
    row: Option<Row>,
}

/// A cell that has shown something else, or holds more than it shows.
#[derive(Debug)]
pub(super) struct History {
    /// In epoch order; the last one is shown now. Never empty.
    versions: Vec<Version>,
    /// What is there besides one copy of the row that is shown: nothing, but for two rejects of one position.
    besides: Values<Row>,
}

impl Cell {
    /// A cell with the changes of its first epoch; `None` if they come to nothing.
    pub(super) fn begun(epoch: Epoch, updates: impl Iterator<Item = (Row, Diff)>) -> Option<Cell> {
        let (row, besides) = apply(None, Values::default(), updates);
        let first = Version { since: epoch, row: Some(row?) };
        if besides.is_empty() {
            return Some(Cell::One(first));
        }
        Some(Cell::Many(Box::new(History { versions: vec![first], besides })))
    }

    /// Applies changes of an epoch; gives the row shown before and the one shown after, unless that is the same.
    pub(super) fn change(
        &mut self,
        epoch: Epoch,
        updates: impl Iterator<Item = (Row, Diff)>,
    ) -> Option<(Option<Row>, Option<Row>)> {
        let before = self.row().cloned();
        let besides = match self {
            Cell::One(_) => Values::default(),
            Cell::Many(history) => std::mem::take(&mut history.besides),
        };
        let (after, besides) = apply(before.clone(), besides, updates);
        let changed = before != after;
        let next = changed.then(|| Version { since: epoch, row: after.clone() });
        match self {
            Cell::One(only) if changed || !besides.is_empty() => {
                let only = std::mem::replace(only, Version { since: epoch, row: None });
                // Most change once while that can be read: no room for more.
                let mut versions = Vec::with_capacity(2);
                versions.extend([only].into_iter().chain(next));
                *self = Cell::Many(Box::new(History { versions, besides }));
            }
            Cell::One(_) => {}
            Cell::Many(history) => {
                history.versions.extend(next);
                history.besides = besides;
                self.slim();
            }
        }
        changed.then_some((before, after))
    }

    /// What is shown now.
    pub(super) fn row(&self) -> Option<&Row> {
        self.versions().last()?.row.as_ref()
    }

    pub(super) fn at(&self, epoch: Epoch) -> Option<&Row> {
        let versions = self.versions();
        let after = versions.partition_point(|version| version.since <= epoch);
        versions[..after].last()?.row.as_ref()
    }

    /// Forgets what it showed before an epoch; gives the rows.
    pub(super) fn compact(&mut self, since: Epoch) -> Vec<Row> {
        let Cell::Many(history) = self else { return Vec::new() };
        let versions = &mut history.versions;
        let after = versions.partition_point(|version| version.since <= since);
        let forgotten = versions.drain(..after.saturating_sub(1)).filter_map(|version| version.row).collect();
        if 2 * versions.len() < versions.capacity() {
            versions.shrink_to_fit();
        }
        self.slim();
        forgotten
    }

    /// Whether nothing is left that any epoch shows.
    pub(super) fn is_empty(&self) -> bool {
        self.readable().next().is_none()
    }

    /// Every row that some epoch shows.
    pub(super) fn readable(&self) -> impl Iterator<Item = &Row> {
        self.versions().iter().filter_map(|version| version.row.as_ref())
    }

    fn versions(&self) -> &[Version] {
        match self {
            Cell::One(only) => std::slice::from_ref(only),
            Cell::Many(history) => &history.versions,
        }
    }

    /// Gives up the history of a cell that needs none any more.
    fn slim(&mut self) {
        if let Cell::Many(history) = self
            && history.versions.len() == 1
            && history.besides.is_empty()
            && let Some(only) = history.versions.pop()
        {
            *self = Cell::One(only);
        }
    }
}

/// Applies changes, in any order, to the row that is shown and to what is there besides. Nearly always a row comes, or
/// goes, or goes and then another comes, and nothing is there besides.
fn apply(
    mut shown: Option<Row>,
    mut besides: Values<Row>,
    updates: impl Iterator<Item = (Row, Diff)>,
) -> (Option<Row>, Values<Row>) {
    for (row, diff) in updates {
        match (&shown, diff) {
            (None, 1) if besides.is_empty() => shown = Some(row),
            (Some(known), -1) if besides.is_empty() && *known == row => shown = None,
            _ => {
                let known = shown.take().map(|known| (known, 1));
                besides.apply(known.into_iter().chain([(row, diff)]).collect());
            }
        }
    }
    assert!(
        besides.iter().all(|(_, count)| 0 < count),
        "a row was retracted more often than it was inserted"
    );
    if shown.is_none() {
        shown = besides.last().cloned();
        besides.apply(shown.iter().map(|row| (row.clone(), -1)).collect());
    }
    (shown, besides)
}

#[cfg(test)]
mod tests;
