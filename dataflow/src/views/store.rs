//! How epochs change the views of all tenants, and what of their past there is to forget.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::sync::Arc;

use schemas::ids::Tenant;
use schemas::time::{Diff, Epoch};
use schemas::view::{CoverageRow, Row, RowKey, ViewName};

use crate::graph::Published;
use crate::operators::admit::Outcome;
use crate::publish::{Changes, RowChange, sort_by_key};
use crate::views::Place;
use crate::views::cell::Epochs;
use crate::views::indexed::Shown;
use crate::views::tenants::Tenants;

/// Net changes of one epoch, by place: what subscribers are told.
pub(super) type Changed = BTreeMap<Place, Vec<(Row, Diff)>>;

/// Keys of cells with something to forget, by place.
type Touched = BTreeMap<Place, Vec<RowKey>>;

/// Changes of an epoch on their way into the views.
#[derive(Debug)]
pub(super) struct Applying {
    epochs: Epochs,
    /// Of each place by key; no place is without.
    rows: BTreeMap<Place, Peekable<std::vec::IntoIter<RowChange>>>,
    changed: Changed,
    touched: Touched,
    /// Rows more, or fewer, of each view.
    more: BTreeMap<ViewName, i64>,
}

/// All views of all tenants, as the one thread has them that changes them.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) tenants: Arc<Tenants>,
    /// What was delivered by each source.
    coverage: BTreeMap<Tenant, BTreeMap<String, CoverageRow>>,
    /// Cells with something to forget once an epoch is not readable any more, so that compaction looks at no others.
    touched: VecDeque<(Epoch, Touched)>,
    /// How many those are.
    remembered: usize,
    /// Rows shown, over all tenants.
    shown: BTreeMap<ViewName, i64>,
}

impl Store {
    /// Begins to apply the changes of an epoch. Until all are applied, the epoch before can be read as it was.
    pub(super) fn begin(&mut self, epochs: Epochs, changes: Changes) -> Applying {
        let mut rows = changes.rows;
        for (tenant, accounted) in self.accounted(changes.accounts) {
            let covered = rows.entry((tenant, ViewName::Coverage)).or_default();
            covered.extend(accounted);
            sort_by_key(covered);
        }
        let rows = rows.into_iter().map(|(place, rows)| (place, rows.into_iter().peekable())).collect();
        let (changed, touched, more) = (Changed::new(), Touched::new(), BTreeMap::new());
        Applying { epochs, rows, changed, touched, more }
    }

    /// Applies some more changes, those of one key at once; true when there are no more.
    pub(super) fn advance(&mut self, applying: &mut Applying, at_most: usize) -> bool {
        let Applying { epochs, rows, changed, touched, more } = applying;
        let mut left = at_most;
        while let Some(mut next) = rows.first_entry().filter(|_| 0 < left) {
            let place = *next.key();
            let Some(tenant) = self.tenants.get(place.0) else {
                panic!("a row was published for a tenant that was never sealed")
            };
            let more = more.entry(place.1).or_default();
            let (net, touched) = (changed.entry(place).or_default(), touched.entry(place).or_default());
            let told = |Shown { key, history, before, after }| {
                *more += i64::from(after.is_some()) - i64::from(before.is_some());
                net.extend(before.map(|row| (row, -1)));
                net.extend(after.map(|row| (row, 1)));
                touched.extend(history.then_some(key));
            };
            left -= tenant.view(place.1).write(|view| view.change(*epochs, next.get_mut(), left, told));
            if next.get_mut().peek().is_none() {
                drop(next.remove());
            }
        }
        rows.is_empty()
    }

    /// Ends an epoch all of whose changes are applied; gives what they came to.
    pub(super) fn end(&mut self, applying: Applying) -> Changed {
        let Applying { epochs, mut changed, mut touched, more, .. } = applying;
        changed.retain(|_, net| !net.is_empty());
        touched.retain(|_, keys| !keys.is_empty());
        // They wait for as many epochs as can be read.
        touched.values_mut().for_each(Vec::shrink_to_fit);
        self.remembered += touched.values().map(Vec::len).sum::<usize>();
        self.touched.push_back((epochs.epoch, touched));
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
                Published::Count(tenant, counted) => {
                    let (source, outcome) = *counted;
                    let count = |row: &mut CoverageRow| count(row, &outcome, diff);
                    (tenant, self.cover(tenant, source, count))
                }
                // A retraction is followed by the greater time that replaces it.
                Published::Reached(tenant, reached) if 0 < diff => {
                    let (source, at) = *reached;
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
        let covered = self.coverage.entry(tenant).or_default();
        let before = covered.get(&source).cloned();
        let new = || CoverageRow {
            source: source.clone(),
            accepted: 0,
            duplicate: 0,
            rejected: vec![],
            reached: None,
        };
        let mut after = before.clone().unwrap_or_else(new);
        change(&mut after);
        covered.insert(source, after.clone());
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
            let keys = last.get_mut();
            let forgotten = keys.drain(keys.len().saturating_sub(at_most)..);
            self.remembered -= forgotten.len();
            let Some(tenant) = self.tenants.get(tenant) else { panic!("a tenant with rows is not known") };
            tenant.view(view).write(|view| forgotten.for_each(|key| view.compact(&key, since)));
            if keys.is_empty() {
                last.remove();
            }
        }
        if touched.is_empty() {
            self.touched.pop_front();
        }
        true
    }

    /// Rows shown now, per view, over all tenants.
    pub(super) fn counts(&self) -> Vec<(ViewName, u64)> {
        let count = |view: &ViewName| {
            self.shown.get(view).copied().and_then(|shown| u64::try_from(shown).ok()).unwrap_or(0)
        };
        ViewName::ALL.iter().map(|view| (*view, count(view))).collect()
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
mod tests;
