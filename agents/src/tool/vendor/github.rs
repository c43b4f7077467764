//! GitHub: commits, what lies between two of them, their pull requests and their workflow runs.
//!
//! Wire: the pages "REST API endpoints for commits", "for pull requests" and "for workflow runs/jobs" of the GitHub REST
//! API documentation, version 2022-11-28. Addresses of people are
//! not kept.

mod read;
#[cfg(test)]
mod tests;

use schemas::time::EventTime;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Question, arguments, summary, tool};
use crate::tool::endpoint::Endpoint;
use crate::tool::{Category, Tool, ToolError};

/// Failed runs whose jobs are asked for.
const FAILED_RUNS: usize = 5;
/// Elements that are asked for on the one page that is read.
const PER_PAGE: &str = "50";

/// What configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Repositories that may be asked about, as `owner/name`; if there are none, all that the credentials can see.
    pub repositories: Vec<String>,
}

/// The tools of one GitHub.
///
/// # Errors
/// A configured repository is not `owner/name`.
pub fn tools(connection: &str, endpoint: Endpoint, options: &Options) -> Result<Vec<Box<dyn Tool>>, String> {
    for repository in &options.repositories {
        split(repository).map_err(|error| format!("repositories: {error}"))?;
    }
    let known = Repositories(options.repositories.clone());
    Ok(vec![
        tool(connection, &endpoint, Commit(known.clone())),
        tool(connection, &endpoint, Compare(known.clone())),
        tool(connection, &endpoint, PullRequests(known.clone())),
        tool(connection, &endpoint, WorkflowRuns(known.clone())),
        tool(connection, &endpoint, RecentCommits(known)),
    ])
}

/// Repositories that may be asked about; none: all.
#[derive(Clone)]
struct Repositories(Vec<String>);

/// A repository of a call, in its two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Repository<'a> {
    owner: &'a str,
    name: &'a str,
}

/// The parts of `owner/name`.
fn split(repository: &str) -> Result<Repository<'_>, ToolError> {
    let parts = repository.split_once('/').ok_or_else(|| arguments::refused("a repository is owner/name"))?;
    arguments::check_segment(parts.0, 39)?;
    arguments::check_segment(parts.1, 100)?;
    Ok(Repository { owner: parts.0, name: parts.1 })
}

impl Repositories {
    fn allowed<'a>(&self, repository: &'a str) -> Result<Repository<'a>, ToolError> {
        let parts = split(repository)?;
        if self.0.is_empty() || self.0.iter().any(|known| known.eq_ignore_ascii_case(repository)) {
            return Ok(parts);
        }
        Err(arguments::refused("this repository is not configured"))
    }

    /// The schema of a call about a repository.
    fn schema(&self, required: &[&str], mut properties: Value) -> Value {
        properties["repository"] = if self.0.is_empty() {
            arguments::pattern("owner/name", "^[A-Za-z0-9_.-]{1,39}/[A-Za-z0-9_.-]{1,100}$", 140)
        } else {
            json!({ "type": "string", "enum": self.0, "description": "owner/name" })
        };
        arguments::object(&[&["repository"], required].concat(), properties)
    }
}

/// A full or shortened hash.
fn check_commit(commit: &str) -> Result<(), ToolError> {
    if (7..=64).contains(&commit.len()) && commit.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(arguments::refused("a commit is 7 to 64 hexadecimal digits"))
}

fn commit_schema() -> Value {
    arguments::pattern("hash of a commit", "^[0-9a-fA-F]{7,64}$", 64)
}

async fn get(
    endpoint: &Endpoint,
    repository: Repository<'_>,
    rest: &[&str],
    query: &[(&str, &str)],
) -> Result<Value, ToolError> {
    let path = [&["repos", repository.owner, repository.name], rest].concat();
    endpoint.get(&path, query).await
}

#[derive(Deserialize)]
struct OfCommit {
    repository: String,
    commit: String,
}

struct Commit(Repositories);

impl Question for Commit {
    const OPERATION: &'static str = "commit";
    const DESCRIPTION: &'static str =
        "What one commit says and changes: author, files, the start of each patch.";
    const CATEGORY: Category = Category::Code;

