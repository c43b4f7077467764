//! The cells of a view by key. Pure.
//!
//! Keys of one view are all of one form. Most are numbers: a tree of nothing else is smaller, and compares them at once, which
//! is a third of what changing a view takes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use schemas::time::{Diff, Epoch};
use schemas::view::{Row, RowKey};

use crate::views::cell::{Cell, Epochs};

/// Cells in the order of their keys: numbers before texts.
#[derive(Debug, Default)]
pub(super) struct Cells {
    numbers: BTreeMap<u128, Cell>,
    texts: BTreeMap<Arc<str>, Cell>,
}

/// Whether the cell was there before; then the row that it showed and the one that it shows now, unless that is the same.
type Change = (bool, Option<(Option<Row>, Option<Row>)>);

impl Cells {
    /// Cells that begin together, by key.
    pub(super) fn of(cells: Vec<(RowKey, Cell)>) -> Cells {
        let (mut numbers, mut texts) = (Vec::new(), Vec::new());
        for (key, cell) in cells {
            match key {
                RowKey::Ids(high, low) => numbers.push((RowKey::number(high, low), cell)),
                RowKey::Text(text) => texts.push((text, cell)),
            }
        }
        Cells { numbers: numbers.into_iter().collect(), texts: texts.into_iter().collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.texts.is_empty()
    }

    pub(super) fn get(&self, key: &RowKey) -> Option<&Cell> {
        match key {
            RowKey::Ids(high, low) => self.numbers.get(&RowKey::number(*high, *low)),
            RowKey::Text(text) => self.texts.get(text),
        }
    }

    /// Cells by key.
    pub(super) fn range(&self, range: impl RangeBounds<RowKey>) -> impl Iterator<Item = &Cell> {
        let (from, to) = (range.start_bound(), range.end_bound());
        let numbers = numbers_within(from, to).map(|range| self.numbers.range(range));
        let texts = texts_within(from, to).map(|range| self.texts.range::<str, _>(range));
        let numbers = numbers.into_iter().flatten().map(|(_, cell)| cell);
        numbers.chain(texts.into_iter().flatten().map(|(_, cell)| cell))
    }

    /// Applies changes of an epoch to a cell.
    pub(super) fn change(
        &mut self,
        key: &RowKey,
        epochs: Epochs,
        updates: impl Iterator<Item = (Row, Diff)>,
    ) -> Change {
        match key {
            RowKey::Ids(high, low) => {
                change(self.numbers.entry(RowKey::number(*high, *low)), epochs, updates)
            }
            RowKey::Text(text) => change(self.texts.entry(Arc::clone(text)), epochs, updates),
        }
    }

    /// Forgets what a cell showed before an epoch, and the cell if nothing is left; tells of it with the rows forgotten.
    pub(super) fn compact(&mut self, key: &RowKey, since: Epoch, tell: impl FnOnce(&Cell, Vec<Row>)) {
        match key {
            RowKey::Ids(high, low) => compact(self.numbers.entry(RowKey::number(*high, *low)), since, tell),
            RowKey::Text(text) => compact(self.texts.entry(Arc::clone(text)), since, tell),
        }
    }
}

fn change<K: Ord>(
    place: Entry<'_, K, Cell>,
    epochs: Epochs,
    updates: impl Iterator<Item = (Row, Diff)>,
) -> Change {
    match place {
        Entry::Occupied(mut cell) => (true, cell.get_mut().change(epochs, updates)),
        Entry::Vacant(place) => {
            let cell = Cell::begun(epochs.epoch, updates).map(|cell| &*place.insert(cell));
            (false, cell.map(|cell| (None, cell.row().cloned())))
        }
    }
}

fn compact<K: Ord>(place: Entry<'_, K, Cell>, since: Epoch, tell: impl FnOnce(&Cell, Vec<Row>)) {
    let Entry::Occupied(mut cell) = place else { return };
    let forgotten = cell.get_mut().compact(since);
    tell(cell.get(), forgotten);
    if cell.get().is_empty() {
        cell.remove();
    }
}

/// Which numbers lie between two keys; `None` if none can.
fn numbers_within(from: Bound<&RowKey>, to: Bound<&RowKey>) -> Option<(Bound<u128>, Bound<u128>)> {
    let number = |key: &RowKey| match key {
        RowKey::Ids(high, low) => Some(RowKey::number(*high, *low)),
        RowKey::Text(_) => None,
    };
    // Any text lies after all numbers.
    let from = match from.map(number) {
        Bound::Included(number) => Bound::Included(number?),
        Bound::Excluded(number) => Bound::Excluded(number?),
        Bound::Unbounded => Bound::Unbounded,
    };
    let to = match to.map(number) {
        Bound::Included(Some(number)) => Bound::Included(number),
        Bound::Excluded(Some(number)) => Bound::Excluded(number),
        Bound::Included(None) | Bound::Excluded(None) | Bound::Unbounded => Bound::Unbounded,
    };
    Some((from, to))
}

/// Which texts lie between two keys; `None` if none can.
fn texts_within<'k>(
    from: Bound<&'k RowKey>,
    to: Bound<&'k RowKey>,
) -> Option<(Bound<&'k str>, Bound<&'k str>)> {
    let text = |key: &'k RowKey| match key {
        RowKey::Ids(..) => None,
        RowKey::Text(text) => Some(&**text),
    };
    // Any number lies before all texts.
    let from = match from.map(text) {
        Bound::Included(Some(text)) => Bound::Included(text),
        Bound::Excluded(Some(text)) => Bound::Excluded(text),
        Bound::Included(None) | Bound::Excluded(None) | Bound::Unbounded => Bound::Unbounded,
    };
    let to = match to.map(text) {
        Bound::Included(text) => Bound::Included(text?),
        Bound::Excluded(text) => Bound::Excluded(text?),
        Bound::Unbounded => Bound::Unbounded,
    };
    Some((from, to))
}

