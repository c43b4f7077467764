//! `/api/v1/approvals`: a person's word for exactly one proposed action, once, until it expires.
//!
//! The action and its arguments are taken from the investigation that proposed them: a request names them by their digest
//! and cannot change them. Which tool carries it out is part of what is approved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemas::answer::{Proposal, ToolStatus};
use schemas::audit::{self, AuditRecord};
use schemas::ids::hash64;
use schemas::state::{Approval, Investigation, StateRequest, Used};
use schemas::time::EventTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::access::WriteAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::routes::asked;
use crate::state::Api;

/// Approvals that this process has given.
static GIVEN: AtomicU64 = AtomicU64::new(0);
/// Longest life of an approval, in seconds.
const LIFE_S_MAX: u32 = 86_400;
/// Life of an approval that says nothing else, in seconds.
const LIFE_S: u32 = 900;

/// What is approved.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Approve {
    /// The investigation that proposed it.
    investigation_id: String,
    /// `digest` of the proposal.
    digest: String,
    /// Who approves it.
    approved_by: String,
    /// The tool that is to carry it out; needed where several could.
    #[serde(default)]
    tool: Option<String>,
    /// Seconds for which it can be used: 900 unless said, 86400 at most.
    #[serde(default)]
    expires_in_s: Option<u32>,
}

/// What became of an approved action.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Executed {
    approval: Approval,
    /// What the tool returned. Data from outside.
    #[schema(value_type = Object)]
    result: Value,
}

/// Approves a proposed action.
#[utoipa::path(post, path = "/api/v1/approvals", params(("tenant_id" = String, Query, description = "whose")),
    request_body = Approve,
    responses((status = 201, body = Approval), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 422, body = ProblemDocument)))]
pub(crate) async fn approve(
    State(api): State<Api>,
    access: WriteAccess,
    body: Bytes,
) -> Result<(StatusCode, Json<Approval>), Problem> {
    let wanted: Approve = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request("body_invalid", error.to_string()))?;
    let life = wanted.expires_in_s.unwrap_or(LIFE_S);
    if !(1..=LIFE_S_MAX).contains(&life) || wanted.approved_by.trim().is_empty() {
        let detail = format!("name who approves, for 1 to {LIFE_S_MAX} seconds");
        return Err(Problem::unprocessable("approval_invalid", detail));
    }
    let id = wanted.investigation_id.clone();
    let kept = api.change(&access, |tenant, reply| StateRequest::Investigation(tenant, id, reply)).await?;
    let proposal = kept.as_ref().and_then(|kept| proposed(kept, &wanted.digest)).ok_or_else(|| {
        let detail = "no kept investigation of this tenant proposes that; take both from an answer's runbook";
        Problem::new(StatusCode::NOT_FOUND, "proposal_unknown", detail)
    });
    let proposal = match proposal {
        Ok(proposal) => proposal,
        Err(problem) => return Err(denied(&api, &access, kept.as_ref(), &wanted.digest, problem).await),
    };
    let executes = |tool: &ToolStatus| {
        !tool.reads_only
            && tool.name.split_once('.').is_some_and(|(_, operation)| operation == proposal.action)
    };
    let able: Vec<String> =
        api.tools(access.tenant()).into_iter().filter(executes).map(|tool| tool.name).collect();
    let tool = match chosen(&able, wanted.tool.as_deref(), &proposal.action) {
        Ok(tool) => tool,
        Err(problem) => return Err(denied(&api, &access, kept.as_ref(), &wanted.digest, problem).await),
    };
    let now = now();
    let count = GIVEN.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let parts = [wanted.digest.as_bytes(), wanted.approved_by.as_bytes(), &now.0.to_be_bytes(), &count];
    let approval = Approval {
        approval_id: format!("apr_{:016x}", hash64(&parts)),
        investigation_id: wanted.investigation_id,
        digest: Approval::bound(&proposal.digest, &tool),
        as_of: kept.map_or(0, |kept| kept.answer.as_of.epoch),
        action: proposal.action,
        tool,
        arguments: proposal.arguments,
        approved_by: wanted.approved_by.chars().take(200).collect(),
        expires_at: now.plus_ms(i64::from(life) * 1_000),
        used_at: None,
    };
    let given = Box::new(approval.clone());
    api.change(&access, |tenant, reply| StateRequest::Approve(tenant, given, reply)).await?;
    Ok((StatusCode::CREATED, Json(approval)))
}

