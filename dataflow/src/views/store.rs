//! The rows of all views, by tenant, view and key, with the history that is still readable.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use schemas::ids::{Tenant, TenantId};
use schemas::read::{AsOf, PAGE_ROWS_MAX, Page, Query, ReadError};
use schemas::time::{Diff, Epoch};
use schemas::view::{CoverageRow, Row, RowKey, ViewName};

use crate::graph::Published;
use crate::operators::admit::Outcome;
use crate::publish::{Changes, RowChange};
use crate::values::Values;
use crate::views::Place;
use crate::views::range::range;

/// Net changes of one epoch, by place: what subscribers are told.
pub(super) type Changed = BTreeMap<Place, Vec<(Row, Diff)>>;

/// One key of a view: what is there now, and what was there before.
#[derive(Debug, Default)]
struct Cell {
    /// Rows with positive multiplicity. One, but for two rejects of one position: the greater is shown.
    rows: Values<Row>,
    /// The epoch from which on it has shown the greatest of them, or nothing if there is none; 0 before the first.
    since: Epoch,
    /// What it showed before, from an epoch on, in epoch order. Empty for most: their row never changes.
    before: Vec<(Epoch, Option<Row>)>,
}

#[derive(Debug)]
struct TenantViews {
    id: TenantId,
    views: BTreeMap<ViewName, BTreeMap<RowKey, Cell>>,
    coverage: BTreeMap<String, CoverageRow>,
}

/// All views of all tenants.
#[derive(Debug, Default)]
pub(super) struct Store {
    tenants: BTreeMap<Tenant, TenantViews>,
    /// Cells with something to forget once an epoch is not readable any more, so that compaction looks at no others.
    touched: VecDeque<(Epoch, Vec<(Place, RowKey)>)>,
    /// Rows shown as of the latest epoch, over all tenants.
    shown: BTreeMap<ViewName, u64>,
}

impl Store {
    /// Makes tenants known.
    pub(super) fn introduce(&mut self, tenants: Vec<TenantId>) {
        for id in tenants {
            let views = || TenantViews { id: id.clone(), views: BTreeMap::new(), coverage: BTreeMap::new() };
            self.tenants.entry(id.key()).or_insert_with(views);
        }
    }

    /// Applies the changes of an epoch.
    pub(super) fn apply(&mut self, epoch: Epoch, changes: Changes) -> Changed {
        let mut rows = changes.rows;
        rows.extend(self.accounted(changes.accounts));
        // Each worker's are in order already, and the stable sort makes use of that.
        rows.sort_by(|left, right| left.name().cmp(&right.name()));
        let mut changed = Changed::new();
        let mut touched = Vec::new();
        let mut rows = rows.into_iter().peekable();
        while let Some(place) = rows.peek().map(|next| next.place) {
            let Some(tenant) = self.tenants.get_mut(&place.0) else {
                panic!("a row was published for a tenant that was never sealed")
            };
            let (view, shown) =
                (tenant.views.entry(place.1).or_default(), self.shown.entry(place.1).or_default());
            let by_key = std::iter::from_fn(|| {
                let RowChange { key, row, diff, .. } = rows.next_if(|next| next.place == place)?;
                let mut updates = vec![(row, diff)];
                while let Some(next) = rows.next_if(|next| next.place == place && next.key == key) {
                    updates.push((next.row, next.diff));
                }
                Some((key, updates))
            });
            let mut net = Vec::new();
            change(view, epoch, by_key, |key, before, after| {
                *shown = *shown + u64::from(after.is_some()) - u64::from(before.is_some());
                net.extend(before.map(|row| (row, -1)));
                net.extend(after.map(|row| (row, 1)));
                touched.extend(key.map(|key| (place, key)));
            });
            if !net.is_empty() {
                changed.insert(place, net);
            }
        }
        self.touched.push_back((epoch, touched));
        changed
    }

