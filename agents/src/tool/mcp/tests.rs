//! Tests of `mcp`.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ListToolsResult, PaginatedRequestParams, ServerCapabilities,
    ServerConfig, Tool as Offer, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, serve_client, serve_server};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::link::{Dial, Live, unconnected};
use super::*;
use crate::tool::endpoint::Egress;
use crate::tool::endpoint::stub::{self, Stub};
use crate::tool::registry::{Called, Toolbox};

const BYTES: usize = 100_000;

fn connection(timeout: u64) -> Connection {
    Connection {
        name: "m".to_owned(),
        kind: "mcp".to_owned(),
        tenants: None,
        calls_per_minute: 600,
        timeout: Duration::from_secs(timeout),
        response_bytes: BYTES,
        usd_micros: 0,
        options: Map::new(),
    }
}

/// Connects in the process; `serve` is the other side. Counts connections.
fn piped(serve: fn(DuplexStream), dialed: &Arc<AtomicU32>) -> Dial {
    let dialed = Arc::clone(dialed);
    Box::new(move || {
        dialed.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            serve(theirs);
            let exceeded = Arc::new(AtomicBool::new(false));
            let (reader, writer) = tokio::io::split(ours);
            let reader = bounded::Bounded::new(reader, BYTES, Arc::clone(&exceeded));
            let service = serve_client((), (reader, writer)).await;
            let service = service.map_err(|error| unconnected(&error, &exceeded, BYTES))?;
            Ok(Live { service, exceeded, _process: None })
        })
    })
}

/// A well-behaved server, by the protocol's own library.
struct Honest;

impl ServerHandler for Honest {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object", "required": ["q"], "properties": {"q": {"type": "string"}}});
        let offer = |name: &'static str| {
            Offer::new(name, "Finds\nthings.", Arc::new(schema.as_object().unwrap().clone()))
        };
        let reads = |read_only: bool| ToolAnnotations::new().read_only(read_only);
        Ok(ListToolsResult::with_all_items(vec![
            offer("find").with_annotations(reads(true)),
            offer("fails").with_annotations(reads(true)),
            offer("hangs").with_annotations(reads(true)),
            offer("writes").with_annotations(reads(false)),
            offer("silent"),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = format!("{} {}", request.name, Value::Object(request.arguments.unwrap_or_default()));
        match request.name.as_ref() {
            "find" => Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into()),
            "fails" => Ok(CallToolResult::error(vec![ContentBlock::text("canary")]).into()),
            "hangs" => std::future::pending().await,
            _ => Err(ErrorData::internal_error("canary", None)),
        }
    }
}

fn honest(pipe: DuplexStream) {
    tokio::runtime::Handle::current().spawn(async move {
        if let Ok(service) = serve_server(Honest, pipe).await {
            let _ = service.waiting().await;
        }
    });
}

fn wanted(tools: Value) -> Vec<Wanted> {
    serde_json::from_value(tools).unwrap()
}

async fn toolbox(serve: fn(DuplexStream), tools: Value, timeout: u64) -> (Toolbox, Arc<AtomicU32>) {
    let dialed = Arc::default();
    let link = Link::new(piped(serve, &dialed), BYTES);
    let connection = connection(timeout);
    let tools = take(&connection, link, wanted(tools)).await.ok().expect("tools");
    let mut toolbox = Toolbox::new();
    toolbox.add("m", None, tools).unwrap();
    (toolbox, dialed)
}

async fn call(toolbox: &Toolbox, tool: &str, arguments: Value) -> Called {
    let allowed = BTreeSet::from([tool.to_owned()]);
    toolbox
        .call(&"acme".parse().unwrap(), ("graph", &allowed), tool, arguments, Duration::from_secs(60))
        .await
}

