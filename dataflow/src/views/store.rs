//! The rows of all views, by tenant, view and key, with the history that is still readable.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;

use schemas::ids::{Tenant, TenantId};
use schemas::read::{AsOf, Filter, PAGE_ROWS_MAX, Page, Query, ReadError};
use schemas::time::{Diff, Epoch};
use schemas::view::{CoverageRow, IndexKey, Row, RowKey, ViewName};

use crate::graph::Published;
use crate::operators::admit::Outcome;
use crate::publish::{Changes, RowChange, sort_by_key};
use crate::views::Place;
use crate::views::cell::Cell;
use crate::views::indexed::{Shown, View};
use crate::views::range::range;

/// Net changes of one epoch, by place: what subscribers are told.
pub(super) type Changed = BTreeMap<Place, Vec<(Row, Diff)>>;

/// Keys of cells with something to forget, by place.
type Touched = BTreeMap<Place, Vec<RowKey>>;

/// Changes of an epoch on their way into the views.
#[derive(Debug)]
pub(super) struct Applying {
    epoch: Epoch,
    /// Of each place by key; no place is without.
    rows: BTreeMap<Place, Peekable<std::vec::IntoIter<RowChange>>>,
    changed: Changed,
    touched: Touched,
    /// Rows more, or fewer, of each view.
    more: BTreeMap<ViewName, i64>,
}

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
    touched: VecDeque<(Epoch, Touched)>,
    /// How many those are.
    remembered: usize,
    /// Rows shown, over all tenants.
    shown: BTreeMap<ViewName, i64>,
}

impl Store {
    /// Makes tenants known.
    pub(super) fn introduce(&mut self, tenants: Vec<TenantId>) {
        for id in tenants {
            let views = || TenantViews { id: id.clone(), views: BTreeMap::new(), coverage: BTreeMap::new() };
            self.tenants.entry(id.key()).or_insert_with(views);
        }
    }

    /// Begins to apply the changes of an epoch. Until all are applied, the epoch before can be read as it was.
    pub(super) fn begin(&mut self, epoch: Epoch, changes: Changes) -> Applying {
        let mut rows = changes.rows;
        for (tenant, accounted) in self.accounted(changes.accounts) {
            let covered = rows.entry((tenant, ViewName::Coverage)).or_default();
            covered.extend(accounted);
            sort_by_key(covered);
        }
        let rows = rows.into_iter().map(|(place, rows)| (place, rows.into_iter().peekable())).collect();
        Applying { epoch, rows, changed: Changed::new(), touched: Touched::new(), more: BTreeMap::new() }
    }

    /// Applies some more changes, those of one key at once; true when there are no more.
    pub(super) fn advance(&mut self, applying: &mut Applying, at_most: usize) -> bool {
        let Applying { epoch, rows, changed, touched, more } = applying;
        let mut left = at_most;
        while let Some(mut next) = rows.first_entry().filter(|_| 0 < left) {
            let place = *next.key();
            let Some(tenant) = self.tenants.get_mut(&place.0) else {
                panic!("a row was published for a tenant that was never sealed")
            };
            let view = tenant.views.entry(place.1).or_insert_with(|| View::of(place.1));
            let more = more.entry(place.1).or_default();
            let (net, touched) = (changed.entry(place).or_default(), touched.entry(place).or_default());
            left -= view.change(*epoch, next.get_mut(), left, |Shown { key, history, before, after }| {
                *more += i64::from(after.is_some()) - i64::from(before.is_some());
                net.extend(before.map(|row| (row, -1)));
                net.extend(after.map(|row| (row, 1)));
                touched.extend(history.then_some(key));
            });
            if next.get_mut().peek().is_none() {
                drop(next.remove());
            }
        }
        rows.is_empty()
    }