    /// What was delivered by each source, as changes of its row.
    fn accounted(&mut self, accounts: Vec<(Published, Diff)>) -> Vec<RowChange> {
        let mut rows = Vec::new();
        for (account, diff) in accounts {
            let (tenant, changes) = match account {
                Published::Count(tenant, source, outcome) => {
                    let count = |row: &mut CoverageRow| count(row, &outcome, diff);
                    (tenant, self.cover(tenant, source, count))
                }
                // A retraction is followed by the greater time that replaces it.
                Published::Reached(tenant, source, at) if 0 < diff => {
                    let reach = |row: &mut CoverageRow| row.reached = row.reached.max(Some(at));
                    (tenant, self.cover(tenant, source, reach))
                }
                Published::Reached(..) | Published::Row(..) => continue,
            };
            let place = (tenant, ViewName::Coverage);
            rows.extend(changes.into_iter().map(|(row, diff)| RowChange::of(place, row, diff)));
        }
        rows
    }

    /// Changes what is known of a source; gives the row that went and the one that came.
    fn cover(
        &mut self,
        tenant: Tenant,
        source: String,
        change: impl FnOnce(&mut CoverageRow),
    ) -> Vec<(Row, Diff)> {
        let Some(views) = self.tenants.get_mut(&tenant) else {
            panic!("a delivery was counted for a tenant that was never sealed")
        };
        let before = views.coverage.get(&source).cloned();
        let new = || CoverageRow {
            source: source.clone(),
            accepted: 0,
            duplicate: 0,
            rejected: vec![],
            reached: None,
        };
        let mut after = before.clone().unwrap_or_else(new);
        change(&mut after);
        views.coverage.insert(source, after.clone());
        let before = before.map(|row| (row.into(), -1));
        before.into_iter().chain([(after.into(), 1)]).collect()
    }

    /// Forgets what was shown before an epoch.
    pub(super) fn compact(&mut self, since: Epoch) {
        while self.touched.front().is_some_and(|(epoch, _)| *epoch <= since) {
            let Some((_, cells)) = self.touched.pop_front() else { return };
            for ((tenant, view), key) in cells {
                let views = self.tenants.get_mut(&tenant).and_then(|tenant| tenant.views.get_mut(&view));
                let Some(view) = views else { continue };
                let gone = view.get_mut(&key).is_some_and(|cell| cell.compact(since));
                if gone {
                    view.remove(&key);
                }
            }
        }
    }

    /// Rows of one page.
    pub(super) fn peek(
        &self,
        query: &Query,
        epoch: Epoch,
        since: Epoch,
        latest: Epoch,
        as_of: AsOf,
    ) -> Result<Page, ReadError> {
        let tenant = self.known(&query.tenant)?;
        if epoch < since || latest < epoch {
            return Err(ReadError::Epoch { asked: epoch, since, latest });
        }
        let (Some(range), Some(view)) = (range(query)?, tenant.views.get(&query.view)) else {
            return Ok(Page { rows: Vec::new(), next: None, as_of });
        };
        let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
        let mut rows: Vec<Row> = Vec::new();
        let cells: Box<dyn Iterator<Item = &Cell>> = match &query.filter.keys {
            Some(keys) => Box::new(keys.range(range).filter_map(|key| view.get(key))),
            None => Box::new(view.range(range).map(|(_, cell)| cell)),
        };
        for cell in cells {
            let Some(row) = cell.at(epoch).filter(|row| query.filter.passes(row)) else { continue };
            if rows.len() == limit {
                let next = rows.last().map(Row::key);
                return Ok(Page { rows, next, as_of });
            }
            rows.push(row.clone());
        }
        Ok(Page { rows, next: None, as_of })
    }

    /// All rows of a view as of the latest epoch.
    pub(super) fn snapshot(
        &self,
        tenant: &TenantId,
        view: ViewName,
        latest: Epoch,
    ) -> Result<Vec<Row>, ReadError> {
        let cells = self.known(tenant)?.views.get(&view).into_iter().flat_map(BTreeMap::values);
        Ok(cells.filter_map(|cell| cell.at(latest).cloned()).collect())
    }

    /// The id of a tenant that was sealed.
    pub(super) fn id_of(&self, tenant: Tenant) -> Option<&TenantId> {
        self.tenants.get(&tenant).map(|views| &views.id)
    }

    /// Tenants, by id.
    pub(super) fn tenants(&self) -> Vec<TenantId> {
        let mut ids: Vec<TenantId> = self.tenants.values().map(|tenant| tenant.id.clone()).collect();
        ids.sort();
        ids
    }

