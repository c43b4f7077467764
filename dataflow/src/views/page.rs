//! One page of a view as of an epoch. Pure.

use schemas::read::{Filter, PAGE_ROWS_MAX, Query, ReadError};
use schemas::time::Epoch;
use schemas::view::{IndexKey, Row};

use crate::views::cell::Cell;
use crate::views::indexed::View;
use crate::views::range::range;

/// Rows of a page in key order, and what to ask for after them.
pub(super) fn page(
    view: &View,
    query: &Query,
    epoch: Epoch,
) -> Result<(Vec<Row>, Option<String>), ReadError> {
    let mut rows: Vec<Row> = Vec::new();
    let Some(range) = range(query)? else { return Ok((rows, None)) };
    let limit = query.limit.clamp(1, PAGE_ROWS_MAX);
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
            return Ok((rows, next));
        }
        rows.push(row.clone());
    }
    Ok((rows, None))
}

/// The index key of the entity that rows are to name, in views whose rows bear such.
fn of_entity(query: &Query) -> Option<IndexKey> {
    query.filter.entity.as_ref().filter(|_| IndexKey::names_entities(query.view)).map(IndexKey::entity)
}
