//! The read contract: how any thread asks the views, and what it gets.
//!
//! The API, agents, sinks and the command line ask through one [`ViewReader`]: rows are read in the thread that asks, for
//! the rest a channel of [`ReadRequest`]s leads to the engine. There is no read without a tenant.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

use crate::entity::Entity;
use crate::ids::{IncidentId, TenantId};
use crate::time::{Diff, Epoch, EventTime};
use crate::view::{IndexKey, Row, RowKey, ViewName};

/// Most rows that one page holds.
pub const PAGE_ROWS_MAX: usize = 500;

/// What to read of one view of one tenant.
#[derive(Clone, Debug)]
pub struct Query {
    /// Whose.
    pub tenant: TenantId,
    /// Which view.
    pub view: ViewName,
    /// Narrowing; `Filter::default()` for all rows.
    pub filter: Filter,
    /// As of which epoch; `None` for the latest complete one.
    pub as_of: Option<Epoch>,
    /// Only rows with a greater key than this one: the `next` of the page before.
    pub after: Option<String>,
    /// Most rows wanted, at most [`PAGE_ROWS_MAX`].
    pub limit: usize,
}

impl Query {
    /// Everything in a view, first page, latest epoch.
    pub fn all(tenant: &TenantId, view: ViewName) -> Self {
        let filter = Filter::default();
        Query { tenant: tenant.clone(), view, filter, as_of: None, after: None, limit: PAGE_ROWS_MAX }
    }
}

/// Narrowing of a query; every given part must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only rows with these keys.
    pub keys: Option<Arc<BTreeSet<RowKey>>>,
    /// Only rows that bear one of these index keys.
    pub index_keys: Option<Arc<BTreeSet<IndexKey>>>,
    /// Rows that name this entity.
    pub entity: Option<Entity>,
    /// Rows of this incident.
    pub incident: Option<IncidentId>,
    /// Rows whose span ends at or after this instant.
    pub from: Option<EventTime>,
    /// Rows whose span begins before this instant.
    pub to: Option<EventTime>,
}

/// The epoch of an answer and what is known of its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    /// The epoch read.
    pub epoch: Epoch,
    /// First epoch that is still readable.
    pub since: Epoch,
    /// First epoch that is not complete yet.
    pub upper: Epoch,
    /// Greatest event time accepted by that epoch, of any tenant.
    pub event_time: EventTime,
    /// Sealed `now` of that epoch.
    pub now: EventTime,
    /// No event dated before this instant can be accepted any more, but of an alert that stands: what lies before it is settled.
    pub settled_before: EventTime,
    /// Wall-clock milliseconds since the epoch was sealed; 0 in a replay.
    pub freshness_ms: u64,
}

/// Rows of one view as of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In key order.
    pub rows: Vec<Row>,
    /// Pass as `after` for the next page; `None` at the end.
    pub next: Option<String>,
    /// When this was true.
    pub as_of: AsOf,
}

/// Changes of one view of one tenant in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The epoch, complete.
    pub epoch: Epoch,
    /// This is the snapshot that a subscription begins with.
    pub snapshot: bool,
    /// Rows that came (+) and went (-), consolidated, retractions before insertions of a key.
    pub rows: Vec<(Row, Diff)>,
}

/// Why a read was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No event of this tenant was ever accepted.
    #[error("unknown tenant {tenant}{}", nearest(.known))]
    UnknownTenant {
        /// Asked for.
        tenant: TenantId,
        /// A few that exist and are spelled alike; empty unless the caller may see all tenants.
        known: Vec<TenantId>,
    },
    /// The epoch lies outside what can be read.
    #[error("epoch {asked} is not readable; readable are {since} to {latest}")]
    Epoch {
        /// Asked for.
        asked: Epoch,
        /// First readable.
        since: Epoch,
        /// Last readable.
        latest: Epoch,
    },
    /// What is to come after is no key that a row of the view can have.
    #[error("{text:?} is no key of the view {view}; give what the page before named as next")]
    After {
        /// Asked for.
        text: String,
        /// Of which view.
        view: ViewName,
    },
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
}

