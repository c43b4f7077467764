//! `GET /api/v1/history`: incidents as they last were, also those that the views have forgotten.

use axum::Json;
use axum::extract::State;
use schemas::state::{PastIncident, StateRequest};

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::parts::{Asked, Entries, Parameters};
use crate::state::Api;

/// Incidents of a tenant, latest first.
#[utoipa::path(get, path = "/api/v1/history", params(Parameters),
    responses((status = 200, body = Entries<PastIncident>), (status = 422, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn history(
    State(api): State<Api>,
    access: ReadAccess,
    Asked(part): Asked,
) -> Result<Json<Entries<PastIncident>>, Problem> {
    let listed = api.kept(&access, |tenant, reply| StateRequest::Incidents(tenant, part, reply)).await?;
    Ok(Json(listed.into()))
}
