//! `kgroot run` without a server: records by HTTP, the embedded log, a kill, the same views again.

use bench::load::Load;
use dataflow::ingest::clock::now;
use dataflow::ingest::embedded::EmbeddedLog;
use serde_json::{Value, json};

use crate::program::{Program, until};

const LISTEN: &str = "127.0.0.1:18766";
const TENANT: &str = "load";
const RECORDS: usize = 2_000;
const BROKEN: usize = 3;

/// Lines of records and of three that nobody can read, then all of the first hundred again.
fn lines() -> String {
    let mut load = Load::new(3, &TENANT.parse().unwrap());
    let at = now();
    let mut lines: Vec<String> =
        (0..RECORDS).map(|_| String::from_utf8(load.record(at).1).unwrap()).collect();
    lines.extend((0..BROKEN).map(|index| format!("{{\"broken\": {index}}}")));
    lines.extend(lines[..100].to_vec());
    lines.join("\n")
}

async fn post(program: &Program, path: &str, body: String) -> (u16, Value) {
    let request = reqwest::Client::new()
        .post(program.url(path))
        .header("content-type", "application/x-ndjson")
        .body(body);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = std::env::temp_dir().join(format!("kgroot-run-{}", std::process::id()));
    let set = [format!("data={}", folder.display()), "sinks.history=on".to_owned()];
    let wanted = (u64::try_from(RECORDS).unwrap(), 100, u64::try_from(BROKEN).unwrap());
    let (seen, kept_at) = runtime.block_on(async {
        let program = Program::run(LISTEN, &set);
        until("the program answers", async || program.get("/openapi.json").await).await;
        let (status, appended) =
            post(&program, &format!("/api/v1/ingest/otel?tenant_id={TENANT}"), lines()).await;
        assert_eq!((status, &appended["records"]), (202, &json!(RECORDS + BROKEN + 100)), "{appended}");
        let refused = [
            (format!("/api/v1/ingest/otl?tenant_id={TENANT}"), "x", 404, "family_unknown"),
            ("/api/v1/ingest/otel".to_owned(), "x", 400, "tenant_missing"),
            (format!("/api/v1/ingest/otel?tenant_id={TENANT}"), " \n ", 400, "body_empty"),
        ];
        for (path, body, status, code) in refused {
            let (found, problem) = post(&program, &path, body.to_owned()).await;
            assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{problem}");
        }
        until("all are counted", async || (program.counts(TENANT).await == wanted).then_some(())).await;
        let question = json!({ "tenant_id": TENANT, "query": "what is wrong?" });
        let request = reqwest::Client::new().post(program.url("/api/v1/investigate")).json(&question);
        let response = request.send().await.unwrap();
        let kept_at = response.headers()["content-location"].to_str().unwrap().to_owned();
        followed(&program).await;
        (episodes(&program).await, kept_at)
    });
    runtime.block_on(async {
        let program = Program::run(LISTEN, &set);
        until("all are counted again", async || (program.counts(TENANT).await == wanted).then_some(())).await;
        assert_eq!(episodes(&program).await, seen);
        let kept = program.get(&kept_at).await.unwrap();
        assert_eq!(kept["question"]["query"], "what is wrong?", "{kept}");
        followed(&program).await;
    });
    let log = EmbeddedLog::open(&folder.join("log"), i64::MAX).unwrap();
    let letters = log.dead_letters(&format!("otel-{TENANT}.dlq")).unwrap();
    assert_eq!(letters.len(), BROKEN, "one letter for each, although they were read twice");
    let reason: Value = serde_json::from_slice(&letters[0].0).unwrap();
    assert_eq!(
        (reason["x-error-code"].as_str(), letters[0].1.as_slice()),
        (Some("unknown_format"), &br#"{"broken": 0}"#[..])
    );
    std::fs::remove_dir_all(folder).unwrap();
}

/// Waits until the history has the incidents of the view, and says that they are live.
async fn followed(program: &Program) {
    let rows = async |path: &str| {
        let page = program.get(&format!("/api/v1/{path}?tenant_id={TENANT}&limit=500")).await?;
        page["rows"].as_array().cloned()
    };
    let sorted = |mut rows: Vec<Value>| {
        rows.sort_by_key(|row| row["incident_id"].to_string());
        rows
    };
    until("the history has the incidents", async || {
        let view = sorted(rows("incidents").await?);
        assert!(!view.is_empty());
        let past = rows("history").await?.into_iter().filter(|past| past["live"] == true);
        (sorted(past.map(|past| past["incident"].clone()).collect()) == view).then_some(())
    })
    .await;
}

/// Episodes without the epoch from which they were readable: a restart cuts the log into other batches.
async fn episodes(program: &Program) -> Vec<Value> {
    let page = program.get(&format!("/api/v1/episodes?tenant_id={TENANT}&limit=500")).await.unwrap();
    let mut rows = page["rows"].as_array().unwrap().clone();
    assert!(!rows.is_empty());
    for row in &mut rows {
        row.as_object_mut().unwrap().remove("since");
    }
    rows
}
