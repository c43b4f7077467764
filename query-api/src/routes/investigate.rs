//! `POST /api/v1/investigate`: the ranked causes of trouble, with proof.
//!
//! Each is counted for its tenant and kept; one that could not be kept comes without the header `Content-Location`. A client
//! that does not know whether it was heard sends the same again under the same `Idempotency-Key`, and gets the answer that
//! was kept, uncounted; that goes with the plain form only. With `Accept: text/event-stream` the steps are told as they are taken, the answer last; with
//! `Prefer: respond-async` the investigation goes on beside the request (`runs`).

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use schemas::answer::{Answer, Question, Step};
use schemas::state::StateRequest;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::asked::{self, Admitted, Answered};
use crate::routes::runs;
use crate::state::Api;

/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Steps that wait for their reader.
const STEPS_MAX: usize = 64;
/// Proxies cut connections that are silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers a question from the live views and from the tools.
#[utoipa::path(
    post,
    path = "/api/v1/investigate",
    params(
        ("idempotency-key" = Option<String>, Header, description = "the same again gets the same answer, for a day"),
        ("prefer" = Option<String>, Header, description = "`respond-async`: answered with 202 at once"),
        ("accept" = Option<String>, Header, description = "`text/event-stream`: steps as they are taken, the answer last"),
    ),
    request_body = Question,
    responses(
        (status = 200, body = Answer, headers(
            ("content-location" = String, description = "where the investigation is kept"),
            ("ratelimit" = String, description = "how many more may be asked"),
            ("ratelimit-policy" = String, description = "how many may be asked in which time"),
        )),
        (status = 202, description = "under way; `Location` says where", body = runs::RunDocument),
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
    asked::exists(&api, &access).await?;
    if let Some(key) = &key
        && let Some(answer) = answered_before(&api, &access, key, &question).await?
    {
        let replayed = [(HeaderName::from_static("idempotency-replayed"), "true")];
        return Ok((location(&answer), replayed, Json(answer)).into_response());
    }
    let says = |name: HeaderName, part: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(part))
    };
    let beside = says(HeaderName::from_static("prefer"), "respond-async");
    if key.is_some() && (beside || says(ACCEPT, "text/event-stream")) {
        let detail = "an Idempotency-Key goes with a plain question only: leave it out here";
        return Err(Problem::bad_request("idempotency_key_invalid", detail));
    }
    let Admitted { limits } = match asked::admit(&api, &access).await {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    if beside {
        return runs::start(&api, &access, question).map(|accepted| (limits, accepted).into_response());
    }
    if says(ACCEPT, "text/event-stream") {
        return Ok((limits, told(api, access, question)).into_response());
    }
    let Answered { answer, kept } = asked::answer(&api, &access, question, None).await?;
    if let Some(key) = key.filter(|_| kept) {
        remember(&api, &access, key, &answer).await;
    }
    let location = if kept { location(&answer) } else { HeaderMap::new() };
    Ok((limits, location, Json(answer)).into_response())
}

/// The steps of an investigation as they are taken, then `answer` or `problem`. It ends with its reader.
fn told(api: Api, access: ReadAccess, question: Question) -> impl IntoResponse {
    let (steps, taken) = mpsc::channel(STEPS_MAX);
    let answered = async move {
        match asked::answer(&api, &access, question, Some(steps)).await {
            Ok(Answered { answer, .. }) => event("answer", &answer),
            Err(problem) => event("problem", &problem.document()),
        }
    };
    let telling = Telling { taken, answered: Some(Box::pin(answered)), outcome: None };
    let events = stream::unfold(telling, async |mut telling| {
        Some((Ok::<_, Infallible>(telling.next().await?), telling))
    });
    let unbuffered = [(HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// What is told: every step, then the outcome.
struct Telling<F> {
    taken: mpsc::Receiver<Step>,
    answered: Option<Pin<Box<F>>>,
    outcome: Option<Event>,
}

impl<F: Future<Output = Event>> Telling<F> {
    async fn next(&mut self) -> Option<Event> {
        if let Some(answered) = &mut self.answered {
            tokio::select! {
                biased;
                Some(step) = self.taken.recv() => return Some(event("step", &step)),
                outcome = answered => {
                    self.outcome = Some(outcome);
                    self.answered = None;
                }
            }
        }
        match self.taken.try_recv() {
            Ok(step) => Some(event("step", &step)),
            Err(_) => self.outcome.take(),
        }
    }
}

fn event(name: &str, document: &impl Serialize) -> Event {
    let text = serde_json::to_string(document).unwrap_or_default();
    Event::default().event(name).data(text)
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

/// Keeps under a key which investigation it was.
async fn remember(api: &Api, access: &ReadAccess, key: String, answer: &Answer) {
    let id = answer.investigation_id.clone().into_bytes();
    // Who serves product state says what is wrong with it; the client would only be answered anew.
    let _left = api.kept(access, |tenant, reply| StateRequest::Remember(tenant, key, id, reply)).await;
}

/// Where an investigation is kept.
fn location(answer: &Answer) -> HeaderMap {
    let path = format!("/api/v1/investigations/{}?tenant_id={}", answer.investigation_id, answer.tenant_id);
    HeaderValue::from_str(&path).map(|path| (CONTENT_LOCATION, path)).into_iter().collect()
}
