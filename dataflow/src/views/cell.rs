//! What one key of a view shows, and what it showed before. Pure.
//!
//! There are as many cells as rows. Nearly all show the row that they began with, and nothing once it is gone: such a cell has nothing
//! on the heap but that row.

use schemas::time::{Diff, Epoch};
use schemas::view::Row;

use crate::values::Values;

/// One key of a view: what is there now, and what was there before.
#[derive(Debug)]
pub(super) enum Cell {
    /// One row, which began or ended once, as far as can be read.
    One(Only),
    /// Any other.
    Many(Box<History>),
}

/// A row that is shown in all epochs from one on or in all before it, of those that can be read.
#[derive(Debug)]
pub(super) struct Only {
    /// `None` only when it was taken away, and the cell with it.
    row: Option<Row>,
    turn: Turn,
}

/// The epoch that a row began or ended with. In one word: there are as many as rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn(u64);

/// An epoch that changes cells, and the first one that can be read meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epochs {
    pub(super) epoch: Epoch,
    pub(super) since: Epoch,
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

impl Turn {
    fn beginning(epoch: Epoch) -> Turn {
        Turn(epoch << 1)
    }

    fn end(epoch: Epoch) -> Turn {
        Turn(epoch << 1 | 1)
    }

    fn epoch(self) -> Epoch {
        self.0 >> 1
    }

    fn is_end(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Only {
    fn at(&self, epoch: Epoch) -> Option<&Row> {
        let turned = self.turn.epoch() <= epoch;
        self.row.as_ref().filter(|_| turned != self.turn.is_end())
    }

    /// Whether no epoch from one on shows it.
    fn is_over(&self, since: Epoch) -> bool {
        self.turn.is_end() && self.turn.epoch() <= since
    }

    /// The same, written out, with room for more: most change once while that can be read.
    fn versions(&mut self) -> Vec<Version> {
        let mut versions = Vec::with_capacity(2);
        let (row, epoch) = (self.row.take(), self.turn.epoch());
        if self.turn.is_end() {
            versions.extend([Version { since: 0, row }, Version { since: epoch, row: None }]);
        } else {
            versions.push(Version { since: epoch, row });
        }
        versions
    }
}

impl Cell {
    /// A cell with the changes of its first epoch; `None` if they come to nothing.
    pub(super) fn begun(epoch: Epoch, updates: impl Iterator<Item = (Row, Diff)>) -> Option<Cell> {
        let (row, besides) = apply(None, Values::default(), updates);
        let row = Some(row?);
        if besides.is_empty() {
            return Some(Cell::One(Only { row, turn: Turn::beginning(epoch) }));
        }
        let versions = vec![Version { since: epoch, row }];
        Some(Cell::Many(Box::new(History { versions, besides })))
    }

    /// Applies changes of an epoch; gives the row shown before and the one shown after, unless that is the same.
    pub(super) fn change(
        &mut self,
        Epochs { epoch, since }: Epochs,
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
            Cell::One(_) if !changed && besides.is_empty() => {}
            // It goes long after it came: nobody can read an epoch before that. Nothing is besides, or that would be shown.
            Cell::One(only) if after.is_none() && only.turn.epoch() <= since => {
                only.turn = Turn::end(epoch);
            }
            Cell::One(only) => {
                let mut versions = only.versions();
                versions.extend(next);
                *self = Cell::Many(Box::new(History { versions, besides }));
            }
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
        self.at(Epoch::MAX)
    }

    pub(super) fn at(&self, epoch: Epoch) -> Option<&Row> {
        match self {
            Cell::One(only) => only.at(epoch),
            Cell::Many(history) => {
                let after = history.versions.partition_point(|version| version.since <= epoch);
                history.versions[..after].last()?.row.as_ref()
            }
        }
    }

    /// Forgets what it showed before an epoch; gives the rows.
    pub(super) fn compact(&mut self, since: Epoch) -> Vec<Row> {
        let history = match self {
            Cell::One(only) if only.is_over(since) => return only.row.take().into_iter().collect(),
            Cell::One(_) => return Vec::new(),
            Cell::Many(history) => history,
        };
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
        let (only, versions) = match self {
            Cell::One(only) => (only.row.as_ref(), &[][..]),
            Cell::Many(history) => (None, &history.versions[..]),
        };
        only.into_iter().chain(versions.iter().filter_map(|version| version.row.as_ref()))
    }

    /// Gives up the history of a cell that needs none any more.
    fn slim(&mut self) {
        if let Cell::Many(history) = self
            && history.versions.len() == 1
            && history.besides.is_empty()
            && let Some(Version { since, row }) = history.versions.pop()
        {
            *self = Cell::One(Only { row, turn: Turn::beginning(since) });
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
