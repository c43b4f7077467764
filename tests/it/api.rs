//! The API over a running engine, asked over real HTTP.

use std::sync::Arc;

use agents::tool::registry::Toolbox;
use bench::scenario::{Family, generate};
use query_api::{Api, router};
use schemas::state::ProductState;
use serde_json::{Value, json};
use sinks::cache::Cache;
use sinks::state::{Database, Place, serve};

/// Investigations an hour.
const LIMIT: u32 = 3;

async fn served(toolbox: Toolbox, place: &Place) -> (String, dataflow::engine::Engine) {
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
    let database = Database::open(place, i64::MAX).await.unwrap();
    let (requests, asked) = tokio::sync::mpsc::channel(8);
    tokio::task::spawn_local(serve(database, Cache::local(LIMIT), asked));
    let state = ProductState::new(requests);
    let desk = agents::Desk::new(
        agents::Investigator::new(reader)
            .with_state(state.clone())
            .with_tools(agents::plan::roster::Roster::built_in(), Arc::new(toolbox)),
        4,
    );
    let (investigator, views) = (deploy::investigator::of(desk), (engine.reader(), state));
    let api = router(Api::new(views, investigator, None, None, Arc::new(true.into())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = axum::serve(listener, api);
    tokio::task::spawn_local(async move { server.await.unwrap() });
    (url, engine)
}

pub(crate) fn run(test: impl AsyncFnOnce(String)) {
    run_with(Toolbox::new(), test);
}

pub(crate) fn run_with(toolbox: Toolbox, test: impl AsyncFnOnce(String)) {
    run_at(&Place::Memory, toolbox, test);
}

pub(crate) fn run_at(place: &Place, toolbox: Toolbox, test: impl AsyncFnOnce(String)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let (url, engine) = served(toolbox, place).await;
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
            ("/api/v1/incidents?tenant_id=shop&cursor=inc_1", 422, "cursor_invalid"),
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
        let paths = [
            ("/api/v1/investigate", "post"),
            ("/api/v1/investigations", "get"),
            ("/api/v1/investigations/{id}", "get"),
            ("/api/v1/repositories", "get"),
            ("/api/v1/repositories/{service}", "get"),
            ("/api/v1/repositories/{service}", "put"),
            ("/api/v1/repositories/{service}", "delete"),
            ("/api/v1/history", "get"),
            ("/api/v1/incidents", "get"),
            ("/api/v1/changes", "get"),
            ("/readyz", "get"),
        ];
        for (path, method) in paths {
            assert!(document["paths"][path][method].is_object(), "{method} {path}");
        }
        assert_eq!(get(&format!("{url}/readyz")).await.0, 200);
    });
}

/// Asks a question under a key; status, headers by name, document.
async fn ask(
    url: &str,
    query: &str,
    key: Option<&str>,
) -> (u16, impl Fn(&str) -> Option<String> + use<>, Value) {
    let question = json!({"tenant_id": "shop", "query": query});
    let mut request = reqwest::Client::new().post(format!("{url}/api/v1/investigate")).json(&question);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let header = move |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
    (status, header, response.json().await.unwrap())
}

#[test]
fn an_investigation_is_kept_and_found_again_by_its_tenant() {
    run(async |url| {
        let (status, header, answer) = ask(&url, "why does checkout fail?", None).await;
        assert_eq!(status, 200, "{answer}");
        let location = header("content-location").unwrap();
        let (status, kept) = get(&format!("{url}{location}")).await;
        assert_eq!((status, &kept["answer"]), (200, &answer));
        assert_eq!(kept["question"]["query"], "why does checkout fail?");
        let (_, listed) = get(&format!("{url}/api/v1/investigations?tenant_id=shop")).await;
        assert_eq!(listed["rows"][0]["investigation_id"], answer["investigation_id"]);
        assert_eq!(listed["rows"][0]["status"], "answered");
        let (_, others) = get(&format!("{url}/api/v1/investigations?tenant_id=other")).await;
        assert_eq!(others["rows"], json!([]));
        let (status, problem) = get(&format!("{url}{}", location.replace("=shop", "=other"))).await;
        assert_eq!((status, problem["code"].as_str()), (404, Some("investigation_unknown")));
        let (status, problem) = get(&format!("{url}/api/v1/investigations?tenant_id=shop&cursor=x")).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some("cursor_invalid")));
    });
}

#[test]
fn investigations_are_limited_and_the_same_again_is_not_counted() {
    run(async |url| {
        let (status, header, first) = ask(&url, "why does checkout fail?", Some("k1")).await;
        assert_eq!(
            (status, header("ratelimit-policy").as_deref()),
            (200, Some("\"investigations\";q=3;w=3600"))
        );
        assert_eq!(header("ratelimit").as_deref(), Some("\"investigations\";r=2;t=1200"));
        for _ in 0..10 {
            let (status, header, again) = ask(&url, "why does checkout fail?", Some("k1")).await;
            assert_eq!(
                (status, header("idempotency-replayed").as_deref(), &again),
                (200, Some("true"), &first)
            );
        }
        let (status, _, problem) = ask(&url, "another one", Some("k1")).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some("idempotency_key_reused")));
        for query in ["second", "third"] {
            assert_eq!(ask(&url, query, None).await.0, 200);
        }
        let (status, header, problem) = ask(&url, "fourth", None).await;
        assert_eq!((status, problem["code"].as_str()), (429, Some("investigations_spent")));
        let wait: u64 = header("retry-after").unwrap().parse().unwrap();
        assert!((1..=1_200).contains(&wait), "{wait}");
        assert!(header("ratelimit").unwrap().contains("r=0;"));
    });
}

#[test]
fn a_service_has_the_repository_that_was_said_last() {
    run(async |url| {
        let client = reqwest::Client::new();
        let at = |service: &str| format!("{url}/api/v1/repositories/{service}?tenant_id=shop");
        let put = async |service: &str, body: Value| {
            let response = client.put(at(service)).json(&body).send().await.unwrap();
            (response.status().as_u16(), response.json::<Value>().await.unwrap())
        };
        assert_eq!(get(&at("shop%2Fcheckout")).await.0, 404);
        put("shop%2Fcheckout", json!({"repository": "acme/old"})).await;
        let mapped = json!({"service": "shop/checkout", "repository": "acme/checkout"});
        assert_eq!(
            put("shop%2Fcheckout", json!({"repository": "acme/checkout"})).await,
            (200, mapped.clone())
        );
        assert_eq!(get(&at("shop%2Fcheckout")).await, (200, mapped.clone()));
        let (_, listed) = get(&format!("{url}/api/v1/repositories?tenant_id=shop")).await;
        assert_eq!(listed, json!({"rows": [mapped], "next_cursor": null}));
        let (status, problem) = put("checkout", json!({"repository": "a b"})).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some("repository_invalid")));
        let (status, problem) = put("checkout", json!({"repo": "a"})).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("body_invalid")));
        let remove = async || client.delete(at("shop%2Fcheckout")).send().await.unwrap().status().as_u16();
        assert_eq!((remove().await, remove().await), (204, 404));
    });
}