    /// Rows shown now, per view, over all tenants.
    pub(super) fn counts(&self) -> Vec<(ViewName, u64)> {
        let count = |view: &ViewName| self.shown.get(view).copied().unwrap_or_default();
        ViewName::ALL.iter().map(|view| (*view, count(view))).collect()
    }

    fn known(&self, tenant: &TenantId) -> Result<&TenantViews, ReadError> {
        let found = self.tenants.get(&tenant.key());
        found.ok_or_else(|| ReadError::UnknownTenant { tenant: tenant.clone(), known: Vec::new() })
    }
}

/// Changes cells, by key in order; tells of each that shows another row the one before and the one after, with the key if
/// there is something to forget one day.
fn change(
    view: &mut BTreeMap<RowKey, Cell>,
    epoch: Epoch,
    by_key: impl Iterator<Item = (RowKey, Vec<(Row, Diff)>)>,
    mut told: impl FnMut(Option<RowKey>, Option<Row>, Option<Row>),
) {
    // A view that begins, as all do at a recovery, is built in one go.
    let mut fresh = view.is_empty().then(Vec::new);
    for (key, updates) in by_key {
        if let Some(cells) = &mut fresh {
            let (cell, after) = Cell::begun(epoch, updates);
            if after.is_some() {
                told(None, None, after);
                cells.push((key, cell));
            }
            continue;
        }
        match view.entry(key) {
            Entry::Occupied(mut cell) => {
                let (before, after) = cell.get_mut().change(epoch, updates);
                if before != after {
                    told(Some(cell.key().clone()), before, after);
                }
            }
            Entry::Vacant(place) => {
                let (cell, after) = Cell::begun(epoch, updates);
                if after.is_some() {
                    told(None, None, after);
                    place.insert(cell);
                }
            }
        }
    }
    if let Some(cells) = fresh {
        *view = cells.into_iter().collect();
    }
}

impl Cell {
    /// A cell with the changes of its first epoch, and what it shows.
    fn begun(epoch: Epoch, updates: Vec<(Row, Diff)>) -> (Cell, Option<Row>) {
        let mut cell = Cell::default();
        let (_, after) = cell.change(epoch, updates);
        (cell, after)
    }

    /// Applies changes of an epoch; gives the row shown before and the one shown after.
    fn change(&mut self, epoch: Epoch, updates: Vec<(Row, Diff)>) -> (Option<Row>, Option<Row>) {
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

    fn at(&self, epoch: Epoch) -> Option<&Row> {
        if self.since <= epoch {
            return self.rows.last();
        }
        let after = self.before.partition_point(|(changed, _)| *changed <= epoch);
        self.before.get(after.checked_sub(1)?)?.1.as_ref()
    }

    /// Forgets what it showed before an epoch; true when nothing is left to show.
    fn compact(&mut self, since: Epoch) -> bool {
        if self.since <= since {
            self.before = Vec::new();
            return self.rows.is_empty();
        }
        let after = self.before.partition_point(|(changed, _)| *changed <= since);
        self.before.drain(..after.saturating_sub(1));
        false
    }
}

/// Counts deliveries with one outcome.
fn count(row: &mut CoverageRow, outcome: &Outcome, diff: Diff) {
    let count = diff.unsigned_abs();
    match outcome {
        Outcome::Admitted => row.accepted += count,
        Outcome::Duplicate => row.duplicate += count,
        Outcome::Rejected(code) => match row.rejected.binary_search_by_key(code, |(known, _)| *known) {
            Ok(at) => row.rejected[at].1 += count,
            Err(at) => row.rejected.insert(at, (*code, count)),
        },
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
            assert!(!cell.compact(since));
            let readable = usize::try_from(since - 2).unwrap_or(0);
            assert_eq!(shown(&cell, since..=7), all[readable..]);
        }
        assert!(cell.before.is_empty());
        let two = cell.rows.last().cloned();
        cell.change(8, two.into_iter().map(|row| (row, -1)).collect());
        assert!(!cell.compact(7));
        assert!(cell.compact(8), "nothing is left to show");
    }

    #[test]
    fn a_change_without_effect_leaves_no_history() {
        let mut cell = Cell::default();
        cell.change(1, vec![(row(1), 1)]);
        cell.change(2, vec![(row(1), -1), (row(1), 1)]);
        assert_eq!((cell.since, cell.before.len()), (1, 0));
    }
}
