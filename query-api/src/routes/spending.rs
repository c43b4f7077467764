//! `GET /api/v1/spending`: what investigations of a tenant have cost.

use axum::Json;
use axum::extract::State;
use schemas::state::{Spending, StateRequest};

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::asked;
use crate::state::Api;

/// Money spent today and this month, in millionths of a dollar, and on what.
#[utoipa::path(get, path = "/api/v1/spending", params(("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = Spending), (status = 503, body = ProblemDocument)))]
pub(crate) async fn spending(State(api): State<Api>, access: ReadAccess) -> Result<Json<Spending>, Problem> {
    asked::exists(&api, &access).await?;
    let spending = api.kept(&access, StateRequest::Spending).await?;
    Ok(Json(Spending { limit_micros: api.usd_micros_per_day(), ..spending }))
}
