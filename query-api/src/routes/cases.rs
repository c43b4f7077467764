//! `/api/v1/cases`: what is remembered of incidents that are over, and what people add to it.
//!
//! A lesson is shown to investigations only after somebody else than its author has approved it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemas::ids::{IdError, IncidentId};
use schemas::state::{Case, LESSON_BYTES_MAX, Lesson, StateRequest};
use serde::{Deserialize, Serialize};

use crate::access::{ReadAccess, WriteAccess};
use crate::problem::{Problem, ProblemDocument};
use crate::state::Api;

/// Longest name of a person, in bytes.
const PERSON_BYTES_MAX: usize = 200;

/// Cases, latest first.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Cases {
    cases: Vec<Case>,
}

/// What somebody knows of a case.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Told {
    /// What ended it.
    resolution: String,
    /// Whether the first hypothesis was the cause.
    #[serde(default)]
    root_confirmed: Option<bool>,
    /// Who says so.
    written_by: String,
}

/// Who approves which lesson.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approver {
    /// The text that is approved: `resolution` of the lesson as it was read.
    resolution: String,
    /// Another person than its author.
    approved_by: String,
}

/// Cases of a tenant, latest first, at most 1,000.
#[utoipa::path(get, path = "/api/v1/cases", params(("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = Cases), (status = 503, body = ProblemDocument)))]
pub(crate) async fn cases(State(api): State<Api>, access: ReadAccess) -> Result<Json<Cases>, Problem> {
    let cases = api.kept(&access, StateRequest::Cases).await?;
    Ok(Json(Cases { cases }))
}

/// Says what is known of a case; nothing counts before it is approved.
#[utoipa::path(put, path = "/api/v1/cases/{incident}/lesson",
    params(("incident" = String, Path, description = "inc_…"), ("tenant_id" = String, Query, description = "whose")),
    request_body = Told,
    responses((status = 200, body = Lesson), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(crate) async fn teach(
    State(api): State<Api>,
    access: WriteAccess,
    Path(incident): Path<String>,
    body: Bytes,
) -> Result<Json<Lesson>, Problem> {
    let Told { resolution, root_confirmed, written_by } = read(&body)?;
    text("resolution", &resolution, LESSON_BYTES_MAX)?;
    text("written_by", &written_by, PERSON_BYTES_MAX)?;
    let lesson = Lesson { resolution, root_confirmed, written_by, approved_by: None };
    keep(&api, &access, &incident, (lesson, None)).await
}

/// Approves the lesson of a case.
#[utoipa::path(post, path = "/api/v1/cases/{incident}/lesson/approve",
    params(("incident" = String, Path, description = "inc_…"), ("tenant_id" = String, Query, description = "whose")),
    request_body = Approver,
    responses((status = 200, body = Lesson), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument)))]
pub(crate) async fn approve(
    State(api): State<Api>,
    access: WriteAccess,
    Path(incident): Path<String>,
    body: Bytes,
) -> Result<Json<Lesson>, Problem> {
    let Approver { resolution, approved_by } = read(&body)?;
    text("approved_by", &approved_by, PERSON_BYTES_MAX)?;
    let id = parse(&incident)?;
    let cases = api.change(&access, StateRequest::Cases).await?;
    let case =
        cases.into_iter().find(|case| case.incident.incident_id == id).ok_or_else(|| unknown(&incident))?;
    let Some(lesson) = case.lesson else {
        let detail = format!("nobody has written a lesson of {incident} yet; PUT one first");
        return Err(Problem::new(StatusCode::CONFLICT, "lesson_absent", detail));
    };
    if lesson.resolution != resolution {
        return Err(changed());
    }
    let same = |left: &str, right: &str| left.trim().to_lowercase() == right.trim().to_lowercase();
    if same(&lesson.written_by, &approved_by) {
        let detail = "the author of a lesson cannot approve it; ask somebody else";
        return Err(Problem::new(StatusCode::CONFLICT, "approver_is_author", detail));
    }
    let approved = Lesson { approved_by: Some(approved_by), ..lesson.clone() };
    keep(&api, &access, &incident, (approved, Some(lesson))).await
}

async fn keep(
    api: &Api,
    access: &WriteAccess,
    incident: &str,
    lessons: (Lesson, Option<Lesson>),
) -> Result<Json<Lesson>, Problem> {
    let (id, lesson, read_before) = (parse(incident)?, lessons.0.clone(), lessons.1.is_some());
    let told = Box::new(lessons);
    let known = api.change(access, |tenant, reply| StateRequest::Teach(tenant, id, told, reply)).await?;
    match known {
        true => Ok(Json(lesson)),
        false if read_before => Err(changed()),
        false => Err(unknown(incident)),
    }
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request("body_invalid", error.to_string()))
}

fn parse(incident: &str) -> Result<IncidentId, Problem> {
    incident.parse().map_err(|error: IdError| Problem::unprocessable("incident_invalid", error.to_string()))
}

fn text(name: &'static str, text: &str, max: usize) -> Result<(), Problem> {
    if (1..=max).contains(&text.trim().len()) && text.len() <= max {
        return Ok(());
    }
    Err(Problem::unprocessable("text_invalid", format!("{name} is not 1 to {max} bytes"))
        .at(format!("/{name}"), "length"))
}

fn changed() -> Problem {
    let detail = "the lesson is another one by now; read it again";
    Problem::new(StatusCode::CONFLICT, "lesson_changed", detail)
}

fn unknown(incident: &str) -> Problem {
    let detail = format!("no case of {incident}; GET /api/v1/cases lists those there are");
    Problem::new(StatusCode::NOT_FOUND, "case_unknown", detail)
}
