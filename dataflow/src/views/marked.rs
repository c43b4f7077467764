//! One view of one tenant: its cells by key, and which keys bear which marks. Pure.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, RangeBounds};

use schemas::time::{Diff, Epoch};
use schemas::view::{Mark, Row, RowKey, ViewName};

use crate::views::cell::Cell;

/// The cells of a view.
#[derive(Debug)]
pub(super) struct View {
    name: ViewName,
    cells: BTreeMap<RowKey, Cell>,
    /// Of every row that any readable epoch shows.
    marked: BTreeSet<(Mark, RowKey)>,
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
        View { name, cells: BTreeMap::new(), marked: BTreeSet::new() }
    }

    pub(super) fn get(&self, key: &RowKey) -> Option<&Cell> {
        self.cells.get(key)
    }

    /// Cells by key.
    pub(super) fn range(&self, range: impl RangeBounds<RowKey>) -> impl Iterator<Item = &Cell> {
        self.cells.range(range).map(|(_, cell)| cell)
    }

    /// The keys of rows that bear one of the marks, in some epoch that can be read, or other marks of the same hash.
    pub(super) fn marked<'m>(&self, marks: impl IntoIterator<Item = &'m Mark>) -> BTreeSet<RowKey> {
        let mut keys = BTreeSet::new();
        for mark in marks {
            // No key is less than this one.
            let from = Bound::Included((*mark, RowKey::Ids(0, 0)));
            let mine = self.marked.range((from, Bound::Unbounded)).take_while(|(other, _)| other == mark);
            keys.extend(mine.map(|(_, key)| key.clone()));
        }
        keys
    }

    /// Changes cells, by key in order; tells of each that shows another row.
    pub(super) fn change(
        &mut self,
        epoch: Epoch,
        by_key: impl Iterator<Item = (RowKey, Vec<(Row, Diff)>)>,
        mut told: impl FnMut(Shown),
    ) {
        // A view that begins, as all do at a recovery, is built in one go.
        let mut fresh = self.cells.is_empty().then(Vec::new);
        for (key, updates) in by_key {
            if let Some(cells) = &mut fresh {
                let (cell, after) = Cell::begun(epoch, updates);
                if let Some(row) = &after {
                    mark(&mut self.marked, self.name, row, &key);
                    cells.push((key.clone(), cell));
                    told(Shown { key, history: false, before: None, after });
                }
                continue;
            }
            let (history, (before, after)) = match self.cells.entry(key.clone()) {
                Entry::Occupied(mut cell) => (true, cell.get_mut().change(epoch, updates)),
                Entry::Vacant(place) => {
                    let (cell, after) = Cell::begun(epoch, updates);
                    if after.is_some() {
                        place.insert(cell);
                    }
                    (false, (None, after))
                }
            };
            if before != after {
                if let Some(row) = after.as_ref().filter(|_| before.is_none() || Mark::may_change(self.name))
                {
                    mark(&mut self.marked, self.name, row, &key);
                }
                told(Shown { key, history, before, after });
            }
        }
        if let Some(cells) = fresh {
            self.cells = cells.into_iter().collect();
        }
    }

    /// Forgets what a key showed before an epoch.
    pub(super) fn compact(&mut self, key: RowKey, since: Epoch) {
        let Some(cell) = self.cells.get_mut(&key) else { return };
        let forgotten = cell.compact(since);
        let gone = cell.is_empty();
        if !gone && !Mark::may_change(self.name) {
            return;
        }
        let kept: BTreeSet<Mark> = cell.readable().flat_map(|row| Mark::all(self.name, row)).collect();
        for mark in forgotten.iter().flat_map(|row| Mark::all(self.name, row)) {
            if !kept.contains(&mark) {
                self.marked.remove(&(mark, key.clone()));
            }
        }
        if gone {
            self.cells.remove(&key);
        }
    }
}

fn mark(marked: &mut BTreeSet<(Mark, RowKey)>, view: ViewName, row: &Row, key: &RowKey) {
    marked.extend(Mark::all(view, row).into_iter().map(|mark| (mark, key.clone())));
}

#[cfg(test)]
mod tests {
    use schemas::entity::{Entity, EntityKind};
    use serde_json::json;

    use super::*;

    fn entity(name: &str) -> Entity {
        Entity::namespaced(EntityKind::Service, "shop", name)
    }

    fn chain(names: &[&str]) -> (RowKey, Row) {
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
        let row = json!({"incident_id": "inc_0000000000000001", "rank": 1, "root": end(names[0]),
            "symptom": end(names[names.len() - 1]), "links": links, "strength": 1});
        let row = Row::of_view(ViewName::Chains, row).unwrap();
        (RowKey::of(&row), row)
    }

    #[test]
    fn a_row_is_found_by_what_it_bears_in_any_epoch_that_can_be_read_and_no_longer() {
        let mut view = View::of(ViewName::Chains);
        let ((key, first), (_, second)) = (chain(&["a", "b", "c"]), chain(&["a", "d", "c"]));
        let change = |view: &mut View, epoch, updates: Vec<(Row, Diff)>| {
            view.change(epoch, [(key.clone(), updates)].into_iter(), |_| {});
        };
        let found =
            |view: &View| ["a", "b", "d"].map(|name| view.marked(&[Mark::entity(&entity(name))]).len());
        change(&mut view, 1, vec![(first.clone(), 1)]);
        assert_eq!(found(&view), [1, 1, 0]);
        change(&mut view, 3, vec![(first, -1), (second.clone(), 1)]);
        assert_eq!(found(&view), [1, 1, 1]);
        view.compact(key.clone(), 2);
        assert_eq!(found(&view), [1, 1, 1], "epoch 2 can be read");
        view.compact(key.clone(), 3);
        assert_eq!(found(&view), [1, 0, 1]);
        change(&mut view, 4, vec![(second, -1)]);
        view.compact(key.clone(), 4);
        assert_eq!(found(&view), [0, 0, 0]);
        assert!(view.get(&key).is_none() && view.marked.is_empty());
    }
}
