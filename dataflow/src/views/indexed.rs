//! One view of one tenant: its cells by key, and which of them bear which index keys. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::ops::{Bound, RangeBounds};

use schemas::time::Epoch;
use schemas::view::{IndexKey, Row, RowKey, ViewName};

use crate::publish::RowChange;
use crate::views::cell::{Cell, Epochs};
use crate::views::cells::Cells;

/// The cells of a view.
#[derive(Debug)]
pub(super) struct View {
    name: ViewName,
    cells: Cells,
    /// Of every row that any readable epoch shows.
    indexed: BTreeSet<(IndexKey, RowKey)>,
}

/// What came of the changes of a key: the row shown before, and the one after.
pub(super) struct Shown {
    pub(super) key: RowKey,
    /// The key has shown something else before, which is to be forgotten one day.
    pub(super) history: bool,
    pub(super) before: Option<Row>,
    pub(super) after: Option<Row>,
}

impl View {
    /// A view without rows.
    pub(super) fn of(name: ViewName) -> View {
        View { name, cells: Cells::default(), indexed: BTreeSet::new() }
    }

    pub(super) fn get(&self, key: &RowKey) -> Option<&Cell> {
        self.cells.get(key)
    }

    /// Cells by key.
    pub(super) fn range(&self, range: impl RangeBounds<RowKey>) -> impl Iterator<Item = &Cell> {
        self.cells.range(range)
    }

    /// Cells by key, within a range, of rows that bear one of some distinct index keys in an epoch that can be read, or
    /// another of the same hash. As many are looked at as are taken, and one for each index key.
    pub(super) fn indexed(
        &self,
        index_keys: impl IntoIterator<Item = IndexKey>,
        (from, to): (Bound<RowKey>, Bound<RowKey>),
    ) -> impl Iterator<Item = &Cell> {
        // The next key of each, with those after it.
        let mut next = BTreeMap::new();
        for index_key in index_keys {
            let from = match &from {
                // No key is less than this one.
                Bound::Unbounded => Bound::Included((index_key, RowKey::Ids(0, 0))),
                bound => bound.as_ref().map(|key| (index_key, key.clone())),
            };
            let to = to.clone();
            let mine = self.indexed.range((from, Bound::Unbounded)).map_while(move |(other, key)| {
                let within = (Bound::Unbounded, to.as_ref()).contains(key);
                (*other == index_key && within).then_some(key)
            });
            push(&mut next, index_key, mine);
        }
        let mut last = None;
        let keys = std::iter::from_fn(move || {
            loop {
                let ((key, index_key), after) = next.pop_first()?;
                push(&mut next, index_key, after);
                if last.replace(key) != Some(key) {
                    return Some(key);
                }
            }
        });
        keys.filter_map(|key| self.cells.get(key))
    }

    /// Applies changes, which come by key, to so many cells at most; tells of each that shows another row. Gives how many
    /// cells it has looked at.
    pub(super) fn change(
        &mut self,
        epochs: Epochs,
        rows: &mut Peekable<impl Iterator<Item = RowChange>>,
        at_most: usize,
        mut told: impl FnMut(Shown),
    ) -> usize {
        // A view that begins, as all do at a recovery, is built in one go.
        let mut fresh = self.cells.is_empty().then(Vec::new);
        let mut looked_at = 0;
        while looked_at < at_most
            && let Some(RowChange { key, row, diff }) = rows.next()
        {
            looked_at += 1;
            let same = std::iter::from_fn(|| rows.next_if(|next| next.key == key));
            let updates = std::iter::once((row, diff)).chain(same.map(|next| (next.row, next.diff)));
            let (history, change) = match &mut fresh {
                Some(cells) => {
                    let cell = Cell::begun(epochs.epoch, updates);
                    let change = cell.as_ref().map(|cell| (None, cell.row().cloned()));
                    cells.extend(cell.map(|cell| (key.clone(), cell)));
                    (false, change)
                }
                None => self.cells.change(&key, epochs, updates),
            };
            let Some((before, after)) = change else { continue };
            if let Some(row) = &after
                && (before.is_none() || IndexKey::may_change(self.name))
            {
                index(&mut self.indexed, self.name, row, &key);
            }
            told(Shown { key, history, before, after });
        }
        if let Some(cells) = fresh {
            self.cells = Cells::of(cells);
        }
        looked_at
    }

    /// Forgets what a key showed before an epoch.
    pub(super) fn compact(&mut self, key: &RowKey, since: Epoch) {
        let View { name, cells, indexed } = self;
        cells.compact(key, since, |cell, forgotten| {
            if !cell.is_empty() && !IndexKey::may_change(*name) {
                return;
            }
            let kept: BTreeSet<IndexKey> =
                cell.readable().flat_map(|row| IndexKey::all(*name, row)).collect();
            for index_key in forgotten.iter().flat_map(|row| IndexKey::all(*name, row)) {
                if !kept.contains(&index_key) {
                    indexed.remove(&(index_key, key.clone()));
                }
            }
        });
    }
}

