//! `/api/v1/tools`: what a tenant's agents may ask outside, how it stands, and a switch for each.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemas::answer::ToolStatus;
use serde::{Deserialize, Serialize};

use crate::access::{ReadAccess, WriteAccess};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::asked;
use crate::state::Api;

/// Tools of a tenant.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Tools {
    tools: Vec<ToolStatus>,
}

/// On or off.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Switched {
    /// `false`: not called any more, and calls under way end.
    pub(crate) enabled: bool,
}

impl Switched {
    /// Reads a body.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|error| Problem::bad_request("body_invalid", error.to_string()))
    }
}

/// Tools of a tenant, by name.
#[utoipa::path(get, path = "/api/v1/tools", params(("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = Tools)))]
pub(crate) async fn tools(State(api): State<Api>, access: ReadAccess) -> Json<Tools> {
    Json(Tools { tools: api.tools(access.tenant()) })
}

/// Switches a tool of a tenant off or on, in this process and until it ends.
#[utoipa::path(put, path = "/api/v1/tools/{name}",
    params(("name" = String, Path, description = "connection.operation"), ("tenant_id" = String, Query, description = "whose")),
    request_body = Switched,
    responses((status = 200, body = Tools), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub(crate) async fn switch(
    State(api): State<Api>,
    access: WriteAccess,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Tools>, Problem> {
    let Switched { enabled } = Switched::read(&body)?;
    asked::exists(&api, &access.reading()).await?;
    // `tools` and `model` have a place of their own.
    if !name.contains('.') || !api.switch(&access, &name, enabled) {
        let detail = format!("no tool {name:?} of this tenant; GET /api/v1/tools lists those there are");
        return Err(Problem::new(StatusCode::NOT_FOUND, "tool_unknown", detail));
    }
    Ok(Json(Tools { tools: api.tools(access.tenant()) }))
}
