//! The program with tools and a model in its configuration: a server of the Model Context Protocol that is not ours, a
//! system over HTTP, a played model. What it answered can be had again after a restart, with all of them gone.

use axum::Router;
use axum::routing::get;
use bench::load::Load;
use dataflow::ingest::clock::now;
use schemas::codec::Format;

use serde_json::{Value, json};
use tests::prove::asked::model::Played;

use crate::parquet::python;
use crate::program::{Program, root, until};

const LISTEN: &str = "127.0.0.1:18781";
const QUESTION: &str = "why are pods not ready, and was it so before?";

async fn post(program: &Program, path: &str, body: &Value) -> (u16, Value) {
    let response = reqwest::Client::new().post(program.url(path)).json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// A node is lost with its pods, now; how many records that is.
async fn tell_the_outage(program: &Program) -> u64 {
    let at = now().plus_ms(-120_000);
    let records = Load::new(1, &"shop".parse().unwrap()).burst(20, at);
    for (format, record) in &records {
        let family = if *format == Format::Kubernetes { "k8s-events" } else { "prometheus" };
        let body: Value = serde_json::from_slice(record).unwrap();
        let (status, told) = post(program, &format!("/api/v1/ingest/{family}?tenant_id=shop"), &body).await;
        assert_eq!(status, 202, "{family}: {told}");
    }
    u64::try_from(records.len()).unwrap()
}

/// A system over HTTP that knows who is on call.
async fn pager() -> String {
    let on_call = get(async || axum::Json(json!({ "on_call": "ann" })));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/{service}", on_call);
    #[expect(clippy::disallowed_methods, reason = "a server of a test")]
    drop(tokio::spawn(async move { axum::serve(listener, app).await }));
    url
}

#[test]
fn tools_and_a_model_of_the_configuration_are_used_and_not_needed_again() {
    let Some(python) = python() else { return };
    let folder = std::env::temp_dir().join(format!("kgroot-equipped-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (played, pager) = (Played::start().await.unwrap(), pager().await);
        let tools = json!({ "connections": [
            { "name": "owners", "type": "mcp", "command": [python, root().join("tests/clients/mcp_server.py")],
              "tools": [{ "name": "owner", "category": "context" }] },
            { "name": "gone", "type": "mcp", "command": ["/bin/true"], "tools": ["lookup"] },
            { "name": "pager", "type": "http", "url": pager, "allow_private": true, "operations": [
                { "name": "oncall", "description": "who is on call", "category": "context", "method": "GET", "path": "/v1/{node}",
                  "parameters": { "type": "object", "additionalProperties": false, "required": ["node"],
                    "properties": { "node": { "type": "string" } } } }] }] });
        let file = folder.join("tools.yaml");
        std::fs::write(&file, tools.to_string()).unwrap();
        let set = [
            format!("data={}", folder.join("data").display()),
            format!("agents.tools={}", file.display()),
            format!("model.url={}", played.url()),
            "model.name=played".to_owned(),
            "model.allow_private=true".to_owned(),
        ];
        let program = Program::run(LISTEN, &set);
        until("the program answers", async || program.get("/openapi.json").await).await;
        let sent = tell_the_outage(&program).await;
        until("all is counted", async || (sent <= program.counts("shop").await.0).then_some(())).await;
        until("there is an incident", async || {
            let page = program.get("/api/v1/incidents?tenant_id=shop").await?;
            page["rows"].get(0).map(drop)
        })
        .await;
        let question = json!({ "tenant_id": "shop", "query": QUESTION });
        let (status, answer) = post(&program, "/api/v1/investigate", &question).await;
        assert_eq!((status, &answer["status"]), (200, &json!("answered")), "{answer}");
        for (tool, said) in [("owners.owner", "team-node-burst"), ("pager.oncall", "ann")] {
            let calls = answer["tool_calls"].as_array().unwrap();
            let call = calls.iter().find(|call| call["tool"] == tool).unwrap_or_else(|| panic!("{tool}: {answer}"));
            assert_eq!(call["outcome"], "answered", "{call}");
            assert!(call.to_string().contains(said), "{call}");
        }
        assert!(answer["missing"].to_string().contains(r#""source":"gone""#), "{}", answer["missing"]);
        assert!(0.0 < answer["cost"]["llm_usd"].as_f64().unwrap() && !played.read().is_empty());

        // The program is killed; without tools, without a model, with another history of epochs.
        drop(program);
        let program = Program::run(LISTEN, &set[..1]);
        until("the program answers", async || program.get("/openapi.json").await).await;
        let id = answer["investigation_id"].as_str().unwrap();
        let replay = format!("/api/v1/investigations/{id}/replay?tenant_id=shop");
        let (status, again) = post(&program, &replay, &json!({})).await;
        assert_eq!((status, &again["differences"]), (200, &json!([])), "{again}");
        assert_eq!(again["answer"]["tool_calls"], answer["tool_calls"]);
        assert!(played.read().is_empty(), "the model was asked again");
    });
    std::fs::remove_dir_all(folder).unwrap();
}
