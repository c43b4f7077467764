//! Answers as the pages for commits, pull requests, workflow runs and jobs of the GitHub REST API documentation show them.

use super::super::stub::{answer, ask, failures};
use super::*;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

fn made(endpoint: Endpoint) -> Vec<Box<dyn Tool>> {
    tools("gh", endpoint, &Options::default()).unwrap()
}

fn of_commit() -> Value {
    json!({"repository": "acme/checkout", "commit": SHA})
}

fn commit(message: &str, files: Value) -> Value {
    json!({"sha": SHA, "html_url": "https://github.com/acme/checkout/commit/0123",
        "commit": {"message": message, "author": {"name": "Ann", "email": "ann@example.com", "date": "2026-03-01T09:00:00Z"},
            "committer": {"date": "2026-03-01T09:01:00Z"}},
        "author": null, "stats": {"total": 3, "additions": 2, "deletions": 1}, "files": files})
}

#[tokio::test]
async fn a_commit_is_read_without_addresses() {
    let files = json!([{"filename": "src/pool.rs", "status": "modified", "additions": 2, "deletions": 1, "changes": 3,
        "patch": "@@ -1 +1,2 @@\n-max: 10\n+max: 1"}, {"filename": "logo.png", "status": "added"}]);
    let found = commit("Pool: fewer connections\n\nBecause.", files);
    let (result, asked) = ask(made, "gh.commit", of_commit(), vec![answer(200, found)]).await;
    let result = result.unwrap();
    assert_eq!(asked[0].line, format!("GET /base/repos/acme/checkout/commits/{SHA}"));
    assert_eq!((&result["title"], &result["login"]), (&json!("Pool: fewer connections"), &Value::Null));
    assert_eq!(result["files"]["shown"][0]["patch"], "@@ -1 +1,2 @@\n-max: 10\n+max: 1");
    assert_eq!(result["files"]["shown"][1]["patch"], Value::Null);
    assert!(!result.to_string().contains("example.com"));
}

#[tokio::test]
async fn failures_are_told_as_what_to_do() {
    failures(made, "gh.commit", of_commit()).await;
    failures(made, "gh.pull_requests_of_commit", of_commit()).await;
    failures(made, "gh.workflow_runs", of_commit()).await;
    failures(made, "gh.compare", json!({"repository": "a/b", "base": "v1", "head": "v2"})).await;
    let until = json!({"repository": "a/b", "until": "2026-03-01T09:00:00Z"});
    failures(made, "gh.recent_commits", until).await;
}

#[tokio::test]
async fn two_versions_are_compared() {
    let found = json!({"status": "ahead", "ahead_by": 2, "behind_by": 0, "total_commits": 2,
        "commits": [commit("one", json!(null)), commit("two", json!(null))], "files": null});
    let arguments = json!({"repository": "acme/.github", "base": "v1.2.3", "head": "0123abc"});
    let (result, asked) = ask(made, "gh.compare", arguments, vec![answer(200, found)]).await;
    let result = result.unwrap();
    assert_eq!(asked[0].line, "GET /base/repos/acme/.github/compare/v1.2.3...0123abc?per_page=50");
    assert_eq!(result["commits"]["shown"][1]["title"], "two");
    assert_eq!(result["files"], json!({"shown": [], "left_out": 0}));
}

#[tokio::test]
async fn failed_runs_say_which_jobs_failed() {
    let run = |id: u64, conclusion: Value| {
        json!({"id": id, "name": "ci", "status": "completed", "conclusion": conclusion,
        "html_url": "https://github.com/acme/checkout/actions/runs/7", "updated_at": "2026-03-01T09:00:00Z"})
    };
    let runs = json!({"total_count": 3, "workflow_runs": [run(6, json!("success")), run(7, json!("failure")), run(8, json!(null))]});
    let jobs = json!({"total_count": 2, "jobs": [{"name": "lint", "conclusion": "success", "steps": []},
        {"name": "test", "conclusion": "failure", "steps": [{"name": "build", "conclusion": "success"},
            {"name": "run tests", "conclusion": "failure"}]}]});
    let answers = vec![answer(200, runs), answer(200, jobs)];
    let (result, asked) = ask(made, "gh.workflow_runs", of_commit(), answers).await;
    let result = result.unwrap();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].line, "GET /base/repos/acme/checkout/actions/runs/7/jobs?per_page=50");
    let failed = &result["runs"]["shown"][1]["failed_jobs"];
    assert_eq!(failed["shown"][0]["name"], "test");
    assert_eq!(failed["shown"][0]["failed_steps"]["shown"], json!(["run tests"]));
    assert!(result["runs"]["shown"][0].get("failed_jobs").is_none());
}

