//! `GET /api/v1/changes`: a view as it changes, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderName;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use schemas::time::{Diff, Epoch};
use schemas::view::{Row, ViewName};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Receiver;

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::state::Api;

/// Proxies cut connections that are silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which view.
#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct Parameters {
    /// Name of a view.
    view: String,
}

/// A snapshot, then signed changes: `{"epoch":n,"diff":1,"snapshot":false,"row":{…}}`.
#[utoipa::path(
    get,
    path = "/api/v1/changes",
    params(Parameters, ("tenant_id" = String, Query, description = "whose views")),
    responses((status = 200, description = "server-sent events"), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument))
)]
pub(crate) async fn changes(
    State(api): State<Api>,
    access: ReadAccess,
    Query(parameters): Query<Parameters>,
) -> Result<impl IntoResponse, Problem> {
    let view = view_named(&parameters.view)?;
    let receiver = api.subscribe(&access, view).await?;
    let events = stream::unfold(receiver, next);
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // Without this, buffering proxies hold events back.
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], events))
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    epoch: Epoch,
    snapshot: bool,
    diff: Diff,
    row: &'a Row,
}

/// All changes of one epoch are one event with one line each.
async fn next(
    mut receiver: Receiver<schemas::read::Changes>,
) -> Option<(Result<Event, Infallible>, Receiver<schemas::read::Changes>)> {
    let changes = receiver.recv().await?;
    let (epoch, snapshot) = (changes.epoch, changes.snapshot);
    let line = |(row, diff): &(Row, Diff)| {
        let line = serde_json::to_string(&Line { epoch, snapshot, diff: *diff, row });
        line.unwrap_or_else(|error| panic!("a row has no form in JSON: {error}"))
    };
    let lines: Vec<String> = changes.rows.iter().map(line).collect();
    let event = Event::default().event("changes").id(epoch.to_string()).data(lines.join("\n"));
    Some((Ok(event), receiver))
}

/// The view with a name, or the nearest valid one.
pub(crate) fn view_named(name: &str) -> Result<ViewName, Problem> {
    name.parse().map_err(|_| {
        let nearest =
            ViewName::ALL.iter().min_by_key(|view| strsim::damerau_levenshtein(view.as_str(), name));
        let hint = nearest.map(|view| format!("; did you mean {view}?")).unwrap_or_default();
        Problem::unprocessable("view_unknown", format!("unknown view {name:?}{hint}")).at("view", "unknown")
    })
}
