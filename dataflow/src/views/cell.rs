//! What one key of a view shows, and what it showed before. Pure.

use schemas::time::{Diff, Epoch};
use schemas::view::Row;

use crate::values::Values;

/// One key of a view: what is there now, and what was there before.
#[derive(Debug, Default)]
pub(super) struct Cell {
    /// Rows with positive multiplicity. One, but for two rejects of one position: the greater is shown.
    rows: Values<Row>,
    /// The epoch from which on it has shown the greatest of them, or nothing if there is none; 0 before the first.
    since: Epoch,
    /// What it showed before, from an epoch on, in epoch order. Empty for most: their row never changes.
    before: Vec<(Epoch, Option<Row>)>,
}

impl Cell {
    /// A cell with the changes of its first epoch, and what it shows.
    pub(super) fn begun(epoch: Epoch, updates: Vec<(Row, Diff)>) -> (Cell, Option<Row>) {
        let mut cell = Cell::default();
        let (_, after) = cell.change(epoch, updates);
        (cell, after)
    }

    /// Applies changes of an epoch; gives the row shown before and the one shown after.
    pub(super) fn change(&mut self, epoch: Epoch, updates: Vec<(Row, Diff)>) -> (Option<Row>, Option<Row>) {
        let before = self.rows.last().cloned();
        self.rows.apply(updates);
        assert!(
            self.rows.iter().all(|(_, count)| 0 < count),
            "a row was retracted more often than it was inserted"
        );
        let after = self.rows.last().cloned();
        if before != after {
            if self.since != 0 {
                self.before.push((self.since, before.clone()));
            }
            self.since = epoch;
        }
        (before, after)
    }

    pub(super) fn at(&self, epoch: Epoch) -> Option<&Row> {
        if self.since <= epoch {
            return self.rows.last();
        }
        let after = self.before.partition_point(|(changed, _)| *changed <= epoch);
        self.before.get(after.checked_sub(1)?)?.1.as_ref()
    }

    /// Forgets what it showed before an epoch; gives the rows.
    pub(super) fn compact(&mut self, since: Epoch) -> Vec<Row> {
        let forgotten = if self.since <= since {
            std::mem::take(&mut self.before)
        } else {
            let after = self.before.partition_point(|(changed, _)| *changed <= since);
            self.before.drain(..after.saturating_sub(1)).collect()
        };
        forgotten.into_iter().filter_map(|(_, row)| row).collect()
    }

    /// Whether nothing is left that any epoch shows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.before.is_empty()
    }

    /// Every row that some epoch shows.
    pub(super) fn readable(&self) -> impl Iterator<Item = &Row> {
        self.before.iter().filter_map(|(_, row)| row.as_ref()).chain(self.rows.last())
    }
}

#[cfg(test)]
mod tests {
    use schemas::view::CoverageRow;

    use super::*;

    fn row(accepted: u64) -> Row {
        CoverageRow { source: String::new(), accepted, duplicate: 0, rejected: vec![], reached: None }.into()
    }

    fn shown(cell: &Cell, epochs: std::ops::RangeInclusive<Epoch>) -> Vec<Option<Row>> {
        epochs.map(|epoch| cell.at(epoch).cloned()).collect()
    }

    #[test]
    fn a_cell_shows_what_it_showed_until_that_is_forgotten() {
        let (one, two) = (row(1), row(2));
        let mut cell = Cell::default();
        cell.change(3, vec![(one.clone(), 1)]);
        cell.change(5, vec![(one.clone(), -1)]);
        cell.change(6, vec![(two.clone(), 1)]);
        let all = [None, Some(one.clone()), Some(one), None, Some(two.clone()), Some(two)];
        assert_eq!(shown(&cell, 2..=7), all);
        // What an epoch that is still readable shows stays.
        for since in [4, 5, 6] {
            cell.compact(since);
            assert!(!cell.is_empty());
            let readable = usize::try_from(since - 2).unwrap_or(0);
            assert_eq!(shown(&cell, since..=7), all[readable..]);
        }
        assert!(cell.before.is_empty());
        let two = cell.rows.last().cloned();
        cell.change(8, two.into_iter().map(|row| (row, -1)).collect());
        cell.compact(7);
        assert!(!cell.is_empty());
        assert_eq!(cell.compact(8), [row(2)]);
        assert!(cell.is_empty(), "nothing is left to show");
    }

    #[test]
    fn a_change_without_effect_leaves_no_history() {
        let mut cell = Cell::default();
        cell.change(1, vec![(row(1), 1)]);
        cell.change(2, vec![(row(1), -1), (row(1), 1)]);
        assert_eq!((cell.since, cell.before.len()), (1, 0));
    }
}
