//! Lists in parts: how much of one is asked for, and how it is given.

use axum::extract::FromRequestParts;
use axum::extract::rejection::QueryRejection;
use axum::http::request::Parts;
use schemas::read::PAGE_ROWS_MAX;
use schemas::state::{Listed, Part};
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Rows of a page unless the request says otherwise.
const LIMIT_DEFAULT: usize = 100;

/// Which part of a list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Whose.
    #[allow(dead_code)] // Read by the access check, which comes first.
    tenant_id: Option<String>,
    /// Most rows, 1 to 500.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The part that a request asks for.
pub(crate) struct Asked(pub(crate) Part);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asked = axum::extract::Query::<Parameters>::from_request_parts(parts, state).await;
        let axum::extract::Query(asked) = asked
            .map_err(|error: QueryRejection| Problem::bad_request("query_invalid", error.body_text()))?;
        Ok(Asked(Part { after: asked.cursor, limit: limit(asked.limit)? }))
    }
}

/// A part of a list.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Entries<T> {
    /// Entries, in the order of the list.
    rows: Vec<T>,
    /// Pass as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

impl<T> From<Listed<T>> for Entries<T> {
    fn from(listed: Listed<T>) -> Self {
        Entries { rows: listed.entries, next_cursor: listed.next }
    }
}

/// Rows of a page.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    let limit = asked.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || PAGE_ROWS_MAX < limit {
        let detail = format!("limit is {limit}; use 1 to {PAGE_ROWS_MAX}");
        return Err(Problem::unprocessable("limit_invalid", detail).at("limit", "out of range"));
    }
    Ok(limit)
}

/// Two instants, the second after the first.
pub(crate) fn window(
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(Option<EventTime>, Option<EventTime>), Problem> {
    let time = |name: &str, text: Option<&str>| -> Result<Option<EventTime>, Problem> {
        text.map(EventTime::parse).transpose().map_err(|error| {
            Problem::unprocessable("time_invalid", format!("{name}: {error}")).at(name, "not a time")
        })
    };
    let (from, to) = (time("from", from)?, time("to", to)?);
    if let (Some(from), Some(to)) = (from, to)
        && to <= from
    {
        let detail = format!("to ({to}) is not after from ({from}); swap them");
        return Err(Problem::unprocessable("window_reversed", detail));
    }
    Ok((from, to))
}
