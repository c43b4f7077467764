//! `POST /api/v1/ingest/{family}`: webhooks and shippers append records to the event log.
//!
//! The record is kept as it came, without gzip; whether it can be read is found out after the log, as for every producer. A GitHub
//! webhook names its event in a header, which is kept with the body. Slack asks once whether this is the right place, and is
//! answered.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use schemas::position::SourcePosition;
use schemas::topic::FAMILIES;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::access::WriteAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::sent::Sent;
use crate::state::Api;

/// Records that are in the log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Appended {
    /// How many.
    records: usize,
    /// Position of the first, as topic\[partition\]@offset.
    first: Option<String>,
}

/// Appends a document, or one per line of `application/x-ndjson`. Answered once the records are durable.
#[utoipa::path(
    post,
    path = "/api/v1/ingest/{family}",
    params(
        ("family" = String, Path, description = "topic family, such as k8s-events"),
        ("tenant_id" = String, Query, description = "whose records; or the header X-Tenant-Id"),
    ),
    request_body(content = String, description = "the vendor's document"),
    responses(
        (status = 200, body = Challenge, description = "the challenge of Slack's Events API"),
        (status = 202, body = Appended),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn ingest(
    State(api): State<Api>,
    access: WriteAccess,
    Path(family): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let Some(family) = FAMILIES.into_iter().find(|known| *known == family) else {
        let detail = format!("no topic family {family:?}; use one of {}", FAMILIES.join(", "));
        return Err(Problem::new(StatusCode::NOT_FOUND, "family_unknown", detail));
    };
    sent.prove(&api, &access, family)?;
    let body = sent.unpacked()?;
    if let Some(challenge) = challenge(family, &body) {
        return Ok(Json(challenge).into_response());
    }
    let by_line = sent.media() == "application/x-ndjson";
    let records = if by_line { lines(&body) } else { document(&sent.headers, &body) };
    if records.is_empty() {
        return Err(Problem::bad_request("body_empty", "the body holds no record; send the document itself"));
    }
    let positions = api.append(&access, family, records).await?;
    let first = positions.first().map(SourcePosition::to_string);
    Ok((StatusCode::ACCEPTED, Json(Appended { records: positions.len(), first })).into_response())
}

/// What Slack sends before its first event, and wants back (Slack, `url_verification`): nothing happened, so that nothing is
/// kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Challenge {
    challenge: String,
}

fn challenge(family: &str, body: &[u8]) -> Option<Challenge> {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(rename = "type")]
        sort: String,
        challenge: String,
    }
    let asked: Asked = (family == "slack-incidents").then(|| serde_json::from_slice(body).ok())??;
    (asked.sort == "url_verification").then_some(Challenge { challenge: asked.challenge })
}

fn lines(body: &[u8]) -> Vec<Vec<u8>> {
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The one record of a body; none if it is empty.
fn document(headers: &HeaderMap, body: &[u8]) -> Vec<Vec<u8>> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Vec::new();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let hook = text("x-github-event").and_then(|event| hook(event, text("x-github-delivery"), body));
    vec![hook.unwrap_or_else(|| body.to_vec())]
}

/// A GitHub webhook as one document; `None` when its body is not JSON, which is then kept as it is.
fn hook(event: &str, delivery: Option<&str>, body: &[u8]) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    struct Hook<'a> {
        event: &'a str,
        delivery: Option<&'a str>,
        payload: &'a RawValue,
    }
    let payload = serde_json::from_slice(body).ok()?;
    serde_json::to_vec(&Hook { event, delivery, payload }).ok()
}