#[tokio::test]
async fn pull_requests_and_recent_commits_are_listed() {
    let pulls = json!([{"number": 17, "title": "Fewer connections", "body": null, "state": "closed", "user": {"login": "ann"},
        "merged_at": "2026-03-01T08:00:00Z", "base": {"ref": "main"}, "head": {"ref": "pool"},
        "html_url": "http://evil.example/?leak"}]);
    let (result, _) = ask(made, "gh.pull_requests_of_commit", of_commit(), vec![answer(200, pulls)]).await;
    let pull = &result.unwrap()["pull_requests"]["shown"][0];
    assert_eq!((&pull["number"], &pull["page"]), (&json!(17), &Value::Null));
    let until = json!({"repository": "acme/checkout", "until": "2026-03-01T10:00:00+01:00"});
    let (result, asked) = ask(made, "gh.recent_commits", until, vec![answer(200, json!([]))]).await;
    assert_eq!(result.unwrap()["commits"], json!({"shown": [], "left_out": 0}));
    assert_eq!(
        asked[0].line,
        "GET /base/repos/acme/checkout/commits?until=2026-03-01T09%3A00%3A00.000Z&per_page=50"
    );
}

#[test]
fn repositories_are_two_names_and_only_configured_ones() {
    let any = Repositories(Vec::new());
    assert!(any.allowed("acme/check.out_1-2").is_ok());
    for bad in [
        "acme",
        "acme/",
        "/x",
        "a/b/c",
        "../etc",
        "acme/..",
        "acme/.",
        "a b/c",
        "acme/x?y",
        "acme/x#y",
        "acme/x%2fy",
    ] {
        assert_eq!(any.allowed(bad).unwrap_err().code(), "arguments", "{bad}");
    }
    let one = Repositories(vec!["acme/checkout".to_owned()]);
    assert!(one.allowed("Acme/Checkout").is_ok());
    assert!(one.allowed("acme/other").is_err());
    assert!(check_commit(SHA).is_ok());
    for bad in ["", "abc", "main..evil", "012345g", &"a".repeat(65)] {
        assert!(check_commit(bad).is_err(), "{bad}");
    }
    let options = Options { repositories: vec!["nothing".to_owned()] };
    let egress = crate::tool::endpoint::Egress { allow_private: true, response_bytes: 1 };
    assert!(tools("gh", Endpoint::new("http://127.0.0.1:1", &[], &egress).unwrap(), &options).is_err());
}

#[test]
fn large_commits_and_hostile_texts_are_cut() {
    let hostile = format!("\u{1b}[0m\u{202e}{}", "ü\u{0}".repeat(2_100));
    let file =
        json!({"filename": hostile, "status": hostile, "additions": 1, "deletions": "x", "patch": hostile});
    let read = read::commit_with_files(&commit(&hostile, json!(vec![file; 3_000]))).unwrap();
    assert_eq!(read["files"]["left_out"], 2_980);
    let first = &read["files"]["shown"][0];
    assert!(first["patch"].as_str().unwrap().len() <= 2_048);
    assert_eq!(first["deletions"], Value::Null);
    assert!(read.to_string().len() < 80_000);
}

#[test]
fn null_and_foreign_answers_are_read_or_refused() {
    let bare = read::commit_with_files(&json!({"sha": SHA, "commit": null, "files": null})).unwrap();
    assert_eq!((&bare["title"], &bare["author"]), (&json!(""), &Value::Null));
    assert!(read::commit_with_files(&json!({"message": "Not Found"})).is_err());
    assert!(read::comparison(&json!({"commits": null})).is_err());
    assert!(read::runs(&json!({"workflow_runs": {}})).is_err());
    assert!(read::failed_jobs(&json!([])).is_err());
    assert!(
        read::failed_runs(&json!({"workflow_runs": [null, {"id": "../7", "conclusion": "failure"}]}))
            .is_empty()
    );
}