#[cfg(test)]
mod tests {
    use schemas::view::CoverageRow;

    use super::*;

    /// The row tells which key it was put under.
    fn cell(key: &RowKey) -> Cell {
        let row = CoverageRow {
            source: format!("{key:?}"),
            accepted: 1,
            duplicate: 0,
            rejected: vec![],
            reached: None,
        };
        Cell::begun(1, std::iter::once((row.into(), 1))).unwrap()
    }

    #[test]
    fn every_range_holds_the_keys_that_lie_within_in_order() {
        let mut keys: Vec<RowKey> = ["", "a", "b"].map(|text| RowKey::Text(text.into())).to_vec();
        keys.extend([(0, 0), (0, 1), (1, 0), (u64::MAX, u64::MAX)].map(|(high, low)| RowKey::Ids(high, low)));
        keys.sort();
        let cells = Cells::of(keys.iter().map(|key| (key.clone(), cell(key))).collect());
        let mut changed = Cells::default();
        for key in &keys {
            let row = cell(key).row().cloned().unwrap();
            assert!(!changed.change(key, Epochs { epoch: 1, since: 1 }, std::iter::once((row, 1))).0);
        }
        let bounds = |index: usize| {
            let key = keys[index].clone();
            [Bound::Included(key.clone()), Bound::Excluded(key), Bound::Unbounded]
        };
        for (from, to) in (0..keys.len()).flat_map(|from| (from + 1..keys.len()).map(move |to| (from, to))) {
            for range in bounds(from).into_iter().flat_map(|from| bounds(to).map(|to| (from.clone(), to))) {
                let wanted: Vec<Row> = keys
                    .iter()
                    .filter(|key| range.contains(key))
                    .map(|key| cell(key).row().cloned().unwrap())
                    .collect();
                for cells in [&cells, &changed] {
                    let found: Vec<Row> =
                        cells.range(range.clone()).filter_map(|cell| cell.row().cloned()).collect();
                    assert_eq!(found, wanted, "{range:?}");
                }
            }
        }
    }
}
