//! Is the process alive, is the engine ready, what do the counters say.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::problem::{Problem, ProblemDocument};
use crate::state::Api;

/// Readiness, with rows per view.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Ready {
    /// `ready`.
    status: &'static str,
    /// Latest complete epoch.
    epoch: u64,
    /// Tenants with data.
    tenants: usize,
    /// Rows per view.
    rows: std::collections::BTreeMap<String, u64>,
}

/// The process answers.
#[utoipa::path(get, path = "/livez", responses((status = 200, description = "alive")))]
pub(crate) async fn livez() -> &'static str {
    "ok"
}

/// The engine answers, and what was sealed before the start is in the views.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Ready), (status = 503, body = ProblemDocument)))]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Json<Ready>, Problem> {
    let status = api.status().await?;
    if !api.ready() {
        let detail = format!("recovering: the views are those of epoch {}; try again", status.as_of.epoch);
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "recovering", detail));
    }
    let rows = status.rows.iter().map(|(view, count)| (view.to_string(), *count)).collect();
    Ok(Json(Ready { status: "ready", epoch: status.as_of.epoch, tenants: status.tenants.len(), rows }))
}

/// Prometheus text.
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "Prometheus text format")))]
pub(crate) async fn metrics(State(api): State<Api>) -> String {
    api.metrics()
}
