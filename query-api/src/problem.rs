//! Refusals as problem documents (RFC 9457): one table from cause to status.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemas::read::ReadError;
use schemas::state::StateError;
use serde::Serialize;

use crate::protobuf::Unread;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Place>,
}

/// A refusal as it is sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ProblemDocument<'a> {
    /// Stable identifier of the sort of problem.
    #[serde(rename = "type")]
    problem_type: String,
    /// What sort of problem, for people.
    title: &'a str,
    /// HTTP status.
    status: u16,
    /// What is wrong, where, and what to do.
    detail: &'a str,
    /// Stable code, the last part of the type.
    code: &'a str,
    /// Places in the request, where there are any.
    #[serde(skip_serializing_if = "<[Place]>::is_empty")]
    errors: &'a [Place],
}

/// A place in the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Place {
    /// JSON pointer or parameter name.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Problem {
    /// A problem of any status.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Problem { status, code, detail: detail.into(), errors: Vec::new() }
    }

    /// 400.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 422: well formed, but it cannot be meant.
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// The same problem with a place.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(Place { pointer: pointer.into(), detail: detail.into() });
        self
    }
}

impl Problem {
    /// What is wrong, for people.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, in words.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// The refusal as it is sent.
    pub(crate) fn document(&self) -> ProblemDocument<'_> {
        ProblemDocument {
            problem_type: format!("urn:kgroot:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Problem"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            errors: &self.errors,
        }
    }
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Malformed(name, why) => {
                Problem::bad_request("body_malformed", format!("the body is not {name}: {why}"))
            }
            Unread::TooLarge(most) => {
                let detail = format!("more than {most} bytes; send fewer at once");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
            }
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let detail = error.to_string();
        match error {
            ReadError::UnknownTenant { .. } => Problem::new(StatusCode::NOT_FOUND, "tenant_unknown", detail),
            ReadError::Epoch { .. } => Problem::unprocessable("epoch_unreadable", detail),
            ReadError::After { .. } => {
                Problem::unprocessable("cursor_invalid", detail).at("cursor", "not a key of the view")
            }
            ReadError::Stopped => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "engine_stopped", detail),
        }
    }
}

impl From<StateError> for Problem {
    fn from(error: StateError) -> Self {
        let detail = error.to_string();
        match error {
            StateError::Away(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "state_away", detail),
            StateError::Broken(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "state_broken", detail),
            StateError::Cursor(_) => Problem::unprocessable("cursor_invalid", detail).at("cursor", "unknown"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_string(&self.document()).unwrap_or_default();
        (self.status, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
