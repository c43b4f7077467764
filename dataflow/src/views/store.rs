//! The rows of all views, by tenant, view and key, with the history that is still readable.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use schemas::ids::{Tenant, TenantId};
use schemas::read::{AsOf, PAGE_ROWS_MAX, Page, Query, ReadError};
use schemas::time::{Diff, Epoch};
use schemas::view::{CoverageRow, Mark, Row, RowKey, ViewName};

use crate::graph::Published;
use crate::operators::admit::Outcome;
use crate::publish::{Changes, RowChange};
use crate::views::Place;
use crate::views::cell::Cell;
use crate::views::marked::{Shown, View};
use crate::views::range::range;

/// Net changes of one epoch, by place: what subscribers are told.
pub(super) type Changed = BTreeMap<Place, Vec<(Row, Diff)>>;

#[derive(Debug)]
struct TenantViews {
    id: TenantId,
    views: BTreeMap<ViewName, View>,
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
            let view = tenant.views.entry(place.1).or_insert_with(|| View::of(place.1));
            let shown = self.shown.entry(place.1).or_default();
            let by_key = std::iter::from_fn(|| {
                let RowChange { key, row, diff, .. } = rows.next_if(|next| next.place == place)?;
                let mut updates = vec![(row, diff)];
                while let Some(next) = rows.next_if(|next| next.place == place && next.key == key) {
                    updates.push((next.row, next.diff));
                }
                Some((key, updates))
            });
            let mut net = Vec::new();
            view.change(epoch, by_key, |Shown { key, history, before, after }| {
                *shown = *shown + u64::from(after.is_some()) - u64::from(before.is_some());
                net.extend(before.map(|row| (row, -1)));
                net.extend(after.map(|row| (row, 1)));
                touched.extend(history.then_some((place, key)));
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
                if let Some(view) = views {
                    view.compact(key, since);
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
        let keys = match (&query.filter.keys, &query.filter.marks) {
            (Some(keys), _) => Some(Cow::Borrowed(keys)),
            (None, Some(marks)) => Some(Cow::Owned(view.marked(marks))),
            (None, None) => of_entity(query).map(|mark| Cow::Owned(view.marked(&[mark]))),
        };
        let cells: Box<dyn Iterator<Item = &Cell>> = match &keys {
            Some(keys) => Box::new(keys.range(range).filter_map(|key| view.get(key))),
            None => Box::new(view.range(range)),
        };
        for cell in cells {
            let passes = |row: &&Row| query.filter.passes(query.view, row);
            let Some(row) = cell.at(epoch).filter(passes) else { continue };
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
        let cells = self.known(tenant)?.views.get(&view).into_iter().flat_map(|view| view.range(..));
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

/// The mark of the entity that rows are to name, in views whose rows bear such marks.
fn of_entity(query: &Query) -> Option<Mark> {
    query.filter.entity.as_ref().filter(|_| Mark::names_entities(query.view)).map(Mark::entity)
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
