//! `POST /api/v1/investigate`: the ranked causes of trouble, with proof.
//!
//! Each is counted for its tenant and kept. A database that is away does not keep an answer from who asked: it then comes
//! without the header `Content-Location`. A client that does not know whether it was heard sends the same again under the
//! same `Idempotency-Key`, and gets the answer that was kept, uncounted.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemas::answer::{Answer, Question};
use schemas::read::Query;
use schemas::state::{Admission, StateRequest};
use schemas::view::ViewName;

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::state::Api;

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// Answers a question from the live views.
#[utoipa::path(
    post,
    path = "/api/v1/investigate",
    params(("idempotency-key" = Option<String>, Header, description = "the same again gets the same answer, for a day")),
    request_body = Question,
    responses(
        (status = 200, body = Answer, headers(
            ("content-location" = String, description = "where the investigation is kept"),
            ("ratelimit" = String, description = "how many more may be asked"),
            ("ratelimit-policy" = String, description = "how many may be asked in which time"),
        )),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 429, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn investigate(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let question: Question = serde_json::from_slice(&body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        Problem::bad_request("body_invalid", format!("the body is not a question: {error}"))
            .at(place, error.to_string())
    })?;
    let access = ReadAccess::to_tenant_of_question(&question.tenant_id);
    let key = key(&headers)?;
    // Only tenants that exist are counted, so that there are no more counts than tenants.
    api.peek(&access, Query { limit: 1, ..Query::all(access.tenant(), ViewName::Coverage) }).await?;
    if let Some(key) = &key
        && let Some(answer) = answered_before(&api, &access, key, &question).await?
    {
        let location = location(&answer);
        return Ok((location, [(HeaderName::from_static("idempotency-replayed"), "true")], Json(answer))
            .into_response());
    }
    let admission = api.kept(&access, StateRequest::Admit).await?;
    let limits = admission.as_ref().map(limits).unwrap_or_default();
    if let Some(Admission { limit, refused_for_ms: Some(_), .. }) = admission {
        let detail = format!("this tenant may ask {limit} investigations an hour; see Retry-After");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "investigations_spent", detail);
        return Ok((limits, problem).into_response());
    }
    let answer = api.investigate(&access, question.clone()).await?;
    let kept = keep(&api, &access, key, (question, answer.clone())).await;
    let location = if kept { location(&answer) } else { HeaderMap::new() };
    Ok((limits, location, Json(answer)).into_response())
}

/// The key under which a client may send the same again.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=KEY_BYTES_MAX).contains(&text.len()));
    let key = text.ok_or_else(|| {
        let detail = format!("Idempotency-Key is not 1 to {KEY_BYTES_MAX} visible ASCII characters");
        Problem::bad_request("idempotency_key_invalid", detail)
    })?;
    Ok(Some(key.to_owned()))
}

/// The answer that this client got to this question before.
async fn answered_before(
    api: &Api,
    access: &ReadAccess,
    key: &str,
    question: &Question,
) -> Result<Option<Answer>, Problem> {
    let key = key.to_owned();
    let left = api.kept(access, |tenant, reply| StateRequest::Recall(tenant, key, reply)).await?;
    let Some(id) = left.and_then(|id| String::from_utf8(id).ok()) else { return Ok(None) };
    // A database that is away, or has it no more: it is investigated anew.
    let kept = api.kept(access, |tenant, reply| StateRequest::Investigation(tenant, id, reply)).await;
    let Some(kept) = kept.ok().flatten() else { return Ok(None) };
    if kept.question == *question {
        return Ok(Some(kept.answer));
    }
    let detail = "this Idempotency-Key came with another question; use a new one";
    Err(Problem::unprocessable("idempotency_key_reused", detail))
}

/// Keeps an investigation, and under its key which one it was; tells whether it is kept.
async fn keep(api: &Api, access: &ReadAccess, key: Option<String>, asked: (Question, Answer)) -> bool {
    let id = asked.1.investigation_id.clone().into_bytes();
    let kept = api.kept(access, |_, reply| StateRequest::Keep(Box::new(asked), reply)).await.is_ok();
    if let Some(key) = key.filter(|_| kept) {
        // Who serves product state says what is wrong with it; the client would only be answered anew.
        let _left = api.kept(access, |tenant, reply| StateRequest::Remember(tenant, key, id, reply)).await;
    }
    kept
}

/// Where an investigation is kept.
fn location(answer: &Answer) -> HeaderMap {
    let path = format!("/api/v1/investigations/{}?tenant_id={}", answer.investigation_id, answer.tenant_id);
    HeaderValue::from_str(&path).map(|path| (CONTENT_LOCATION, path)).into_iter().collect()
}

/// What a client is told of its limit (draft-ietf-httpapi-ratelimit-headers).
fn limits(admission: &Admission) -> HeaderMap {
    let Admission { limit, window_s, remaining, refused_for_ms } = *admission;
    let spent = u64::from(limit.saturating_sub(remaining));
    let whole_in_s = (spent * window_s).div_ceil(u64::from(limit.max(1)));
    let policy = format!("\"investigations\";q={limit};w={window_s}");
    let left = format!("\"investigations\";r={remaining};t={whole_in_s}");
    let retry = refused_for_ms.map(|ms| (RETRY_AFTER, ms.div_ceil(1_000).to_string()));
    let told =
        [(HeaderName::from_static("ratelimit-policy"), policy), (HeaderName::from_static("ratelimit"), left)];
    let told = told.into_iter().chain(retry);
    told.filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?))).collect()
}