#[tokio::test(start_paused = true)]
async fn tools_of_a_server_are_called() {
    let tools =
        json!(["find", {"name": "silent", "effect": "read", "category": "logs", "description": "Ours."}]);
    let (toolbox, dialed) = toolbox(honest, tools, 5).await;
    let listed = toolbox.list(&"acme".parse().unwrap());
    let names: Vec<&str> = listed.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["m.find", "m.silent"], "those that nobody named are not there");
    assert_eq!((listed[0].description.as_str(), listed[0].category), ("Finds things.", Category::Context));
    assert_eq!((listed[1].description.as_str(), listed[1].category), ("Ours.", Category::Logs));
    for _ in 0..3 {
        let called = call(&toolbox, "m.find", json!({"q": "x"})).await;
        assert_eq!(called.outcome, Ok(Output { content: json!({"text": ["find {\"q\":\"x\"}"]}) }));
    }
    assert_eq!(call(&toolbox, "m.find", json!({"q": 1})).await.status(), "arguments");
    assert_eq!(call(&toolbox, "m.find", json!({"q": "x", "more": 1})).await.status(), "arguments");
    assert_eq!(call(&toolbox, "m.writes", json!({"q": "x"})).await.status(), "denied");
    let failed = call(&toolbox, "m.silent", json!({"q": "x"})).await;
    assert_eq!((failed.status(), failed.attempts), ("unavailable", 3));
    assert!(!failed.outcome.unwrap_err().to_string().contains("canary"));
    assert_eq!(dialed.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tool_must_read_and_be_there() {
    for (tools, told) in [
        (json!(["writes"]), "tool writes: the server does not say that it only reads"),
        (json!(["silent"]), "tool silent: the server does not say that it only reads"),
        (json!(["find", "other"]), "tool other: the server has none"),
    ] {
        let link = Link::new(piped(honest, &Arc::default()), BYTES);
        match take(&connection(5), link, wanted(tools)).await {
            Err(Refused::Options(what)) => assert!(what.starts_with(told), "{what}"),
            _ => panic!("{told}"),
        }
    }
    let (toolbox, _) = toolbox(honest, json!([{"name": "writes", "effect": "write"}]), 5).await;
    assert_eq!(call(&toolbox, "m.writes", json!({"q": "x"})).await.status(), "denied");
}

#[tokio::test(start_paused = true)]
async fn a_hung_call_costs_itself_only() {
    let (toolbox, dialed) = toolbox(honest, json!(["find", "hangs", "fails"]), 5).await;
    let (hung, found) = tokio::join!(
        call(&toolbox, "m.hangs", json!({"q": "x"})),
        call(&toolbox, "m.find", json!({"q": "x"}))
    );
    assert_eq!((hung.status(), hung.elapsed), ("timed_out", Duration::from_secs(5)));
    assert_eq!((found.status(), found.elapsed), ("ok", Duration::ZERO));
    assert_eq!(call(&toolbox, "m.find", json!({"q": "x"})).await.status(), "ok");
    assert_eq!(dialed.load(Ordering::SeqCst), 2, "the connection of the hung call is not used again");
    let failed = call(&toolbox, "m.fails", json!({"q": "x"})).await;
    assert!(matches!(&failed.outcome, Err(ToolError::Arguments(told)) if !told.contains("canary")));
    assert_eq!(dialed.load(Ordering::SeqCst), 2);
}

/// What a hostile server says to a call with such a text, before it goes on. `None`: it closes the connection.
fn retort(id: &Value, q: &str) -> Option<String> {
    match q {
        "garbage" => Some("\u{1}{{{ canary".to_owned()),
        "other id" => Some(json!({"jsonrpc": "2.0", "id": 999, "result": {"content": []}}).to_string()),
        "long" => Some("x".repeat(10 << 20)),
        "types" => Some(json!({"jsonrpc": "2.0", "id": id, "result": {"content": "canary"}}).to_string()),
        "orders" => Some(
            json!({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage",
                "params": {"messages": [], "maxTokens": 1}})
            .to_string(),
        ),
        "dies" => None,
        _ => Some(
            json!({"jsonrpc": "2.0", "id": id, "result": {"content": [], "structuredContent": 7}})
                .to_string(),
        ),
    }
}

/// What a server says to a message, whatever it is.
fn reply(message: &Value) -> Option<String> {
    let id = &message["id"];
    let result = |result: Value| Some(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
    match message["method"].as_str() {
        Some("initialize") => result(json!({
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"},
        })),
        Some("tools/list") => result(json!({"tools": [{
            "name": "t", "inputSchema": {"type": "object", "properties": {"q": {"type": "string"}}},
            "annotations": {"readOnlyHint": true},
        }], "nextCursor": "for ever"})),
        Some("tools/call") => retort(id, message["params"]["arguments"]["q"].as_str().unwrap_or_default()),
        _ => Some(String::new()),
    }
}

fn hostile(pipe: DuplexStream) {
    tokio::runtime::Handle::current().spawn(async move {
        let (reader, mut writer) = tokio::io::split(pipe);
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Some(said) = reply(&serde_json::from_str(&line).unwrap()) else { return };
            if writer.write_all(format!("{said}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_hostile_server_costs_its_own_calls() {
    for (q, expected) in [
        ("garbage", "timed_out"),
        ("other id", "timed_out"),
        ("long", "too_large"),
        ("dies", "unavailable"),
        ("types", "garbage"),
        ("orders", "timed_out"),
    ] {
        let (toolbox, _) = toolbox(hostile, json!(["t"]), 5).await;
        let (bad, good) =
            tokio::join!(call(&toolbox, "m.t", json!({"q": q})), call(&toolbox, "m.t", json!({"q": ""})));
        assert_eq!(bad.status(), expected, "{q}: {:?}", bad.outcome);
        assert!(!format!("{:?}", bad.outcome).contains("canary"), "{q}");
        let good = if good.status() == "ok" { good } else { call(&toolbox, "m.t", json!({"q": ""})).await };
        assert_eq!(good.outcome, Ok(Output { content: json!(7) }), "{q}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_away() {
    fn mute(pipe: DuplexStream) {
        tokio::runtime::Handle::current().spawn(async move {
            let _pipe = pipe;
            std::future::pending::<()>().await;
        });
    }
    let link = Link::new(piped(mute, &Arc::default()), BYTES);
    let refused = take(&connection(5), link, wanted(json!(["t"]))).await;
    assert!(matches!(refused, Err(Refused::Away(ToolError::TimedOut(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_server_may_take_longer_to_start_than_a_call_may_take() {
    fn slow(pipe: DuplexStream) {
        tokio::runtime::Handle::current().spawn(async move {
            tokio::time::sleep(Duration::from_secs(8)).await;
            honest(pipe);
        });
    }
    let (toolbox, dialed) = toolbox(slow, json!(["find", "hangs"]), 5).await;
    let status = async |tool: &str| call(&toolbox, tool, json!({"q": "x"})).await.status();
    assert_eq!(status("m.hangs").await, "timed_out", "its connection is not used again");
    assert_eq!(status("m.find").await, "timed_out");
    assert_eq!(status("m.find").await, "ok");
    assert_eq!(dialed.load(Ordering::SeqCst), 2);
}

/// The hostile server by HTTP.
async fn served() -> Stub {
    Stub::start(|request| {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        if !head.starts_with("POST /mcp ") {
            return stub::response("405 Method Not Allowed", "", "canary");
        }
        let message: Value = serde_json::from_str(body).unwrap();
        if message["params"]["arguments"]["q"] == "away" {
            return stub::response("302 Found", "location: http://169.254.169.254/\r\n", "canary");
        }
        match reply(&message) {
            Some(said) if said.is_empty() => stub::response("202 Accepted", "", ""),
            Some(said) => stub::json(&said),
            None => Vec::new(),
        }
    })
    .await
}

#[tokio::test]
async fn servers_by_http_are_limited_too() {
    let stub = served().await;
    let egress = Egress { allow_private: true, response_bytes: BYTES };
    let headers = [("authorization", Secret::new("Bearer token-one"))];
    let endpoint = Endpoint::new(&format!("{}mcp", stub.url()), &headers, &egress).unwrap();
    let link = Link::new(reach::address(endpoint, BYTES), BYTES);
    let mut toolbox = Toolbox::new();
    toolbox
        .add("m", None, take(&connection(20), link, wanted(json!(["t"]))).await.ok().expect("tools"))
        .unwrap();
    for (q, expected) in [
        ("", "ok"),
        ("long", "too_large"),
        ("garbage", "garbage"),
        ("dies", "unavailable"),
        ("away", "garbage"),
        ("", "ok"),
    ] {
        let called = call(&toolbox, "m.t", json!({"q": q})).await;
        assert_eq!(called.status(), expected, "{q}: {:?}", called.outcome);
        assert!(!format!("{:?}", called.outcome).contains("canary"), "{q}");
    }
    let asked = stub.asked();
    assert!(asked.iter().all(|request| request.contains("authorization: Bearer token-one\r\n")), "{asked:?}");
}

#[tokio::test]
async fn a_server_at_an_address_that_is_not_public_is_not_asked() {
    let stub = served().await;
    let egress = Egress { allow_private: false, response_bytes: BYTES };
    assert!(Endpoint::new(&stub.url(), &[], &egress).is_err());
}

#[tokio::test]
async fn a_program_sees_nothing_of_our_environment() {
    // Not a server: it writes what it sees, which is not a message, and ends.
    let script = "/usr/bin/env > \"$OUT\"".to_owned();
    let out = std::env::temp_dir().join(format!("kgroot-environment-{}", std::process::id()));
    let environment = vec![("OUT".to_owned(), Secret::new(out.to_str().unwrap()))];
    let command = vec!["/bin/sh".to_owned(), "-c".to_owned(), script];
    let link = Link::new(reach::program(command, environment, BYTES).unwrap(), BYTES);
    let refused = link.offered(&BTreeSet::new()).await;
    assert!(matches!(refused, Err(ToolError::Unavailable(_))), "{:?}", refused.err());
    let seen = std::fs::read_to_string(&out).unwrap();
    std::fs::remove_file(&out).unwrap();
    let mut names: Vec<&str> = seen.lines().filter_map(|line| line.split('=').next()).collect();
    names.retain(|name| !matches!(*name, "PWD" | "SHLVL" | "_"));
    assert_eq!(names, ["OUT"]);
}
