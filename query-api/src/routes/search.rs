//! `GET /api/v1/search`: full-text search over events and conclusions, newest first.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use schemas::search::query::Expression;
use schemas::search::{Cursor, Hit, Hits, Search};
use serde::{Deserialize, Serialize};

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::parts;
use crate::state::Api;

/// What is searched for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Whose rows.
    #[allow(dead_code)] // Read by the access check, which comes first.
    tenant_id: Option<String>,
    /// Words, "phrases", begin*, either OR other, -not, field:value; empty: everything.
    #[serde(default)]
    q: String,
    /// Rows that end at or after this instant.
    from: Option<String>,
    /// Rows that begin before this instant.
    to: Option<String>,
    /// Most hits, 1 to 500.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One page.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Found {
    /// The epoch that the index has come to.
    epoch: u64,
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    hits: Vec<Hit>,
    /// Pass as `cursor` for the next page; null at the end.
    next_cursor: Option<String>,
}

/// Rows whose words and fields are as asked, also those that a view has no more (`live` is false).
#[utoipa::path(get, path = "/api/v1/search", params(Parameters),
    responses((status = 200, body = Found), (status = 409, body = ProblemDocument),
        (status = 422, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn search(
    State(api): State<Api>,
    access: ReadAccess,
    parameters: Result<axum::extract::Query<Parameters>, QueryRejection>,
) -> Result<Json<Found>, Problem> {
    let axum::extract::Query(parameters) =
        parameters.map_err(|error| Problem::bad_request("query_invalid", error.body_text()))?;
    let search = read(&access, &parameters)?;
    let Hits { epoch, hits, next } = api.search(&access, search).await?;
    Ok(Json(Found { epoch, hits, next_cursor: next.map(|cursor| cursor.encode()) }))
}

fn read(access: &ReadAccess, parameters: &Parameters) -> Result<Search, Problem> {
    let expression = parameters.q.parse::<Expression>().map_err(|error| {
        Problem::unprocessable("search_invalid", error.to_string()).at("q", "cannot be read")
    })?;
    let limit = parts::limit(parameters.limit)?;
    let after = parameters.cursor.as_ref().map(|text| {
        let bad = || Problem::unprocessable("cursor_invalid", "cursor is none that a page gave");
        Cursor::decode(text).ok_or_else(bad).map_err(|problem| problem.at("cursor", "not a cursor"))
    });
    let (from, to) = parts::window(parameters.from.as_deref(), parameters.to.as_deref())?;
    Ok(Search { tenant: access.tenant().clone(), expression, from, to, after: after.transpose()?, limit })
}
