//! `/api/v1/runs`: investigations that go on beside the request that asked for them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemas::answer::{Question, Step};
use schemas::ids::TenantId;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::access::{ReadAccess, WriteAccess};
use crate::problem::{Problem, ProblemDocument};
use crate::routes::asked::{self, Answered};
use crate::runs::{Run, Standing};
use crate::state::Api;

/// Steps that wait to be noted.
const STEPS_WAITING: usize = 16;

/// A run as it stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RunDocument {
    /// Its id.
    run_id: String,
    /// `running`, `answered`, `failed`, `canceled`.
    status: &'static str,
    /// The investigation, once it is answered.
    investigation_id: Option<String>,
    /// Why there is no answer.
    problem: Option<String>,
    /// Steps taken so far.
    steps: Vec<Step>,
}

fn document(run_id: &str, run: Run) -> Json<RunDocument> {
    let (status, investigation_id, problem) = match run.standing {
        Standing::Running => ("running", None, None),
        Standing::Answered(id) => ("answered", Some(id), None),
        Standing::Failed(why) => ("failed", None, Some(why)),
        Standing::Canceled => ("canceled", None, None),
    };
    Json(RunDocument { run_id: run_id.to_owned(), status, investigation_id, problem, steps: run.steps })
}

/// Starts an investigation beside the request.
pub(crate) fn start(api: &Api, access: &ReadAccess, question: Question) -> Result<Response, Problem> {
    let Some((id, canceled)) = api.runs().begin(access.tenant()) else {
        let detail = "as many runs of this tenant are under way as may be; cancel one, or wait for it";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "runs_spent", detail));
    };
    let (steps, mut taken) = mpsc::channel(STEPS_WAITING);
    let (of, run) = ((api.clone(), access.clone()), id.clone());
    let noting = {
        let (api, tenant, id) = (api.clone(), access.tenant().clone(), id.clone());
        async move {
            while let Some(step) = taken.recv().await {
                api.runs().step(&tenant, &id, step);
            }
        }
    };
    api.spawn(async move {
        let (api, access) = of;
        let _ended = Ending { api: api.clone(), tenant: access.tenant().clone(), id: run.clone() };
        let work = asked::answer(&api, &access, question, Some(steps));
        let (standing, ()) = tokio::join!(
            async {
                tokio::select! {
                    answered = work => match answered {
                        Ok(Answered { answer, kept: true }) => Standing::Answered(answer.investigation_id),
                        Ok(_) => Standing::Failed("it is answered, but product state could not keep the answer".to_owned()),
                        Err(problem) => Standing::Failed(problem.detail().to_owned()),
                    },
                    _ = canceled => Standing::Canceled,
                }
            },
            noting
        );
        api.runs().end(access.tenant(), &run, standing);
    });
    let path = format!("/api/v1/runs/{id}?tenant_id={}", access.tenant());
    let location: HeaderMap = HeaderValue::from_str(&path).map(|path| (LOCATION, path)).into_iter().collect();
    let applied = [(HeaderName::from_static("preference-applied"), "respond-async")];
    let run = Run { standing: Standing::Running, steps: Vec::new() };
    Ok((StatusCode::ACCEPTED, location, applied, document(&id, run)).into_response())
}

/// However a run ends, it does not stay under way.
struct Ending {
    api: Api,
    tenant: TenantId,
    id: String,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.api.runs().end(&self.tenant, &self.id, Standing::Failed("it was given up".to_owned()));
    }
}

/// How a run stands.
#[utoipa::path(get, path = "/api/v1/runs/{id}",
    params(("id" = String, Path, description = "run_…"), ("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = RunDocument), (status = 404, body = ProblemDocument)))]
pub(crate) async fn run(
    State(api): State<Api>,
    access: ReadAccess,
    Path(id): Path<String>,
) -> Result<Json<RunDocument>, Problem> {
    let run = api.runs().get(access.tenant(), &id).ok_or_else(|| unknown(&id))?;
    Ok(document(&id, run))
}

/// Cancels a run; one that has ended stays as it is.
#[utoipa::path(delete, path = "/api/v1/runs/{id}",
    params(("id" = String, Path, description = "run_…"), ("tenant_id" = String, Query, description = "whose")),
    responses((status = 200, body = RunDocument), (status = 404, body = ProblemDocument)))]
pub(crate) async fn cancel(
    State(api): State<Api>,
    access: WriteAccess,
    Path(id): Path<String>,
) -> Result<Json<RunDocument>, Problem> {
    let run = api.runs().cancel(access.tenant(), &id).ok_or_else(|| unknown(&id))?;
    Ok(document(&id, run))
}

fn unknown(id: &str) -> Problem {
    let detail =
        format!("no run {id:?} here; runs are forgotten when the process ends, investigations are not");
    Problem::new(StatusCode::NOT_FOUND, "run_unknown", detail)
}
