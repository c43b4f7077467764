//! `GET /api/v1/investigations`: what was asked before, and what was answered.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemas::answer::Again;
use schemas::state::{Asked, Investigation, StateRequest};

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::parts::{self, Entries, Parameters};
use crate::state::Api;

/// Investigations of a tenant, latest first.
#[utoipa::path(get, path = "/api/v1/investigations", params(Parameters),
    responses((status = 200, body = Entries<Asked>), (status = 422, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn investigations(
    State(api): State<Api>,
    access: ReadAccess,
    parts::Asked(part): parts::Asked,
) -> Result<Json<Entries<Asked>>, Problem> {
    let listed = api.kept(&access, |tenant, reply| StateRequest::Investigations(tenant, part, reply)).await?;
    Ok(Json(listed.into()))
}

/// One investigation as it was answered.
#[utoipa::path(get, path = "/api/v1/investigations/{id}",
    params(("id" = String, Path, description = "`investigation_id` of the answer"), ("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = Investigation), (status = 404, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn investigation(
    State(api): State<Api>,
    access: ReadAccess,
    Path(id): Path<String>,
) -> Result<Json<Investigation>, Problem> {
    kept(&api, &access, id).await.map(Json)
}

/// Has an investigation again, from the views as of its epoch and from what was recorded, and says what differs.
#[utoipa::path(post, path = "/api/v1/investigations/{id}/replay",
    params(("id" = String, Path, description = "`investigation_id` of the answer"), ("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = Again), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn again(
    State(api): State<Api>,
    access: ReadAccess,
    Path(id): Path<String>,
) -> Result<Json<Again>, Problem> {
    let then = kept(&api, &access, id).await?;
    api.again(then).await.map(Json)
}

async fn kept(api: &Api, access: &ReadAccess, id: String) -> Result<Investigation, Problem> {
    let asked = id.clone();
    let kept = api.kept(access, |tenant, reply| StateRequest::Investigation(tenant, asked, reply)).await?;
    kept.ok_or_else(|| {
        let detail = format!("no investigation {id:?}; GET /api/v1/investigations lists those there are");
        Problem::new(StatusCode::NOT_FOUND, "investigation_unknown", detail)
    })
}