fn nearest(known: &[TenantId]) -> String {
    if known.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = known.iter().map(TenantId::as_str).collect();
    format!("; known: {}", names.join(", "))
}

/// What was read at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Rows that were found.
    pub page: Page,
    /// The page is whole; else so much was looked through that others may want the view: it goes on after its `next`.
    pub whole: bool,
}

/// Reads a part of a page in the thread that calls it, which waits only while a slice of the view is changed.
pub type Peek = Arc<dyn Fn(&Query) -> Result<Part, ReadError> + Send + Sync>;

/// A question to the engine, with the channel for its answer.
#[derive(Debug)]
pub enum ReadRequest {
    /// Snapshot, then the changes of every later epoch that changes something. The subscription ends when the
    /// receiver is dropped or falls [`SUBSCRIBE_BACKLOG_MAX`] epochs behind.
    Subscribe(TenantId, ViewName, oneshot::Sender<Result<mpsc::Receiver<Changes>, ReadError>>),
    /// The present bounds of time, and the tenants that exist.
    Status(oneshot::Sender<Status>),
    /// Answered once the epoch is complete, or at once if it is.
    Complete(Epoch, oneshot::Sender<AsOf>),
}

/// Epochs that a subscriber may fall behind before it is cut off: a slow reader must not hold the engine's memory.
pub const SUBSCRIBE_BACKLOG_MAX: usize = 1_024;

/// Whether the engine runs and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Bounds of time.
    pub as_of: AsOf,
    /// Tenants with at least one accepted event, in order.
    pub tenants: Vec<TenantId>,
    /// Rows per view over all tenants, in view order.
    pub rows: Vec<(ViewName, u64)>,
}

/// The handle through which every other thread reads. Cheap to clone.
#[derive(Clone)]
pub struct ViewReader {
    peek: Peek,
    requests: mpsc::Sender<ReadRequest>,
}

impl ViewReader {
    /// A reader of pages, whose other requests arrive at `requests`.
    pub fn new(peek: Peek, requests: mpsc::Sender<ReadRequest>) -> Self {
        ViewReader { peek, requests }
    }

    /// Rows as of an epoch. Where much has to be looked through, other tasks go first before each part.
    pub async fn peek(&self, query: Query) -> Result<Page, ReadError> {
        let Part { mut page, mut whole } = (self.peek)(&query)?;
        let mut rest = query;
        rest.as_of = Some(page.as_of.epoch);
        while !whole {
            yield_now().await;
            let room = rest.limit.clamp(1, PAGE_ROWS_MAX).saturating_sub(page.rows.len());
            rest.after = page.next.take();
            let part = (self.peek)(&Query { limit: room.max(1), ..rest.clone() })?;
            if room == 0 && !part.page.rows.is_empty() {
                page.next = page.rows.last().map(Row::key);
                break;
            }
            page.rows.extend(part.page.rows);
            (page.next, whole) = (part.page.next, part.whole);
        }
        Ok(page)
    }

    /// Every row of a view that passes a filter, page by page at one epoch, at most `rows_max`. The flag says
    /// whether rows were left out. Other tasks of the thread go first before each page.
    pub async fn scan(&self, mut query: Query, rows_max: usize) -> Result<(Vec<Row>, AsOf, bool), ReadError> {
        let mut rows = Vec::new();
        query.limit = PAGE_ROWS_MAX;
        loop {
            yield_now().await;
            let page = self.peek(query.clone()).await?;
            query.as_of = Some(page.as_of.epoch);
            rows.extend(page.rows);
            let full = rows_max <= rows.len();
            match page.next {
                Some(_) if full => {
                    rows.truncate(rows_max);
                    return Ok((rows, page.as_of, true));
                }
                Some(next) => query.after = Some(next),
                None => return Ok((rows, page.as_of, false)),
            }
        }
    }