/// Carries out an approved action, at most once, by the tool that is configured for it.
#[utoipa::path(post, path = "/api/v1/approvals/{id}/execute",
    params(("id" = String, Path, description = "apr_…"), ("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = Executed), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument), (status = 410, body = ProblemDocument)))]
pub(crate) async fn execute(
    State(api): State<Api>,
    access: WriteAccess,
    Path(id): Path<String>,
) -> Result<Json<Executed>, Problem> {
    let asked = id.clone();
    let used = api.change(&access, |tenant, reply| StateRequest::Use(tenant, asked, reply)).await?;
    let refused = |status, code, detail: String| Err(Problem::new(status, code, detail));
    match used {
        Used::Now(approval) => {
            // Beside the request: who hangs up does not leave an action half done.
            let (told, done) = oneshot::channel();
            let (of, acting) = ((api.clone(), access.clone()), approval.clone());
            api.spawn(async move {
                let outcome = of.0.act(&of.1, acting.clone()).await;
                if let Err(problem) = &outcome {
                    tracing::warn!(problem = problem.detail(), "an approved action failed");
                }
                let told_of =
                    outcome.as_ref().map(drop).map_err(|problem| (problem.code(), problem.detail()));
                note(&of.0, &of.1, audit::carried_out(of.1.tenant(), &acting, told_of)).await;
                let _hung_up = told.send(outcome);
            });
            let lost =
                |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the action was given up");
            let result = done.await.map_err(lost)??;
            Ok(Json(Executed { approval, result }))
        }
        Used::Unknown => {
            let detail = format!("no approval {id:?}; POST /api/v1/approvals gives one");
            let problem = Problem::new(StatusCode::NOT_FOUND, "approval_unknown", detail);
            Err(denied(&api, &access, None, &id, problem).await)
        }
        Used::Expired(at) => {
            let detail = format!("the approval has expired at {at}; ask for another");
            refused(StatusCode::GONE, "approval_expired", detail)
        }
        Used::Already(at) => {
            let detail = format!("the approval was used at {at}; each is good for one execution");
            refused(StatusCode::CONFLICT, "approval_used", detail)
        }
    }
}

/// The tool that carries out an action: the one that is named, or the only one. What is approved has to be known exactly.
fn chosen(able: &[String], named: Option<&str>, action: &str) -> Result<String, Problem> {
    let conflict = |code, detail| Err(Problem::new(StatusCode::CONFLICT, code, detail));
    match (able, named) {
        ([], _) => {
            let detail = format!(
                "no tool of this tenant carries out {action:?}; configure one that writes, called CONNECTION.{action}"
            );
            conflict("action_has_no_tool", detail)
        }
        (able, Some(named)) if able.iter().any(|tool| tool == named) => Ok(named.to_owned()),
        ([only], None) => Ok(only.clone()),
        (able, _) => {
            let detail =
                format!("{action:?} is carried out by {}; name one of them as `tool`", able.join(", "));
            conflict("action_tool_unclear", detail)
        }
    }
}

/// Leaves a record of what is refused, for tenants that there are; and refuses it.
async fn denied(
    api: &Api,
    access: &WriteAccess,
    of: Option<&Investigation>,
    about: &str,
    problem: Problem,
) -> Problem {
    if asked::exists(api, &access.reading()).await.is_ok() {
        let of = of.map(|of| (of.answer.investigation_id.as_str(), of.answer.as_of.epoch));
        let why = match problem.code() {
            // Its words hold what somebody sent.
            "approval_unknown" => "nobody gave this approval",
            _ => problem.detail(),
        };
        note(api, access, audit::refused(access.tenant(), of, about, (problem.code(), why))).await;
    }
    problem
}

/// Keeps a record for the audit stream.
async fn note(api: &Api, access: &WriteAccess, record: AuditRecord) {
    let record = Box::new(record);
    if let Err(error) = api.change(access, |tenant, reply| StateRequest::Note(tenant, record, reply)).await {
        tracing::error!(%error, "what came of an approval is not on the audit stream");
    }
}

/// By the clock of this process: people approve by theirs.
fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The proposal of an investigation with this digest.
fn proposed(kept: &Investigation, digest: &str) -> Option<Proposal> {
    let steps = kept.answer.runbook.as_ref().map(|runbook| runbook.steps.as_slice()).unwrap_or_default();
    steps.iter().filter_map(|step| step.proposal.as_ref()).find(|found| found.digest == digest).cloned()
}
