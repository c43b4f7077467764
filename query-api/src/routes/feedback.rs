//! `POST /api/v1/incidents/{id}/feedback`: whether the first hypothesis was the cause, and what was instead.
//!
//! It becomes an event like any other, so that a replay comes to the same. The event carries what was concluded: it
//! teaches for 90 days, the incident is forgotten after hours. A lesson of a case (`/api/v1/cases`) is text for
//! investigations, behind a second person's approval; this moves numbers, a little at a time, and needs none.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemas::catalogue::Catalogue;
use schemas::ids::{EpisodeId, IdError, IncidentId, hash128};
use schemas::position::SourcePosition;
use schemas::read::{Filter, Query};
use schemas::time::EventTime;
use schemas::view::{ChainRow, IncidentRow, Row, ViewName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::access::WriteAccess;
use crate::problem::{Problem, ProblemDocument};
use crate::state::Api;

/// Topic family of what people say.
const FAMILY: &str = "slack-incidents";
/// Longest name of a person and longest note, in bytes.
const PERSON_BYTES_MAX: usize = 200;
const NOTE_BYTES_MAX: usize = 1_000;
/// Rules of a hypothesis that are named.
const RULES_MAX: usize = 32;

/// What somebody says of an incident.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    /// `right`, `wrong`, or `withdrawn`: what the same person said before does not count any more.
    #[schema(value_type = String)]
    verdict: Verdict,
    /// With `wrong`: what was the cause, if it is known.
    #[serde(default)]
    root: Option<Root>,
    /// Who says so; the latest of one person about one incident counts.
    who: String,
    /// For people.
    #[serde(default)]
    note: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Right,
    Wrong,
    Withdrawn,
}

/// A root cause.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Root {
    /// Its kind, such as `k8s.configmap.Changed`.
    kind: String,
    /// What it happened to, such as `config_map/shop/checkout`.
    entity: String,
}

/// The event that the log has.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Taken {
    /// Its id; a `kgroot`/`withdraw` event with it takes it back.
    ingest_id: String,
    /// Where it stands, as topic\[partition\]@offset.
    position: Option<String>,
    /// What is judged: the first hypothesis with the rules of its links.
    #[schema(value_type = Object)]
    first: Value,
}

/// Says whether the first hypothesis of an incident was its cause. Answered once the log has it.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/feedback",
    params(("id" = String, Path, description = "inc_…"), ("tenant_id" = String, Query, description = "whose")),
    request_body = Said,
    responses((status = 202, body = Taken), (status = 400, body = ProblemDocument), (status = 404, body = ProblemDocument), (status = 409, body = ProblemDocument), (status = 422, body = ProblemDocument), (status = 503, body = ProblemDocument)))]
pub(crate) async fn feedback(
    State(api): State<Api>,
    access: WriteAccess,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Taken>), Problem> {
    let said: Said = serde_json::from_slice(&body)
        .map_err(|error| Problem::bad_request("body_invalid", error.to_string()))?;
    let incident: IncidentId =
        id.parse().map_err(|error: IdError| Problem::unprocessable("incident_invalid", error.to_string()))?;
    check(&said)?;
    let (row, chains) = concluded(&api, &access, incident).await?;
    let first = row.hypotheses.first().map(|first| {
        let (root, rules) = (&first.root, rules(&chains, first.root.episode_id));
        json!({"kind": root.kind, "entity": root.entity.to_string(), "rules": rules})
    });
    let first = first.unwrap_or_default();
    let root = said.root.as_ref().map(|root| {
        let is = |hypothesis: &&schemas::view::Hypothesis| {
            hypothesis.root.kind.id() == root.kind && hypothesis.root.entity.to_string() == root.entity
        };
        let among = row.hypotheses.iter().find(is);
        let rules = among.map(|found| rules(&chains, found.root.episode_id)).unwrap_or_default();
        json!({"kind": root.kind, "entity": root.entity, "rules": rules})
    });
    let (tenant, ts) = (access.tenant().as_str(), now());
    let payload = json!({"incident_id": incident, "verdict": said.verdict, "who": said.who, "note": said.note,
        "first": first, "root": root});
    let parts: [&[u8]; 4] =
        [tenant.as_bytes(), &incident.0.to_le_bytes(), said.who.as_bytes(), &ts.0.to_le_bytes()];
    let ingest_id = format!("{:032x}", hash128(&parts));
    let event = json!({"tenant_id": tenant, "source": "kgroot", "event_type": "feedback", "ts": ts.to_string(),
        "severity": "info", "entity": {}, "correlation_ids": {}, "payload": payload.to_string(),
        "ingest_id": ingest_id, "schema_version": 1});
    let positions = api.append(&access, FAMILY, vec![event.to_string().into_bytes()]).await?;
    let position = positions.first().map(SourcePosition::to_string);
    Ok((StatusCode::ACCEPTED, Json(Taken { ingest_id, position, first })))
}

fn check(said: &Said) -> Result<(), Problem> {
    let invalid = |field: &'static str, detail: String| {
        Problem::unprocessable("feedback_invalid", detail).at(format!("/{field}"), "invalid")
    };
    if !(1..=PERSON_BYTES_MAX).contains(&said.who.trim().len()) || PERSON_BYTES_MAX < said.who.len() {
        return Err(invalid("who", format!("who is not 1 to {PERSON_BYTES_MAX} bytes")));
    }
    if NOTE_BYTES_MAX < said.note.len() {
        return Err(invalid("note", format!("note is more than {NOTE_BYTES_MAX} bytes")));
    }
    let Some(root) = &said.root else { return Ok(()) };
    if said.verdict != Verdict::Wrong {
        return Err(invalid("root", "root says what was the cause instead; only with wrong".to_owned()));
    }
    match Catalogue::built_in().kind(&root.kind) {
        Some(_) => Ok(()),
        None => Err(invalid("root", format!("no kind {:?}; kgroot rules kinds lists them", root.kind))),
    }
}

/// The incident with its chains, as of one epoch.
async fn concluded(
    api: &Api,
    access: &WriteAccess,
    incident: IncidentId,
) -> Result<(Arc<IncidentRow>, Vec<Arc<ChainRow>>), Problem> {
    let reading = access.reading();
    let filter = Filter { incident: Some(incident), ..Filter::default() };
    let all = |view| Query { filter: filter.clone(), ..Query::all(access.tenant(), view) };
    let found = api.peek(&reading, all(ViewName::Incidents)).await?;
    let Some(Row::Incident(row)) = found.rows.into_iter().next() else {
        let detail = format!("no incident {incident} in the views; judge it while it is there");
        return Err(Problem::new(StatusCode::NOT_FOUND, "incident_unknown", detail));
    };
    let chains = Query { as_of: Some(found.as_of.epoch), ..all(ViewName::Chains) };
    let chains = api.peek(&reading, chains).await?.rows.into_iter().filter_map(|row| match row {
        Row::Chain(chain) => Some(chain),
        _ => None,
    });
    Ok((row, chains.collect()))
}

/// Rules of the links that leave a root.
fn rules(chains: &[Arc<ChainRow>], root: EpisodeId) -> Vec<String> {
    let links = chains.iter().flat_map(|chain| &chain.links).filter(|link| link.cause.episode_id == root);
    let rules: BTreeSet<&str> = links.map(|link| &*link.rule).collect();
    rules.into_iter().take(RULES_MAX).map(str::to_owned).collect()
}

fn now() -> EventTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