    /// Snapshot, then signed changes.
    pub async fn subscribe(
        &self,
        tenant: TenantId,
        view: ViewName,
    ) -> Result<mpsc::Receiver<Changes>, ReadError> {
        self.ask(|reply| ReadRequest::Subscribe(tenant, view, reply)).await?
    }

    /// Bounds of time and tenants.
    pub async fn status(&self) -> Result<Status, ReadError> {
        self.ask(ReadRequest::Status).await
    }

    /// Waits until an epoch is complete.
    pub async fn complete(&self, epoch: Epoch) -> Result<AsOf, ReadError> {
        self.ask(|reply| ReadRequest::Complete(epoch, reply)).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> ReadRequest) -> Result<T, ReadError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| ReadError::Stopped)?;
        answer.await.map_err(|_| ReadError::Stopped)
    }
}

impl fmt::Debug for ViewReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ViewReader").finish_non_exhaustive()
    }
}

impl Filter {
    /// Whether a row of a view passes every given part but the keys, which are looked up.
    pub fn passes(&self, view: ViewName, row: &Row) -> bool {
        let in_time = match (row.span(), self.from, self.to) {
            (_, None, None) => true,
            (None, _, _) => false,
            (Some((begins, ends)), from, to) => {
                from.is_none_or(|from| from <= ends) && to.is_none_or(|to| begins < to)
            }
        };
        let of_incident = self.incident.is_none_or(|id| row.incident() == Some(id));
        let names = self.entity.as_ref().is_none_or(|entity| row.entities().contains(&entity));
        let wanted = self.index_keys.as_ref();
        let bears = || {
            wanted.is_none_or(|wanted| {
                IndexKey::all(view, row).iter().any(|index_key| wanted.contains(index_key))
            })
        };
        in_time && of_incident && names && bears()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::CoverageRow;

    const AS_OF: AsOf = AsOf {
        epoch: 7,
        since: 1,
        upper: 8,
        event_time: EventTime(0),
        now: EventTime(0),
        settled_before: EventTime(0),
        freshness_ms: 0,
    };

    fn row(source: &str) -> Row {
        let source = source.to_owned();
        CoverageRow { source, accepted: 1, duplicate: 0, rejected: vec![], reached: None }.into()
    }

    /// A view that is let go after each two of its rows.
    fn part(query: &Query) -> Result<Part, ReadError> {
        let all: Vec<Row> = ["a", "b", "c", "d", "e"].map(row).into();
        let after = |row: &&Row| query.after.as_ref().is_none_or(|after| *after < row.key());
        let rest: Vec<Row> = all.iter().filter(after).cloned().collect();
        let rows: Vec<Row> = rest.iter().take(query.limit.min(2)).cloned().collect();
        let whole = query.limit < 2 || rest.len() <= 2;
        let next = rows.last().map(Row::key).filter(|_| rows.len() < rest.len());
        Ok(Part { page: Page { rows, next, as_of: AS_OF }, whole })
    }

    #[test]
    fn a_page_that_is_read_in_parts_is_the_page() {
        let reader = ViewReader::new(Arc::new(part), mpsc::channel(1).0);
        let tenant: TenantId = "shop".parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let cases =
            [(1, "a", Some("a")), (2, "ab", Some("b")), (3, "abc", Some("c")), (4, "abcd", Some("d"))];
        for (limit, rows, next) in cases.into_iter().chain([(5, "abcde", None), (500, "abcde", None)]) {
            let query = Query { limit, ..Query::all(&tenant, ViewName::Coverage) };
            let page = runtime.block_on(reader.peek(query)).unwrap();
            let wanted: Vec<Row> = rows.chars().map(|source| row(&source.to_string())).collect();
            assert_eq!((page.rows, page.next.as_deref()), (wanted, next), "{limit}");
        }
    }
}
