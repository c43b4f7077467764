//! GitHub events, by the name of the webhook event.
//!
//! Edges: a commit deploys the pipeline run of its SHA and the pull request that brought it; a deployment whose payload
//! names `namespace` and `workload` makes its commit and its run deploy that workload.

use serde_json::Value;

use crate::catalogue::Kind;
use crate::entity::{Entity, EntityKind, Relation, RelationKind};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Signal, clip};
use crate::ids::{EventKey, hash128};
use crate::object::parse::{int, text, time};
use crate::time::EventTime;

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let mut normalized = match envelope.event_type.as_str() {
        "push" => push(envelope, payload),
        "pull_request" => pull_request(envelope, payload),
        "workflow_run" => workflow_run(envelope, payload),
        "deployment" | "deployment_status" => deployment(envelope, payload),
        "release" => said(
            commit_or_repository(payload),
            "github.release",
            envelope.ts,
            &format!("released {}", text(payload, &["release", "tag_name"])),
        ),
        other => Normalized {
            summary: clip(&format!("{other} in {}", repository(payload))),
            ..Normalized::default()
        },
    };
    if normalized.summary.is_empty() {
        normalized.summary = clip(&format!("{} in {}", envelope.event_type, repository(payload)));
    }
    Ok(normalized)
}

fn repository(payload: &Value) -> &str {
    text(payload, &["repository", "full_name"])
}

fn commit(sha: &str) -> Entity {
    Entity::global(EntityKind::Commit, sha)
}

fn commit_or_repository(payload: &Value) -> Entity {
    match text(payload, &["release", "target_commitish"]) {
        sha if sha.len() == 40 => commit(sha),
        _ => Entity::global(EntityKind::Repository, repository(payload)),
    }
}

fn said(entity: Entity, kind: &'static str, at: EventTime, words: &str) -> Normalized {
    let signal = Signal::at(entity, Kind::named(kind), at, words);
    Normalized { facts: vec![Fact::Signal(signal)], summary: clip(words), ..Normalized::default() }
}

fn edge(from: Entity, to: Entity, since: EventTime) -> Fact {
    Fact::Relation(Relation { from, kind: RelationKind::Deploys, to, valid_from: since, valid_to: None })
}

fn push(envelope: &Envelope, payload: &Value) -> Normalized {
    let head = &payload["head_commit"];
    let sha = if text(head, &["id"]).is_empty() { text(payload, &["after"]) } else { text(head, &["id"]) };
    // The zero SHA: the branch was deleted.
    if sha.is_empty() || sha.bytes().all(|byte| byte == b'0') {
        return Normalized::default();
    }
    let title = text(head, &["message"]).lines().next().unwrap_or_default();
    let author = [
        text(head, &["author", "username"]),
        text(head, &["author", "name"]),
        text(payload, &["pusher", "name"]),
    ];
    let author = author.into_iter().find(|name| !name.is_empty()).unwrap_or("someone");
    let words = format!("{author} pushed {} to {}: {title}", short(sha), repository(payload));
    said(commit(sha), "github.push", envelope.ts, &words)
}

fn short(sha: &str) -> &str {
    sha.get(..8).unwrap_or(sha)
}

fn pull_request(envelope: &Envelope, payload: &Value) -> Normalized {
    let pull = &payload["pull_request"];
    let merged = pull["merged"].as_bool().unwrap_or(false) && text(payload, &["action"]) == "closed";
    let name = format!("{}#{}", repository(payload), int(pull, &["number"]));
    let words = format!(
        "{} {} by {}: {}",
        name,
        text(payload, &["action"]),
        text(pull, &["user", "login"]),
        text(pull, &["title"])
    );
    if !merged {
        return Normalized { summary: clip(&words), ..Normalized::default() };
    }
    let entity = Entity::global(EntityKind::PullRequest, &name);
    let mut normalized = said(entity.clone(), "github.pull_request.merged", envelope.ts, &words);
    let sha = text(pull, &["merge_commit_sha"]);
    if !sha.is_empty() {
        normalized.facts.push(edge(commit(sha), entity, envelope.ts));
    }
    normalized
}

fn run_entity(payload: &Value, id: i64) -> Entity {
    Entity::global(EntityKind::PipelineRun, &format!("{}#{id}", repository(payload)))
}

fn workflow_run(envelope: &Envelope, payload: &Value) -> Normalized {
    let run = &payload["workflow_run"];
    let entity = run_entity(payload, int(run, &["id"]));
    let (conclusion, name) = (text(run, &["conclusion"]), text(run, &["name"]));
    let (kind, revision) = match (text(payload, &["action"]), conclusion) {
        ("completed", "success") => ("github.workflow_run.succeeded", 2),
        ("completed", "failure" | "timed_out" | "cancelled" | "startup_failure") => {
            ("github.workflow_run.failed", 2)
        }
        ("completed", _) => return Normalized::default(),
        _ => ("github.workflow_run.started", 1),
    };
    let started =
        time(run, &["run_started_at"]).or_else(|| time(run, &["created_at"])).unwrap_or(envelope.ts);
    let words =
        format!("{name} run {} {} {conclusion}", int(run, &["run_number"]), text(payload, &["action"]));
    let mut normalized = said(entity.clone(), kind, started.min(envelope.ts), &words);
    if let Some(Fact::Signal(signal)) = normalized.facts.first_mut() {
        signal.last = envelope.ts;
    }
    let sha = text(run, &["head_sha"]);
    if !sha.is_empty() {
        normalized.facts.push(edge(commit(sha), entity.clone(), started.min(envelope.ts)));
    }
    let attempt = int(run, &["run_attempt"]).to_string();
    let key = [envelope.tenant_id.as_str(), "github", &entity.name, &attempt].map(str::as_bytes);
    normalized.key = Some(EventKey(hash128(&key)));
    normalized.revision = revision;
    normalized
}

fn deployment(envelope: &Envelope, payload: &Value) -> Normalized {
    let deployment = &payload["deployment"];
    let (sha, state) = (text(deployment, &["sha"]), text(payload, &["deployment_status", "state"]));
    let kind = match (envelope.event_type.as_str(), state) {
        ("deployment", _) => "github.deployment.created",
        (_, "success") => "github.deployment_status.success",
        (_, "failure" | "error") => "github.deployment_status.failure",
        _ => "github.deployment_status.in_progress",
    };
    let target = workload(&deployment["payload"]);
    let words = format!("deployment of {} to {} {state}", short(sha), text(deployment, &["environment"]));
    let entity = target.clone().unwrap_or_else(|| commit(sha));
    let mut normalized = said(entity, kind, envelope.ts, &words);
    if let Some(target) = target {
        if !sha.is_empty() {
            normalized.facts.push(edge(commit(sha), target.clone(), envelope.ts));
        }
        let run = int(&payload["workflow_run"], &["id"]);
        if run != 0 {
            normalized.facts.push(edge(run_entity(payload, run), target, envelope.ts));
        }
    }
    normalized
}

/// The workload that a deployment's own payload names.
fn workload(payload: &Value) -> Option<Entity> {
    let name = [text(payload, &["workload"]), text(payload, &["service"])]
        .into_iter()
        .find(|name| !name.is_empty())?;
    Some(Entity::namespaced(EntityKind::Deployment, text(payload, &["namespace"]), name))
}
