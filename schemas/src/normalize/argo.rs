//! Argo CD applications and Argo workflows.
//!
//! Edges: an application deploys each of its resources; the synced commit deploys the application.

use serde_json::Value;

use crate::catalogue::Kind;
use crate::entity::{Entity, EntityKind, Relation, RelationKind};
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Signal, clip};
use crate::object::parse::{entity_of, items, text, time};
use crate::time::EventTime;

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    Ok(if envelope.event_type == "workflow" {
        workflow(envelope, payload)
    } else {
        application(envelope, payload)
    })
}

fn application(envelope: &Envelope, payload: &Value) -> Normalized {
    let name = text(payload, &["metadata", "name"]);
    let entity = Entity::namespaced(EntityKind::Application, text(payload, &["metadata", "namespace"]), name);
    let (operation, health) =
        (&payload["status"]["operationState"], text(payload, &["status", "health", "status"]));
    let (phase, sync) = (text(operation, &["phase"]), text(payload, &["status", "sync", "status"]));
    let revision =
        [text(operation, &["syncResult", "revision"]), text(payload, &["status", "sync", "revision"])];
    let revision = revision.into_iter().find(|revision| !revision.is_empty()).unwrap_or_default();
    let words =
        clip(&format!("application {name}: sync {sync} {phase}, health {health}, revision {revision}"));
    let started = time(operation, &["startedAt"]).unwrap_or(envelope.ts).min(envelope.ts);
    let kind = match phase {
        "Running" => Some("argocd.sync.started"),
        "Succeeded" => Some("argocd.sync.succeeded"),
        "Failed" | "Error" => Some("argocd.sync.failed"),
        _ => None,
    };
    let mut facts = Vec::new();
    let mut say = |kind: &'static str, at: EventTime| {
        facts.push(Fact::Signal(Signal::at(entity.clone(), Kind::named(kind), at, &words)))
    };
    if let Some(kind) = kind {
        say(kind, started);
    }
    if health == "Degraded" {
        say("argocd.health.degraded", envelope.ts);
    }
    if sync == "OutOfSync" {
        say("argocd.out_of_sync", envelope.ts);
    }
    let deploys = |from: Entity, to: Entity| {
        Fact::Relation(Relation {
            from,
            kind: RelationKind::Deploys,
            to,
            valid_from: started,
            valid_to: None,
        })
    };
    if !revision.is_empty() {
        facts.push(deploys(Entity::global(EntityKind::Commit, revision), entity.clone()));
    }
    for resource in items(payload, &["status", "resources"]) {
        let target =
            entity_of(text(resource, &["kind"]), text(resource, &["namespace"]), text(resource, &["name"]));
        facts.extend(target.map(|target| deploys(entity.clone(), target)));
    }
    Normalized { facts, summary: words, ..Normalized::default() }
}

fn workflow(envelope: &Envelope, payload: &Value) -> Normalized {
    let name = text(payload, &["metadata", "name"]);
    let entity = Entity::global(EntityKind::PipelineRun, name);
    let phase = text(payload, &["status", "phase"]);
    let words = clip(&format!("workflow {name} {phase} {}", text(payload, &["status", "message"])));
    let kind = match phase {
        "Running" => "workflows.started",
        "Succeeded" => "workflows.succeeded",
        "Failed" | "Error" => "workflows.failed",
        _ => return Normalized { summary: words, ..Normalized::default() },
    };
    let mut facts = vec![Fact::Signal(Signal::at(entity.clone(), Kind::named(kind), envelope.ts, &words))];
    let labels = &payload["metadata"]["labels"];
    if let Some(sha) =
        ["commit", "revision", "sha"].into_iter().map(|key| text(labels, &[key])).find(|sha| !sha.is_empty())
    {
        let from = Entity::global(EntityKind::Commit, sha);
        facts.push(Fact::Relation(Relation {
            from,
            kind: RelationKind::Deploys,
            to: entity,
            valid_from: envelope.ts,
            valid_to: None,
        }));
    }
    Normalized { facts, summary: words, ..Normalized::default() }
}
