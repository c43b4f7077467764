//! `/api/v1/repositories`: where the code of each service is.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemas::state::{Repository, StateRequest};
use serde::Deserialize;

use crate::access::{ReadAccess, WriteAccess};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::parts::{Asked, Entries, Parameters};
use crate::state::Api;

/// Where the code is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// Name or address of the repository.
    #[schema(example = "acme/checkout")]
    repository: String,
}

/// The whole map, by service.
#[utoipa::path(get, path = "/api/v1/repositories", params(Parameters),
    responses((status = 200, body = Entries<Repository>), (status = 422, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn repositories(
    State(api): State<Api>,
    access: ReadAccess,
    Asked(part): Asked,
) -> Result<Json<Entries<Repository>>, Problem> {
    let listed = api.kept(&access, |tenant, reply| StateRequest::Repositories(tenant, part, reply)).await?;
    Ok(Json(listed.into()))
}

/// The repository of one service.
#[utoipa::path(get, path = "/api/v1/repositories/{service}",
    params(("service" = String, Path, description = "`name`, or `namespace%2Fname`"), ("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = Repository), (status = 404, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn repository(
    State(api): State<Api>,
    access: ReadAccess,
    Path(service): Path<String>,
) -> Result<Json<Repository>, Problem> {
    let asked = service.clone();
    let found = api.kept(&access, |tenant, reply| StateRequest::Repository(tenant, asked, reply)).await?;
    found.map(Json).ok_or_else(|| unknown(&service))
}

/// Says where the code of a service is, also when something else was said before.
#[utoipa::path(put, path = "/api/v1/repositories/{service}",
    params(("service" = String, Path, description = "`name`, or `namespace%2Fname`"), ("tenant_id" = String, Query, description = "whose")),
    request_body = Target,
    responses((status = 200, body = Repository), (status = 400, body = ProblemDocument), (status = 422, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn map(
    State(api): State<Api>,
    access: WriteAccess,
    Path(service): Path<String>,
    body: Bytes,
) -> Result<Json<Repository>, Problem> {
    let target: Target = serde_json::from_slice(&body).map_err(|error| {
        let detail = format!("the body does not say a repository: {error}; send {{\"repository\":\"NAME\"}}");
        Problem::bad_request("body_invalid", detail)
    })?;
    let mapped = Repository::new(&service, &target.repository).map_err(|error| {
        Problem::unprocessable("repository_invalid", error.to_string()).at(error.part, "cannot be meant")
    })?;
    let told = mapped.clone();
    api.change(&access, |tenant, reply| StateRequest::Map(tenant, told, reply)).await?;
    Ok(Json(mapped))
}

/// Forgets the repository of a service.
#[utoipa::path(delete, path = "/api/v1/repositories/{service}",
    params(("service" = String, Path, description = "`name`, or `namespace%2Fname`"), ("tenant_id" = String, Query, description = "whose")),
    responses((status = 204, description = "forgotten"), (status = 404, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn unmap(
    State(api): State<Api>,
    access: WriteAccess,
    Path(service): Path<String>,
) -> Result<StatusCode, Problem> {
    let asked = service.clone();
    let known = api.change(&access, |tenant, reply| StateRequest::Unmap(tenant, asked, reply)).await?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(unknown(&service)) }
}

fn unknown(service: &str) -> Problem {
    let detail =
        format!("no repository of {service:?}; PUT one, or GET /api/v1/repositories for those there are");
    Problem::new(StatusCode::NOT_FOUND, "repository_unknown", detail)
}
