//! `POST /api/v1/investigate`: the ranked causes of trouble, with proof.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemas::answer::{Answer, Question};

use crate::access::ReadAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::state::Api;

/// Answers a question from the live views.
#[utoipa::path(
    post,
    path = "/api/v1/investigate",
    request_body = Question,
    responses(
        (status = 200, body = Answer),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn investigate(State(api): State<Api>, body: Bytes) -> Result<Json<Answer>, Problem> {
    let question: Question = serde_json::from_slice(&body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        Problem::bad_request("body_invalid", format!("the body is not a question: {error}"))
            .at(place, error.to_string())
    })?;
    let access = ReadAccess::to_tenant_of_question(&question.tenant_id);
    Ok(Json(api.investigate(&access, question).await?))
}
