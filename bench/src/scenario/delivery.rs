//! Commits, pipelines, syncs: how a change reaches the cluster.

use schemas::time::EventTime;
use serde_json::{Value, json};

use super::objects::NAMESPACE;

/// The repository that configures the shop.
pub(super) const REPOSITORY: &str = "example/shop-deploy";

/// One change on its way.
#[derive(Clone, Debug)]
pub(super) struct Change<'a> {
    pub(super) sha: &'a str,
    pub(super) author: &'a str,
    pub(super) title: &'a str,
    pub(super) run: i64,
    pub(super) application: &'a str,
}

fn hook(event: &str, delivery: &str, payload: Value) -> Value {
    json!({"event": event, "delivery": delivery, "payload": payload})
}

pub(super) fn push(change: &Change<'_>, at: EventTime) -> Value {
    let head = json!({"id": change.sha, "message": change.title, "timestamp": at.to_string(), "author": {"username": change.author}});
    let payload = json!({"ref": "refs/heads/main", "after": change.sha, "commits": [head], "head_commit": head, "repository": {"full_name": REPOSITORY}});
    hook("push", &format!("push-{}", change.sha), payload)
}

pub(super) fn run(
    change: &Change<'_>,
    action: &str,
    conclusion: Option<&str>,
    started: EventTime,
    at: EventTime,
) -> Value {
    let run = json!({"id": change.run, "run_number": change.run, "run_attempt": 1, "name": "deliver", "head_sha": change.sha, "conclusion": conclusion,
        "run_started_at": started.to_string(), "created_at": started.to_string(), "updated_at": at.to_string()});
    hook(
        "workflow_run",
        &format!("run-{}-{action}", change.run),
        json!({"action": action, "workflow_run": run, "repository": {"full_name": REPOSITORY}}),
    )
}

/// An Argo CD application after a sync of the change; `resources` are (kind, name) in the shop's namespace.
pub(super) fn synced(
    change: &Change<'_>,
    resources: &[(&str, String)],
    started: EventTime,
    at: EventTime,
) -> Value {
    let resources: Vec<Value> = resources
        .iter()
        .map(|(kind, name)| json!({"kind": kind, "namespace": NAMESPACE, "name": name, "status": "Synced"}))
        .collect();
    json!({"app": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": change.application, "namespace": "argocd"},
        "status": {"sync": {"status": "Synced", "revision": change.sha}, "health": {"status": "Progressing"}, "resources": resources,
            "operationState": {"phase": "Succeeded", "startedAt": started.to_string(), "finishedAt": at.to_string(), "syncResult": {"revision": change.sha}}}}})
}
