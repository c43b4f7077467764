//! `POST /api/v1/ingest/otel/v1/{signal}`: OTLP over HTTP, as OpenTelemetry's exporters send it by default.
//!
//! An exporter whose endpoint is `/api/v1/ingest/otel` appends the rest of the path by itself. The log has JSON, a record for
//! each half mebibyte of it. A refusal is a problem document, not the `Status` of the specification.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::access::WriteAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::protobuf::otlp::{Signal, of_json, of_protobuf};
use crate::routes::sent::{Sent, alone, media_unsupported};
use crate::state::Api;

const FAMILY: &str = "otel";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Appends a request of OTLP. Answered once it is durable, in the form of the request: all of it is taken, or nothing.
#[utoipa::path(
    post,
    path = "/api/v1/ingest/otel/v1/{signal}",
    params(
        ("signal" = String, Path, description = "what is exported: logs, metrics or traces"),
        ("tenant_id" = String, Query, description = "whose; or the header X-Tenant-Id"),
    ),
    request_body(content = String, description = "an Export{Logs,Metrics,Trace}ServiceRequest, application/json or application/x-protobuf"),
    responses(
        (status = 200, description = "an empty Export{Logs,Metrics,Trace}ServiceResponse"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn otlp(
    State(api): State<Api>,
    access: WriteAccess,
    Path(signal): Path<String>,
    sent: Sent,
) -> Result<Response, Problem> {
    let Some(signal) = Signal::named(&signal) else {
        let detail = format!("no signal {signal:?}; of OTLP, logs, metrics and traces are read");
        return Err(Problem::new(StatusCode::NOT_FOUND, "signal_unknown", detail));
    };
    sent.prove(&api, &access, FAMILY)?;
    let (read, media, answer): (fn(_, &[u8]) -> _, _, _) = match sent.media() {
        PROTOBUF => (of_protobuf, PROTOBUF, ""),
        JSON => (of_json, JSON, "{}"),
        other => return Err(media_unsupported(other, "application/x-protobuf or application/json")),
    };
    let body = sent.unpacked()?;
    let alone = alone().await;
    let records = read(signal, &body)?;
    drop(alone);
    // An exporter that has nothing to tell may say so.
    if !records.is_empty() {
        api.append(&access, FAMILY, records).await?;
    }
    Ok(([(CONTENT_TYPE, media)], answer).into_response())
}
