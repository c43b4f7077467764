//! The rows of all views, by tenant, view and key, with the history that is still readable.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use schemas::ids::{Tenant, TenantId};
use schemas::read::{AsOf, PAGE_ROWS_MAX, Page, Query, ReadError};
use schemas::time::{Diff, Epoch};
use schemas::view::{CoverageRow, Row, ViewName};

use crate::graph::Published;
use crate::operators::admit::Outcome;
use crate::values::Values;
use crate::views::Place;

/// Net changes of one epoch, by place: what subscribers are told.
pub(super) type Changed = BTreeMap<Place, Vec<(Row, Diff)>>;

/// One key of a view: what is there now, and what was there before.
#[derive(Debug, Default)]
struct Cell {
    /// Rows with positive multiplicity. One, but for two rejects of one position: the greater is shown.
    rows: Values<Row>,
    /// The row shown from an epoch on, in epoch order.
    history: Vec<(Epoch, Option<Row>)>,
}

#[derive(Debug)]
struct TenantViews {
    id: TenantId,
    views: BTreeMap<ViewName, BTreeMap<Arc<str>, Cell>>,
    coverage: BTreeMap<String, CoverageRow>,
}

/// All views of all tenants.
#[derive(Debug, Default)]
pub(super) struct Store {
    tenants: BTreeMap<Tenant, TenantViews>,
    /// Cells changed in an epoch, so that compaction looks at no others.
    touched: VecDeque<(Epoch, Vec<(Place, Arc<str>)>)>,
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
    pub(super) fn apply(&mut self, epoch: Epoch, changes: Vec<(Published, Diff)>) -> Changed {
        let mut changed = Changed::new();
        let mut touched = Vec::new();
        for (place, key, updates) in self.by_key(changes) {
            let Some(tenant) = self.tenants.get_mut(&place.0) else {
                panic!("a row was published for a tenant that was never sealed")
            };
            let cell = tenant.views.entry(place.1).or_default().entry(Arc::clone(&key)).or_default();
            let before = cell.rows.last().cloned();
            cell.update(updates);
            let after = cell.rows.last().cloned();
            if before == after {
                continue;
            }
            cell.show(epoch, after.clone());
            touched.push((place, key));
            let shown = self.shown.entry(place.1).or_default();
            *shown = *shown + u64::from(after.is_some()) - u64::from(before.is_some());
            let changes = changed.entry(place).or_default();
            changes.extend(before.map(|row| (row, -1)));
            changes.extend(after.map(|row| (row, 1)));
        }
        self.touched.push_back((epoch, touched));
        changed
    }

    /// Changes of rows by place and key, in order.
    fn by_key(&mut self, changes: Vec<(Published, Diff)>) -> Vec<(Place, Arc<str>, Vec<(Row, Diff)>)> {
        let mut rows: Vec<((Place, Arc<str>), Row, Diff)> = Vec::with_capacity(changes.len());
        let mut add =
            |tenant, view, row: Row, diff| rows.push((((tenant, view), row.key().into()), row, diff));
        for (published, diff) in changes {
            let (tenant, changes) = match published {
                Published::Row(tenant, view, row) => {
                    add(tenant, view, row, diff);
                    continue;
                }
                Published::Count(tenant, source, outcome) => {
                    let count = |row: &mut CoverageRow| account(row, &outcome, diff);
                    (tenant, self.cover(tenant, source, count))
                }
                // A retraction is followed by the greater time that replaces it.
                Published::Reached(tenant, source, at) if 0 < diff => {
                    let reach = |row: &mut CoverageRow| row.reached = row.reached.max(Some(at));
                    (tenant, self.cover(tenant, source, reach))
                }
                Published::Reached(..) => continue,
            };
            for (row, diff) in changes {
                add(tenant, ViewName::Coverage, row, diff);
            }
        }
        rows.sort_by(|(left, ..), (right, ..)| left.cmp(right));
        let mut found: Vec<(Place, Arc<str>, Vec<(Row, Diff)>)> = Vec::with_capacity(rows.len());
        for ((place, key), row, diff) in rows {
            match found.last_mut() {
                Some((of, last, updates)) if *of == place && *last == key => updates.push((row, diff)),
                _ => found.push((place, key, vec![(row, diff)])),
            }
        }
        found
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
        let Some(view) = tenant.views.get(&query.view) else {
            return Ok(Page { rows: Vec::new(), next: None, as_of });
        };
        let range: (Bound<&str>, Bound<&str>) = match (&query.filter.key, &query.after) {
            (Some(key), _) => (Bound::Included(key), Bound::Included(key)),
            (None, Some(after)) => (Bound::Excluded(after), Bound::Unbounded),
            (None, None) => (Bound::Unbounded, Bound::Unbounded),
        };
        let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
        let mut rows: Vec<Row> = Vec::new();
        let mut last: Option<&Arc<str>> = None;
        for (key, cell) in view.range::<str, _>(range) {
            let Some(row) = cell.at(epoch).filter(|row| query.filter.passes(row)) else { continue };
            if rows.len() == limit {
                return Ok(Page { rows, next: last.map(|key| key.to_string()), as_of });
            }
            rows.push(row.clone());
            last = Some(key);
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

impl Cell {
    fn update(&mut self, updates: Vec<(Row, Diff)>) {
        self.rows.apply(updates);
        assert!(
            self.rows.iter().all(|(_, count)| 0 < count),
            "a row was retracted more often than it was inserted"
        );
    }

    fn show(&mut self, epoch: Epoch, row: Option<Row>) {
        if self.history.is_empty() {
            // Most rows never change.
            self.history.reserve_exact(1);
        }
        self.history.push((epoch, row));
    }

    fn at(&self, epoch: Epoch) -> Option<&Row> {
        let after = self.history.partition_point(|(changed, _)| *changed <= epoch);
        self.history.get(after.checked_sub(1)?)?.1.as_ref()
    }

    /// Forgets history before an epoch; true when nothing is left to show.
    fn compact(&mut self, since: Epoch) -> bool {
        let after = self.history.partition_point(|(changed, _)| *changed <= since);
        self.history.drain(..after.saturating_sub(1));
        matches!(self.history.as_slice(), [(changed, None)] if *changed <= since)
    }
}

/// Counts deliveries with one outcome.
fn account(row: &mut CoverageRow, outcome: &Outcome, diff: Diff) {
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
