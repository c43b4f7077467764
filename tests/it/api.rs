//! The API over a running engine, asked over real HTTP.

use std::sync::Arc;

use bench::scenario::{Family, generate};
use query_api::{Api, Investigator, Problem, router};
use serde_json::{Value, json};

async fn served() -> (String, dataflow::engine::Engine) {
    let mut records = Vec::new();
    deploy::input::split(
        "recording",
        generate(Family::BadConfig, 7).recording("shop").as_bytes(),
        None,
        schemas::time::EventTime(0),
        &mut records,
    );
    let engine = deploy::engine::start().unwrap();
    deploy::engine::feed(&engine, &"shop".parse().unwrap(), &records, async |_, _| Ok(())).await.unwrap();
    let reader = engine.reader();
    let investigator: Investigator = Arc::new(move |question| {
        let reader = reader.clone();
        Box::pin(async move {
            agents::investigate(&reader, &question)
                .await
                .map_err(|error| Problem::unprocessable("question", error.to_string()))
        })
    });
    let api = router(Api::new(engine.reader(), investigator, None, None, Arc::new(true.into())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = axum::serve(listener, api);
    tokio::task::spawn_local(async move { server.await.unwrap() });
    (url, engine)
}

pub(crate) fn run(test: impl AsyncFnOnce(String)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let (url, engine) = served().await;
        test(url).await;
        drop(engine);
    });
}

pub(crate) async fn get(url: &str) -> (u16, Value) {
    let response = reqwest::get(url).await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

#[test]
fn an_investigation_is_answered_with_its_proof() {
    run(async |url| {
        let question = json!({"tenant_id": "shop", "query": "why does checkout fail?"});
        let response = reqwest::Client::new()
            .post(format!("{url}/api/v1/investigate"))
            .json(&question)
            .send()
            .await
            .unwrap();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["status"], "answered");
        assert_eq!(answer["hypotheses"][0]["root_cause"]["kind"], "github.push");
        assert!(answer["as_of"]["epoch"].as_u64().unwrap() > 0);
    });
}

#[test]
fn pages_follow_each_other_without_gap_or_repeat() {
    run(async |url| {
        let (_, all) = get(&format!("{url}/api/v1/episodes?tenant_id=shop&limit=500")).await;
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = get(&format!("{url}/api/v1/episodes?tenant_id=shop&limit=7{cursor}")).await;
            assert_eq!(status, 200);
            paged.extend(page["rows"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(&paged, all["rows"].as_array().unwrap());
    });
}

#[test]
fn refusals_are_problems_that_say_what_to_do() {
    run(async |url| {
        let cases = [
            ("/api/v1/incidents", 400, "tenant_missing"),
            ("/api/v1/incidents?tenant_id=NO", 400, "tenant_invalid"),
            ("/api/v1/incidents?tenant_id=nobody", 404, "tenant_unknown"),
            ("/api/v1/incidents?tenant_id=shop&limit=0", 422, "limit_invalid"),
            ("/api/v1/incidents?tenant_id=shop&as_of=99999", 422, "epoch_unreadable"),
            (
                "/api/v1/incidents?tenant_id=shop&from=2026-09-02T00:00:00Z&to=2026-09-01T00:00:00Z",
                422,
                "window_reversed",
            ),
            ("/api/v1/incidents?tenant_id=shop&colour=red", 400, "query_invalid"),
            ("/api/v1/changes?tenant_id=shop&view=incidnts", 422, "view_unknown"),
            ("/api/v1/nothing", 404, "route_unknown"),
        ];
        for (path, status, code) in cases {
            let (found, problem) = get(&format!("{url}{path}")).await;
            assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{path}: {problem}");
        }
        let malformed =
            reqwest::Client::new().post(format!("{url}/api/v1/investigate")).body("{").send().await.unwrap();
        assert_eq!(malformed.status(), 400);
        let wrong_method =
            reqwest::Client::new().delete(format!("{url}/api/v1/incidents")).send().await.unwrap();
        assert_eq!(wrong_method.status(), 405);
    });
}

#[test]
fn the_document_describes_the_routes() {
    run(async |url| {
        let (_, document) = get(&format!("{url}/openapi.json")).await;
        assert_eq!(document["openapi"], "3.1.0");
        for path in ["/api/v1/investigate", "/api/v1/incidents", "/api/v1/changes", "/readyz"] {
            assert!(document["paths"][path].is_object(), "{path}");
        }
        assert_eq!(get(&format!("{url}/readyz")).await.0, 200);
    });
}
