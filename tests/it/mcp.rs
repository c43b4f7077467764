//! The program asked by a client of the Model Context Protocol that is not ours, over HTTP and over the bridge.
//! `KGROOT_TEST_PYTHON` is a Python with the official SDK (`cargo verify` makes it).

use std::io::Write;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::parquet::python;
use crate::program::{root, until};

const LISTEN: &str = "127.0.0.1:18767";

/// `kgroot demo`, which serves its outage; ended when dropped.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What the client printed after these calls.
fn client(python: &str, version: &str, server: &[&str], calls: &Value) -> Value {
    let mut client = Command::new(python)
        .arg(root().join("tests/clients/mcp_client.py"))
        .arg(version)
        .args(server)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(calls.to_string().as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{version} {server:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn get(path: &str) -> Option<Value> {
    reqwest::get(format!("http://{LISTEN}{path}")).await.ok()?.json().await.ok()
}

/// An entity as it is written in arguments.
fn named(entity: &Value) -> String {
    serde_json::from_value::<schemas::entity::Entity>(entity.clone()).unwrap().to_string()
}

/// An instant some minutes from another one.
fn minutes(at: &Value, minutes: i64) -> String {
    let at = schemas::time::EventTime::parse(at.as_str().unwrap()).unwrap();
    at.plus_ms(minutes * 60_000).to_string()
}

#[test]
fn the_official_client_explains_the_demo_over_http_and_over_the_bridge() {
    let Some(python) = python() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let kgroot = tests::binary::binary().unwrap();
    let mut demo = Command::new(&kgroot);
    demo.args(["demo", "--listen", LISTEN]);
    let _demo = Demo(demo.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let incidents = async || get("/api/v1/incidents?tenant_id=shop").await;
    let incidents = runtime.block_on(until("the demo serves", incidents));
    let incident = &incidents["rows"][0];
    let root = &incident["hypotheses"][0]["root"];
    let entity = named(&root["entity"]);
    let relations = runtime.block_on(get("/api/v1/topology?tenant_id=shop")).unwrap();
    let related = named(&relations["rows"][0]["from"]);
    let misspelled = format!("{related}x");
    let calls = json!([
        ["investigate", {"query": "why does checkout fail?"}],
        ["incidents", {"limit": 5}],
        ["incident", {"incident_id": incident["incident_id"]}],
        ["chains", {"incident_id": incident["incident_id"]}],
        ["topology", {"entity": related}],
        ["what_changed", {"from": minutes(&root["onset"], -1), "to": minutes(&root["onset"], 1)}],
        ["what_changed", {"from": "2001-01-01T00:00:00Z", "to": "2001-01-02T00:00:00Z"}],
        ["search", {"query": "checkout"}],
        ["topology", {"entity": misspelled}],
        ["incidents", {"tenant_id": "other"}],
        ["nothing", {}],
    ]);
    let url = format!("http://{LISTEN}/mcp");
    let (by_query, base) = (format!("{url}?tenant_id=shop"), format!("http://{LISTEN}"));
    let kgroot = kgroot.display().to_string();
    let bridge = vec!["stdio", &kgroot, "mcp", "--server", &base, "--tenant", "shop"];
    let ways: [(&str, Vec<&str>, &str); 4] = [
        ("legacy", vec!["http", &url, "x-tenant-id=shop"], "2025-11-25"),
        ("auto", vec!["http", &by_query], "2026-07-28"),
        ("legacy", bridge.clone(), "2025-11-25"),
        ("auto", bridge, "2026-07-28"),
    ];
    for (mode, server, version) in ways {
        let told = client(&python, mode, &server, &calls);
        assert_eq!((&told["server"], &told["version"]), (&json!("kgroot"), &json!(version)));
        assert!(told["instructions"].as_str().unwrap().contains("never instructions"));
        let tools: Vec<&str> =
            told["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        let named: Vec<&str> =
            calls.as_array().unwrap().iter().map(|call| call[0].as_str().unwrap()).collect();
        assert!(tools.len() == 7 && tools.iter().all(|tool| named.contains(tool)), "{tools:?}");
        for tool in told["tools"].as_array().unwrap() {
            assert_eq!(
                (&tool["annotations"]["readOnlyHint"], &tool["annotations"]["openWorldHint"]),
                (&json!(true), &json!(false))
            );
        }
        let results = told["results"].as_array().unwrap();
        let given = |index: usize| &results[index]["structured"];
        for (index, result) in results.iter().enumerate().take(7) {
            assert_eq!(result["error"], false, "{mode} {server:?} {index}: {result}");
            assert!(0 < given(index)["as_of"]["epoch"].as_u64().unwrap(), "{result}");
            assert!(given(index)["link"].as_str().unwrap().starts_with("/api/v1/"), "{result}");
        }
        let cause = &given(0)["hypotheses"][0]["root_cause"];
        assert_eq!((&cause["kind"], cause["entity"].as_str().unwrap()), (&root["kind"], entity.as_str()));
        assert!(results[0]["text"].as_str().unwrap().contains(&entity), "{}", results[0]["text"]);
        assert_eq!(given(1)["rows"][0]["incident_id"], incident["incident_id"]);
        assert_eq!(given(2)["incident"]["incident_id"], incident["incident_id"]);
        assert!(!given(2)["chains"].as_array().unwrap().is_empty());
        assert!(results[3]["text"].as_str().unwrap().contains(" -> "), "{}", results[3]["text"]);
        assert!(!given(4)["rows"].as_array().unwrap().is_empty());
        assert_eq!((&given(5)["changed"], &given(6)["changed"]), (&json!(true), &json!(false)));
        // The demo has no index.
        let errors = ["search_absent: ", "entity_unknown: ", "arguments_invalid: unknown field `tenant_id`"];
        for (result, begins) in results[7..].iter().zip(errors) {
            assert!(
                result["error"] == true && result["text"].as_str().unwrap().starts_with(begins),
                "{result}"
            );
        }
        assert_eq!(results[10]["refused"], -32602);
        let link = runtime.block_on(get(given(3)["link"].as_str().unwrap())).unwrap();
        assert_eq!(link["as_of"]["epoch"], given(3)["as_of"]["epoch"]);
    }
}

#[test]
fn the_bridge_says_that_nobody_is_there() {
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let mut bridge = Command::new(tests::binary::binary().unwrap())
        .args(["mcp", "--server", "http://127.0.0.1:9", "--tenant", "shop"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    bridge.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = bridge.wait_with_output().unwrap();
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32000)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("http://127.0.0.1:9 is not reachable"));
}
