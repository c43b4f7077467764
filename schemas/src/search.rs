//! Full-text search over rows: what may be asked, and what comes back. The same for the embedded index and OpenSearch.
//!
//! Newest first, then by id, so that every store gives the same rows in the same order; there is no score.

use serde::Serialize;
use serde_json::Value;

use crate::ids::TenantId;
use crate::time::{Epoch, EventTime};
use crate::view::ViewName;

pub mod query;
pub mod words;

use query::Expression;

/// A question to an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Whose rows.
    pub tenant: TenantId,
    /// What must hold of a row.
    pub expression: Expression,
    /// Rows that end at or after this instant.
    pub from: Option<EventTime>,
    /// Rows that begin before this instant.
    pub to: Option<EventTime>,
    /// Rows after this one, in the order of hits.
    pub after: Option<Cursor>,
    /// Most hits, at most [`crate::read::PAGE_ROWS_MAX`].
    pub limit: usize,
}

/// Where a page ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// [`Hit::at`] of the last hit.
    pub at: EventTime,
    /// Id of the last hit.
    pub id: String,
}

/// A row found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hit {
    /// Its id in every store.
    pub id: String,
    /// Of which view.
    pub view: ViewName,
    /// Its key in the view.
    pub key: String,
    /// Whether the view has it now; else it expired or was taken back.
    pub live: bool,
    /// When it begins.
    pub at: EventTime,
    /// When it ends.
    pub until: EventTime,
    /// The row as the views give it.
    pub row: Value,
}

/// A page of hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// The epoch that the index has come to.
    pub epoch: Epoch,
    /// Newest first.
    pub hits: Vec<Hit>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Why nothing was found out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The index does not answer; the question may be asked again.
    #[error("the index does not answer: {0}")]
    Away(String),
}

impl Cursor {
    /// As text, for whoever asks.
    pub fn encode(&self) -> String {
        format!("{}.{}", self.at.0, self.id)
    }

    /// Reads [`Cursor::encode`].
    pub fn decode(text: &str) -> Option<Cursor> {
        let (at, id) = text.split_once('.')?;
        let hex = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let at = EventTime(at.parse().ok()?);
        hex.then(|| Cursor { at, id: id.to_owned() })
    }
}

impl Hits {
    /// A page of at most so many hits out of one more than that, where there is one more.
    pub fn page(epoch: Epoch, mut hits: Vec<Hit>, limit: usize) -> Hits {
        let more = limit < hits.len();
        hits.truncate(limit);
        let next = hits.last().filter(|_| more).map(|hit| Cursor { at: hit.at, id: hit.id.clone() });
        Hits { epoch, hits, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is() {
        let cursor = Cursor { at: EventTime(-5), id: format!("{:032x}", 17) };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        for text in ["", "1", "1.", "x.0123", "1.zz", "1.0123"] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
    }
}
