//! Reads the answers of GitHub.

use serde_json::{Value, json};

use crate::tool::ToolError;
use crate::tool::vendor::summary;

/// Commits that are shown.
pub(super) const COMMITS: usize = 30;
/// Files that are shown of one change.
const FILES: usize = 20;
/// Bytes that are shown of one patch.
const PATCH: usize = 2_048;
/// Runs that are shown.
const RUNS: usize = 20;
/// Jobs of a run, steps of a job, pull requests.
const FEW: usize = 10;

/// A commit in short.
pub(super) fn commit(commit: &Value) -> Value {
    let message = summary::text(commit, "/commit/message");
    let title = message.lines().next().unwrap_or_default();
    json!({
        "sha": summary::said(commit, "/sha", 64),
        "title": summary::line(title, summary::NAME),
        "author": summary::said(commit, "/commit/author/name", summary::NAME),
        "login": summary::said(commit, "/author/login", 60),
        "authored_at": summary::time(commit, "/commit/author/date"),
        "committed_at": summary::time(commit, "/commit/committer/date"),
        "page": summary::page(commit, "/html_url"),
    })
}

/// A commit with what it changes.
pub(super) fn commit_with_files(answer: &Value) -> Result<Value, ToolError> {
    if summary::text(answer, "/sha").is_empty() {
        return Err(ToolError::Garbage("this is not a commit".to_owned()));
    }
    let mut read = commit(answer);
    read["additions"] = summary::number(answer, "/stats/additions");
    read["deletions"] = summary::number(answer, "/stats/deletions");
    read["files"] = files(answer);
    Ok(read)
}

fn files(answer: &Value) -> Value {
    summary::list(summary::items(answer, "/files"), FILES, |file| {
        let mut patch = summary::block(summary::text(file, "/patch"), PATCH);
        patch.truncate(patch.floor_char_boundary(PATCH));
        json!({
            "name": summary::said(file, "/filename", summary::NAME),
            "status": summary::said(file, "/status", 20),
            "additions": summary::number(file, "/additions"),
            "deletions": summary::number(file, "/deletions"),
            "patch": if patch.is_empty() { Value::Null } else { Value::String(patch) },
        })
    })
}

/// What lies between two commits.
pub(super) fn comparison(answer: &Value) -> Result<Value, ToolError> {
    let commits = summary::needed(answer, "/commits")?;
    Ok(json!({
        "status": summary::said(answer, "/status", 20),
        "ahead_by": summary::number(answer, "/ahead_by"),
        "behind_by": summary::number(answer, "/behind_by"),
        "total_commits": summary::number(answer, "/total_commits"),
        "commits": summary::list(commits, COMMITS, commit),
        "files": files(answer),
        "page": summary::page(answer, "/html_url"),
    }))
}

/// Pull requests.
pub(super) fn pull_requests(answer: &Value) -> Result<Value, ToolError> {
    let pull_request = |pull: &Value| {
        json!({
            "number": summary::number(pull, "/number"),
            "title": summary::said(pull, "/title", summary::NAME),
            "body": summary::said(pull, "/body", summary::TEXT),
            "state": summary::said(pull, "/state", 20),
            "author": summary::said(pull, "/user/login", 60),
            "merged_at": summary::time(pull, "/merged_at"),
            "base": summary::said(pull, "/base/ref", summary::NAME),
            "head": summary::said(pull, "/head/ref", summary::NAME),
            "page": summary::page(pull, "/html_url"),
        })
    };
    Ok(json!({ "pull_requests": summary::list(summary::needed(answer, "")?, FEW, pull_request) }))
}

/// Workflow runs.
pub(super) fn runs(answer: &Value) -> Result<Value, ToolError> {
    let run = |run: &Value| {
        json!({
            "name": summary::said(run, "/name", summary::NAME),
            "event": summary::said(run, "/event", 40),
            "status": summary::said(run, "/status", 40),
            "conclusion": summary::said(run, "/conclusion", 40),
            "attempt": summary::number(run, "/run_attempt"),
            "started_at": summary::time(run, "/run_started_at"),
            "updated_at": summary::time(run, "/updated_at"),
            "page": summary::page(run, "/html_url"),
        })
    };
    let runs = summary::list(summary::needed(answer, "/workflow_runs")?, RUNS, run);
    Ok(json!({ "runs": runs, "total": summary::number(answer, "/total_count") }))
}

fn failed(value: &Value) -> bool {
    matches!(summary::text(value, "/conclusion"), "failure" | "timed_out" | "startup_failure")
}

/// The failed ones of the runs that are shown: where they stand, and their ids.
pub(super) fn failed_runs(answer: &Value) -> Vec<(usize, String)> {
    let shown = summary::items(answer, "/workflow_runs").iter().take(RUNS).enumerate();
    let id = |run: &Value| run.get("id").and_then(Value::as_u64).map(|id| id.to_string());
    shown.filter(|(_, run)| failed(run)).filter_map(|(position, run)| Some((position, id(run)?))).collect()
}

/// The failed jobs of a run.
pub(super) fn failed_jobs(answer: &Value) -> Result<Value, ToolError> {
    let jobs = summary::needed(answer, "/jobs")?.iter().filter(|job| failed(job));
    Ok(summary::list(jobs, FEW, |job| {
        let steps = summary::items(job, "/steps").iter().filter(|step| failed(step));
        json!({
            "name": summary::said(job, "/name", summary::NAME),
            "conclusion": summary::said(job, "/conclusion", 40),
            "failed_steps": summary::list(steps, FEW, |step| summary::said(step, "/name", summary::NAME)),
        })
    }))
}