    fn parameters(&self) -> Value {
        self.0.schema(&["commit"], json!({ "commit": commit_schema() }))
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let of: OfCommit = arguments::read(arguments)?;
        let repository = self.0.allowed(&of.repository)?;
        check_commit(&of.commit)?;
        read::commit_with_files(&get(endpoint, repository, &["commits", &of.commit], &[]).await?)
    }
}

#[derive(Deserialize)]
struct Between {
    repository: String,
    base: String,
    head: String,
}

struct Compare(Repositories);

impl Question for Compare {
    const OPERATION: &'static str = "compare";
    const DESCRIPTION: &'static str =
        "Commits and files between two commits or tags of a repository, such as two deployed versions.";
    const CATEGORY: Category = Category::Code;

    fn parameters(&self) -> Value {
        let reference = |what| arguments::pattern(what, "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$", 100);
        let ends =
            json!({ "base": reference("the older commit or tag"), "head": reference("the newer one") });
        self.0.schema(&["base", "head"], ends)
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let between: Between = arguments::read(arguments)?;
        let repository = self.0.allowed(&between.repository)?;
        arguments::check_segment(&between.base, 100)?;
        arguments::check_segment(&between.head, 100)?;
        let ends = format!("{}...{}", between.base, between.head);
        read::comparison(&get(endpoint, repository, &["compare", &ends], &[("per_page", PER_PAGE)]).await?)
    }
}

struct PullRequests(Repositories);

impl Question for PullRequests {
    const OPERATION: &'static str = "pull_requests_of_commit";
    const DESCRIPTION: &'static str = "Pull requests that a commit came with.";
    const CATEGORY: Category = Category::Code;

    fn parameters(&self) -> Value {
        self.0.schema(&["commit"], json!({ "commit": commit_schema() }))
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let of: OfCommit = arguments::read(arguments)?;
        let repository = self.0.allowed(&of.repository)?;
        check_commit(&of.commit)?;
        read::pull_requests(&get(endpoint, repository, &["commits", &of.commit, "pulls"], &[]).await?)
    }
}

struct WorkflowRuns(Repositories);

impl Question for WorkflowRuns {
    const OPERATION: &'static str = "workflow_runs";
    const DESCRIPTION: &'static str = "Workflow runs of a commit, with the jobs and steps that failed.";
    const CATEGORY: Category = Category::Code;
    const CALLS_PER_MINUTE: u32 = 20;

    fn parameters(&self) -> Value {
        let full = arguments::pattern("full hash of the commit", "^[0-9a-fA-F]{40,64}$", 64);
        self.0.schema(&["commit"], json!({ "commit": full }))
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let of: OfCommit = arguments::read(arguments)?;
        let repository = self.0.allowed(&of.repository)?;
        check_commit(&of.commit)?;
        let query = [("head_sha", &*of.commit), ("per_page", PER_PAGE)];
        let answer = get(endpoint, repository, &["actions", "runs"], &query).await?;
        let mut runs = read::runs(&answer)?;
        for (position, id) in read::failed_runs(&answer).into_iter().take(FAILED_RUNS) {
            let path = ["actions", "runs", &id, "jobs"];
            let jobs = get(endpoint, repository, &path, &[("per_page", PER_PAGE)]).await?;
            runs["runs"]["shown"][position]["failed_jobs"] = read::failed_jobs(&jobs)?;
        }
        Ok(runs)
    }
}

#[derive(Deserialize)]
struct Until {
    repository: String,
    until: EventTime,
}

struct RecentCommits(Repositories);

impl Question for RecentCommits {
    const OPERATION: &'static str = "recent_commits";
    const DESCRIPTION: &'static str = "The last commits on the default branch of a repository until a time.";
    const CATEGORY: Category = Category::Code;

    fn parameters(&self) -> Value {
        self.0.schema(&["until"], json!({ "until": arguments::time("the time") }))
    }

    async fn ask(&self, endpoint: &Endpoint, arguments: &Value) -> Result<Value, ToolError> {
        let until: Until = arguments::read(arguments)?;
        let repository = self.0.allowed(&until.repository)?;
        let time = until.until.to_string();
        let query = [("until", &*time), ("per_page", PER_PAGE)];
        let answer = get(endpoint, repository, &["commits"], &query).await?;
        let commits = summary::needed(&answer, "")?;
        Ok(json!({ "commits": summary::list(commits, read::COMMITS, read::commit) }))
    }
}
