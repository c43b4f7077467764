//! Every route on one page.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::mcp;
use crate::problem::Problem;
use crate::routes::sent::RECORDS_BYTES_MAX;
use crate::routes::{
    approvals, cases, changes, feedback, health, history, ingest, investigate, investigations, otlp,
    remote_write, repositories, runs, search, spending, switches, tools, views,
};
use crate::state::Api;

/// Largest body of a question.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a request may take; subscriptions end by themselves. Longer than an investigation, whose answer has to be kept.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The document that `/openapi.json` serves begins with this.
#[derive(OpenApi)]
#[openapi(info(
    title = "kgroot",
    description = "Causal chains, anomalies and investigations of production outages.",
    version = "1"
))]
struct Document;

/// The whole API.
pub fn router(api: Api) -> Router {
    let (timed, timed_document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(investigate::investigate))
        .routes(routes!(investigations::investigations))
        .routes(routes!(investigations::investigation))
        .routes(routes!(investigations::again))
        .routes(routes!(runs::run, runs::cancel))
        .routes(routes!(cases::cases))
        .routes(routes!(cases::teach))
        .routes(routes!(cases::approve))
        .routes(routes!(approvals::approve))
        .routes(routes!(approvals::execute))
        .routes(routes!(spending::spending))
        .routes(routes!(tools::tools))
        .routes(routes!(tools::switch))
        .routes(routes!(switches::switches))
        .routes(routes!(switches::switch))
        .routes(routes!(switches::switch_for_everybody))
        .routes(routes!(repositories::repositories))
        .routes(routes!(repositories::repository, repositories::map, repositories::unmap))
        .routes(routes!(history::history))
        .routes(routes!(views::incidents))
        .routes(routes!(views::incident))
        .routes(routes!(feedback::feedback))
        .routes(routes!(views::chains))
        .routes(routes!(views::anomalies))
        .routes(routes!(views::alerts))
        .routes(routes!(views::topology))
        .routes(routes!(views::rejects))
        .routes(routes!(views::episodes))
        .routes(routes!(views::change_episodes))
        .routes(routes!(views::entities))
        .routes(routes!(views::events))
        .routes(routes!(views::links))
        .routes(routes!(views::coverage))
        .routes(routes!(search::search))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .split_for_parts();
    let (streamed, streamed_document) =
        OpenApiRouter::new().routes(routes!(changes::changes)).split_for_parts();
    let (appending, appending_document) = OpenApiRouter::new()
        .routes(routes!(ingest::ingest))
        .routes(routes!(otlp::otlp))
        .routes(routes!(remote_write::remote_write))
        .split_for_parts();
    let appending = appending
        .layer(DefaultBodyLimit::max(RECORDS_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT));
    let agents = mcp::route(timed.clone().with_state(api.clone()), BODY_BYTES_MAX)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT));
    let document = timed_document.merge_from(streamed_document).merge_from(appending_document);
    let document = serde_json::to_value(&document).unwrap_or_default();
    timed
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .merge(streamed)
        .route("/openapi.json", axum::routing::get(async move || axum::Json(document)))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        .merge(appending)
        .merge(agents)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(api)
}

async fn unknown(uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "route_unknown",
        format!("no route {}; see /openapi.json", uri.path()),
    )
}

async fn wrong_method(uri: Uri) -> Problem {
    let detail = format!("{} does not take this method; see /openapi.json", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    tracing::error!("a request handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the request failed; the log says why")
        .into_response()
}
