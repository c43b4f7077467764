//! What every form of asking shares: a question is counted for its tenant, answered and kept.
//!
//! A database that is away does not keep an answer from who asked: it is then not kept.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemas::answer::{Answer, Question};
use schemas::read::Query;
use schemas::state::{Admission, StateRequest};
use schemas::view::ViewName;

use crate::access::ReadAccess;
use crate::problem::Problem;
use crate::state::{Api, Steps};

/// A question that is counted.
pub(crate) struct Admitted {
    /// What a client is told of its limit.
    pub(crate) limits: HeaderMap,
}

/// An answer.
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    /// Whether it can be had again under its id.
    pub(crate) kept: bool,
}

/// Why a question was not counted.
pub(crate) struct Refusal {
    limits: HeaderMap,
    problem: Problem,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal { limits: HeaderMap::new(), problem }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.limits, self.problem).into_response()
    }
}

/// The tenant of a question exists: only those are counted, so that there are no more counts than tenants.
pub(crate) async fn exists(api: &Api, access: &ReadAccess) -> Result<(), Problem> {
    api.peek(access, Query { limit: 1, ..Query::all(access.tenant(), ViewName::Coverage) }).await.map(drop)
}

/// Counts a question.
pub(crate) async fn admit(api: &Api, access: &ReadAccess) -> Result<Admitted, Refusal> {
    let admission = api.kept(access, StateRequest::Admit).await.map_err(Problem::from)?;
    let limits = admission.as_ref().map(limits).unwrap_or_default();
    if let Some(Admission { limit, refused_for_ms: Some(_), .. }) = admission {
        let detail = format!("this tenant may ask {limit} investigations an hour; see Retry-After");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "investigations_spent", detail);
        return Err(Refusal { limits, problem });
    }
    Ok(Admitted { limits })
}

/// Answers a question that is counted, and keeps the answer.
pub(crate) async fn answer(
    api: &Api,
    access: &ReadAccess,
    question: Question,
    steps: Option<Steps>,
) -> Result<Answered, Problem> {
    let investigated = api.investigate(access, question, steps).await?;
    let answer = investigated.answer.clone();
    let keep = |_, reply| StateRequest::Keep(Box::new(investigated), reply);
    // Who serves product state says what is wrong with it.
    let kept = api.kept(access, keep).await.is_ok();
    Ok(Answered { answer, kept })
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
