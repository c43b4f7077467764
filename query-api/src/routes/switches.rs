//! `/api/v1/switches`: what may not be asked now, whatever an investigation wants: the `model`, all `tools`, or one of them.
//!
//! A switch is of a tenant, or of everybody; what either has off is off. It is in this process and until it ends, effective at
//! once: what is under way ends, and the answer says what is missing.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemas::answer::SwitchedOff;
use serde::Serialize;

use crate::access::{OperateAccess, ReadAccess, WriteAccess};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::asked;
use crate::routes::tools::Switched;
use crate::state::Api;

/// What is off for a tenant.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Switches {
    off: Vec<SwitchedOff>,
}

/// What a switch of everybody is now.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SwitchOfEverybody {
    what: String,
    enabled: bool,
}

/// What is switched off for a tenant, by itself or with everybody.
#[utoipa::path(get, path = "/api/v1/switches", params(("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = Switches)))]
pub(crate) async fn switches(State(api): State<Api>, access: ReadAccess) -> Json<Switches> {
    Json(Switches { off: api.switched_off(&access) })
}

/// Switches the model, all tools or one of them off or on for a tenant.
#[utoipa::path(put, path = "/api/v1/switches/{what}",
    params(("what" = String, Path, description = "model, tools, or connection.operation"), ("tenant_id" = String, Query, description = "whose")),
    request_body = Switched,
    responses((status = 200, body = Switches), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub(crate) async fn switch(
    State(api): State<Api>,
    access: WriteAccess,
    Path(what): Path<String>,
    body: Bytes,
) -> Result<Json<Switches>, Problem> {
    let Switched { enabled } = Switched::read(&body)?;
    asked::exists(&api, &access.reading()).await?;
    if !api.switch(&access, &what, enabled) {
        return Err(unknown(&what));
    }
    Ok(Json(Switches { off: api.switched_off(&access.reading()) }))
}

/// Switches the model, all tools or one of them off or on for every tenant.
#[utoipa::path(put, path = "/api/v1/switches/{what}/everybody",
    params(("what" = String, Path, description = "model, tools, or connection.operation")), request_body = Switched,
    responses((status = 200, body = SwitchOfEverybody), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument)))]
pub(crate) async fn switch_for_everybody(
    State(api): State<Api>,
    access: OperateAccess,
    Path(what): Path<String>,
    body: Bytes,
) -> Result<Json<SwitchOfEverybody>, Problem> {
    let Switched { enabled } = Switched::read(&body)?;
    if !api.switch_for_everybody(&access, &what, enabled) {
        return Err(unknown(&what));
    }
    Ok(Json(SwitchOfEverybody { what, enabled }))
}

fn unknown(what: &str) -> Problem {
    let detail = format!(
        "nothing called {what:?} can be switched: `model` if there is one, `tools`, or a name of GET /api/v1/tools"
    );
    Problem::new(StatusCode::NOT_FOUND, "switch_unknown", detail)
}
