//! One page of a view as of an epoch. Pure.

use schemas::read::{Filter, PAGE_ROWS_MAX, Query, ReadError};
use schemas::time::Epoch;
use schemas::view::{IndexKey, Row};

use crate::views::cell::Cell;
use crate::views::indexed::View;
use crate::views::range::range;

/// Cells that are looked at before the view is let go: few rows may pass a filter, and others wait.
const CELLS_MAX: usize = 10_000;

/// Rows of a page in key order, or of as much of it as is looked at in one go.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rows: Vec<Row>,
    /// What to ask for after them.
    pub(super) next: Option<String>,
    /// The page is whole, or goes on after `next`.
    pub(super) whole: bool,
}

/// Reads a page.
pub(super) fn page(view: &View, query: &Query, epoch: Epoch) -> Result<Found, ReadError> {
    let mut rows: Vec<Row> = Vec::new();
    let Some(range) = range(query)? else { return Ok(Found { rows, next: None, whole: true }) };
    let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
    let Filter { keys, index_keys, .. } = &query.filter;
    let cells: Box<dyn Iterator<Item = &Cell>> = match (keys, index_keys, of_entity(query)) {
        (Some(keys), ..) => Box::new(keys.range(range).filter_map(|key| view.get(key))),
        (None, Some(index_keys), _) => Box::new(view.indexed(index_keys.iter().copied(), range)),
        (None, None, Some(index_key)) => Box::new(view.indexed([index_key], range)),
        (None, None, None) => Box::new(view.range(range)),
    };
    for (looked_at, cell) in (1..).zip(cells) {
        let passes = |row: &&Row| query.filter.passes(query.view, row);
        if let Some(row) = cell.at(epoch).filter(passes) {
            if rows.len() == limit {
                let next = rows.last().map(Row::key);
                return Ok(Found { rows, next, whole: true });
            }
            rows.push(row.clone());
        }
        // A cell without any row has no key to go on from: the next one has.
        if CELLS_MAX <= looked_at
            && let Some(last) = cell.readable().last()
        {
            return Ok(Found { rows, next: Some(last.key()), whole: false });
        }
    }
    Ok(Found { rows, next: None, whole: true })
}

/// The index key of the entity that rows are to name, in views whose rows bear such.
fn of_entity(query: &Query) -> Option<IndexKey> {
    query.filter.entity.as_ref().filter(|_| IndexKey::names_entities(query.view)).map(IndexKey::entity)
}

#[cfg(test)]
mod tests {
    use schemas::ids::TenantId;
    use schemas::view::{CoverageRow, ViewName};

    use super::*;
    use crate::publish::{RowChange, sort_by_key};
    use crate::views::cell::Epochs;

    #[test]
    fn a_view_is_let_go_after_some_cells_and_read_on_from_there() {
        let source = |number: usize| format!("source-{number:06}");
        let row = |number: usize| -> Row {
            let (source, rejected) = (source(number), vec![]);
            CoverageRow { source, accepted: 1, duplicate: 0, rejected, reached: None }.into()
        };
        let count = 2 * CELLS_MAX + 1;
        let mut rows: Vec<RowChange> = (0..count).map(|number| RowChange::of(row(number), 1)).collect();
        sort_by_key(&mut rows);
        let mut view = View::of(ViewName::Coverage);
        view.change(Epochs { epoch: 1, since: 1 }, &mut rows.into_iter().peekable(), usize::MAX, |_| {});
        let tenant: TenantId = "shop".parse().unwrap();
        // No row of this view has a time.
        let filter = Filter { from: Some(schemas::time::EventTime(0)), ..Filter::default() };
        let mut query = Query { filter, ..Query::all(&tenant, ViewName::Coverage) };
        for part in 1..=2 {
            let found = page(&view, &query, 1).unwrap();
            assert_eq!((found.rows.len(), found.whole), (0, false));
            assert_eq!(found.next, Some(row(part * CELLS_MAX - 1).key()));
            query.after = found.next;
        }
        let found = page(&view, &query, 1).unwrap();
        assert_eq!((found.rows.len(), found.next, found.whole), (0, None, true));
    }
}