    /// Ends an epoch all of whose changes are applied; gives what they came to.
    pub(super) fn end(&mut self, applying: Applying) -> Changed {
        let Applying { epoch, mut changed, mut touched, more, .. } = applying;
        changed.retain(|_, net| !net.is_empty());
        touched.retain(|_, keys| !keys.is_empty());
        // They wait for as many epochs as can be read.
        touched.values_mut().for_each(Vec::shrink_to_fit);
        self.remembered += touched.values().map(Vec::len).sum::<usize>();
        self.touched.push_back((epoch, touched));
        for (view, more) in more {
            *self.shown.entry(view).or_default() += more;
        }
        changed
    }

    /// What was delivered by each source, as changes of its row, by tenant.
    fn accounted(&mut self, accounts: Vec<(Published, Diff)>) -> BTreeMap<Tenant, Vec<RowChange>> {
        let mut rows: BTreeMap<Tenant, Vec<RowChange>> = BTreeMap::new();
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
            let changes = changes.into_iter().map(|(row, diff)| RowChange::of(row, diff));
            rows.entry(tenant).or_default().extend(changes);
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

    /// The first epoch that can stay readable if what rows were before is to be no more than what is shown now, or
    /// `at_least`. Epochs are large when much comes at once, and so many of them would be a multiple of it.
    pub(super) fn readable_from(&self, at_least: usize) -> Epoch {
        let shown: i64 = self.shown.values().sum();
        let room = usize::try_from(shown).unwrap_or(0).max(at_least);
        let mut more = self.remembered.saturating_sub(room);
        let forget = self.touched.iter().take_while(|(_, touched)| {
            let needed = 0 < more;
            more = more.saturating_sub(touched.values().map(Vec::len).sum());
            needed
        });
        forget.last().map_or(0, |(epoch, _)| *epoch)
    }

    /// Forgets what some keys showed before an epoch; false when there is nothing to forget.
    pub(super) fn compact(&mut self, since: Epoch, at_most: usize) -> bool {
        let old = |(epoch, _): &&mut (Epoch, _)| *epoch <= since;
        let Some((_, touched)) = self.touched.front_mut().filter(old) else { return false };
        if let Some(mut last) = touched.last_entry() {
            let (tenant, view) = *last.key();
            let mut view = self.tenants.get_mut(&tenant).and_then(|tenant| tenant.views.get_mut(&view));
            let keys = last.get_mut();
            let forgotten = keys.drain(keys.len().saturating_sub(at_most)..);
            self.remembered -= forgotten.len();
            for key in forgotten {
                if let Some(view) = &mut view {
                    view.compact(key, since);
                }
            }
            if keys.is_empty() {
                last.remove();
            }
        }
        if touched.is_empty() {
            self.touched.pop_front();
        }
        true
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
        let Filter { keys, index_keys, .. } = &query.filter;
        let cells: Box<dyn Iterator<Item = &Cell>> = match (keys, index_keys, of_entity(query)) {
            (Some(keys), ..) => Box::new(keys.range(range).filter_map(|key| view.get(key))),
            (None, Some(index_keys), _) => Box::new(view.indexed(index_keys.iter().copied(), range)),
            (None, None, Some(index_key)) => Box::new(view.indexed([index_key], range)),
            (None, None, None) => Box::new(view.range(range)),
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
        let count = |view: &ViewName| {
            self.shown.get(view).copied().and_then(|shown| u64::try_from(shown).ok()).unwrap_or(0)
        };
        ViewName::ALL.iter().map(|view| (*view, count(view))).collect()
    }

    fn known(&self, tenant: &TenantId) -> Result<&TenantViews, ReadError> {
        let found = self.tenants.get(&tenant.key());
        found.ok_or_else(|| ReadError::UnknownTenant { tenant: tenant.clone(), known: Vec::new() })
    }
}

/// The index key of the entity that rows are to name, in views whose rows bear such.
fn of_entity(query: &Query) -> Option<IndexKey> {
    query.filter.entity.as_ref().filter(|_| IndexKey::names_entities(query.view)).map(IndexKey::entity)
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
mod tests;
