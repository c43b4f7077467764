//! `POST /api/v1/ingest/prometheus/write`: Prometheus writes its samples (remote write 1.0).
//!
//! The message of version 2 is refused with 415, as its specification asks of whoever does not read it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;

use crate::access::WriteAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::protobuf::remote_write::documents;
use crate::routes::sent::{Sent, alone, encoding_unsupported, media_unsupported};
use crate::state::Api;

const FAMILY: &str = "prometheus";
/// The message of version 1, which may be left unnamed.
const MEDIA: [&str; 2] = ["application/x-protobuf", "application/x-protobuf;proto=prometheus.WriteRequest"];

/// Appends a request of remote write. Answered once it is durable.
#[utoipa::path(
    post,
    path = "/api/v1/ingest/prometheus/write",
    params(("tenant_id" = String, Query, description = "whose; or the header X-Tenant-Id")),
    request_body(content = String, description = "a WriteRequest in a block of snappy", content_type = "application/x-protobuf"),
    responses(
        (status = 204, description = "the samples are in the log"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn remote_write(
    State(api): State<Api>,
    access: WriteAccess,
    sent: Sent,
) -> Result<StatusCode, Problem> {
    sent.prove(&api, &access, FAMILY)?;
    let media = sent.header(&CONTENT_TYPE);
    if !MEDIA.contains(&&*media.replace(' ', "")) {
        return Err(media_unsupported(media, "remote write 1.0, application/x-protobuf"));
    }
    let packed = sent.encoding();
    if packed != "snappy" {
        return Err(encoding_unsupported(&packed, "snappy"));
    }
    let alone = alone().await;
    let records = documents(&sent.body)?;
    drop(alone);
    // It may tell that series have ended, and nothing else.
    if !records.is_empty() {
        api.append(&access, FAMILY, records).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