/// Puts an index key with the keys of its rows where its first one lies; drops it if there is none.
fn push<'v, I: Iterator<Item = &'v RowKey>>(
    next: &mut BTreeMap<(&'v RowKey, IndexKey), I>,
    index_key: IndexKey,
    mut keys: I,
) {
    if let Some(key) = keys.next() {
        next.insert((key, index_key), keys);
    }
}

fn index(indexed: &mut BTreeSet<(IndexKey, RowKey)>, view: ViewName, row: &Row, key: &RowKey) {
    indexed.extend(IndexKey::all(view, row).into_iter().map(|index_key| (index_key, key.clone())));
}

#[cfg(test)]
mod tests {
    use schemas::entity::{Entity, EntityKind};
    use schemas::time::Diff;
    use serde_json::json;

    use super::*;

    const ALL: (Bound<RowKey>, Bound<RowKey>) = (Bound::Unbounded, Bound::Unbounded);

    fn entity(name: &str) -> Entity {
        Entity::namespaced(EntityKind::Service, "shop", name)
    }

    fn chain(rank: u32, names: &[&str]) -> (RowKey, Row) {
        let end = |name: &str| {
            json!({"episode_id": "epi_0000000000000007", "entity": entity(name),
                "kind": "k8s.pod.OOMKilled", "class": "symptom", "onset": "2026-01-01T00:00:00.000Z",
                "earliest": "2026-01-01T00:00:00.000Z", "last": "2026-01-01T00:00:00.000Z", "ended": null, "count": 1,
                "severity": "error", "event_ids": [], "detail": "", "magnitude": 0})
        };
        let links: Vec<_> = names
            .windows(2)
            .map(|pair| {
                json!({"cause": end(pair[0]), "effect": end(pair[1]), "rule": "r", "rule_version": 1, "relation": "",
                    "lag_ms": 0, "strength": 1, "best": true})
            })
            .collect();
        let row = json!({"incident_id": "inc_0000000000000001", "rank": rank, "root": end(names[0]),
            "symptom": end(names[names.len() - 1]), "links": links, "strength": 1});
        let row = Row::of_view(ViewName::Chains, row).unwrap();
        (RowKey::of(&row), row)
    }

    fn change(view: &mut View, epoch: Epoch, rows: Vec<(Row, Diff)>) {
        let rows: Vec<RowChange> = rows.into_iter().map(|(row, diff)| RowChange::of(row, diff)).collect();
        view.change(Epochs { epoch, since: 1 }, &mut rows.into_iter().peekable(), usize::MAX, |_| {});
    }

    /// Keys of the cells that name one of some services.
    fn by_names(view: &View, names: &[&str], range: (Bound<RowKey>, Bound<RowKey>)) -> Vec<RowKey> {
        let index_keys = names.iter().map(|name| IndexKey::entity(&entity(name)));
        let cells = view.indexed(index_keys, range);
        cells.filter_map(|cell| cell.readable().last().map(RowKey::of)).collect()
    }

    #[test]
    fn rows_that_bear_several_index_keys_come_once_in_order_within_the_range() {
        let chains = [(1, ["a", "b"]), (2, ["b", "c"]), (3, ["c", "a"]), (4, ["d", "e"])];
        let rows = chains.map(|(rank, names)| chain(rank, &names));
        let keys: Vec<RowKey> = rows.iter().map(|(key, _)| key.clone()).collect();
        let mut view = View::of(ViewName::Chains);
        change(&mut view, 1, rows.into_iter().map(|(_, row)| (row, 1)).collect());
        assert_eq!(by_names(&view, &["a", "b", "c"], ALL), keys[..3]);
        assert_eq!(by_names(&view, &["a", "e", "f"], ALL), [&keys[0], &keys[2], &keys[3]].map(RowKey::clone));
        let middle = (Bound::Excluded(keys[0].clone()), Bound::Excluded(keys[2].clone()));
        assert_eq!(by_names(&view, &["a", "b", "c"], middle), keys[1..2]);
    }

    #[test]
    fn a_row_is_found_by_what_it_bears_in_any_epoch_that_can_be_read_and_no_longer() {
        let mut view = View::of(ViewName::Chains);
        let ((key, first), (_, second)) = (chain(1, &["a", "b", "c"]), chain(1, &["a", "d", "c"]));
        let found = |view: &View| ["a", "b", "d"].map(|name| by_names(view, &[name], ALL).len());
        change(&mut view, 1, vec![(first.clone(), 1)]);
        assert_eq!(found(&view), [1, 1, 0]);
        change(&mut view, 3, vec![(first, -1), (second.clone(), 1)]);
        assert_eq!(found(&view), [1, 1, 1]);
        view.compact(&key, 2);
        assert_eq!(found(&view), [1, 1, 1], "epoch 2 can be read");
        view.compact(&key, 3);
        assert_eq!(found(&view), [1, 0, 1]);
        change(&mut view, 4, vec![(second, -1)]);
        view.compact(&key, 4);
        assert_eq!(found(&view), [0, 0, 0]);
        assert!(view.get(&key).is_none() && view.indexed.is_empty());
    }
}
