//! Tests of `declared`.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::tool::endpoint::Egress;
use crate::tool::endpoint::stub::{Stub, json as answer};

fn connection(options: Value) -> Connection {
    Connection {
        name: "deploys".to_owned(),
        kind: "http".to_owned(),
        tenants: None,
        calls_per_minute: 60,
        timeout: Duration::from_secs(5),
        response_bytes: 1_000,
        usd_micros: 0,
        options: options.as_object().unwrap().clone(),
    }
}

fn built(url: &str, options: Value) -> Result<Vec<Box<dyn Tool>>, String> {
    let egress = Egress { allow_private: true, response_bytes: 1_000 };
    build(&connection(options), Endpoint::new(url, &[], &egress).unwrap())
}

fn operation(change: Value) -> Value {
    let mut operation = json!({
        "name": "list", "description": "Deployments.", "category": "code",
        "path": "/v1/{service}/deployments", "query": {"limit": "{limit}", "kind": "rollout"},
        "parameters": {
            "type": "object", "required": ["service"],
            "properties": {"service": {"type": "string"}, "limit": {"type": "integer"}},
        },
    });
    operation.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    json!({"operations": [operation]})
}

async fn asked(tool: &dyn Tool, arguments: Value) -> Result<Output, ToolError> {
    tool.execute(Call { tenant: "acme".parse().unwrap(), arguments }).await
}

#[tokio::test]
async fn arguments_stay_where_they_were_put() {
    let stub = Stub::start(|_| answer("[1]")).await;
    let tools = built(&stub.url(), operation(json!({}))).unwrap();
    let tool = tools[0].as_ref();
    assert_eq!(tool.metadata().name, "deploys.list");
    assert_eq!(tool.metadata().parameters["additionalProperties"], json!(false));
    for (arguments, line) in [
        (json!({"service": "cart"}), "GET /v1/cart/deployments?kind=rollout "),
        (json!({"service": "cart", "limit": 5}), "GET /v1/cart/deployments?kind=rollout&limit=5 "),
        (json!({"service": "../admin?x#y"}), "GET /v1/..%2Fadmin%3Fx%23y/deployments?kind=rollout "),
        (json!({"service": "{limit}"}), "GET /v1/%7Blimit%7D/deployments?kind=rollout "),
        (json!({"service": "%2e%2e"}), "GET /v1/%252e%252e/deployments?kind=rollout "),
    ] {
        assert_eq!(asked(tool, arguments).await, Ok(Output { content: json!([1]) }));
        assert!(stub.asked().pop().unwrap().starts_with(line), "{line}");
    }
    for arguments in
        [json!({}), json!({"service": ""}), json!({"service": ".."}), json!({"service": "a\r\nb"})]
    {
        let outcome = asked(tool, arguments).await;
        assert!(matches!(outcome, Err(ToolError::Arguments(_))), "{outcome:?}");
    }
    assert_eq!(stub.asked().len(), 5);
}

#[tokio::test]
async fn a_body_is_filled() {
    let stub = Stub::start(|_| answer("{}")).await;
    let change = json!({
        "method": "POST", "path": "/search", "query": {},
        "body": {"query": "service:\"{service}\"", "size": "{limit}", "sort": ["-time"]},
    });
    let tools = built(&stub.url(), operation(change)).unwrap();
    asked(tools[0].as_ref(), json!({"service": "a\"} or {", "limit": 3})).await.unwrap();
    let request = stub.asked().pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /search HTTP/1.1"), "{head}");
    let expected = json!({"query": "service:\"a\"} or {\"", "size": 3, "sort": ["-time"]});
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), expected);
}

#[tokio::test]
async fn what_cannot_be_an_operation_is_named() {
    for (change, named) in [
        (json!({"path": "v1"}), "path"),
        (json!({"path": "/v1?x=1"}), "path"),
        (json!({"path": "/v1/%2e"}), "path"),
        (json!({"path": "/v1/{limit}"}), "{limit} is not a required parameter"),
        (json!({"path": "/v1/{service"}), "{service"),
        (json!({"query": {"a": "{other}"}}), "{other} is not a parameter"),
        (json!({"body": {"a": 1}}), "body"),
        (json!({"method": "POST", "body": {"a": ["{other}"]}}), "{other}"),
        (json!({"method": "DELETE"}), "DELETE"),
        (json!({"category": "weather"}), "weather"),
        (json!({"colour": 1}), "colour"),
    ] {
        let refused = built("http://127.0.0.1:1/", operation(change)).err().expect(named);
        assert!(refused.contains(named), "{refused}");
    }
    assert!(built("http://127.0.0.1:1/", json!({"operations": []})).is_err());
    assert!(built("http://127.0.0.1:1/", json!({})).is_err());
    assert!(built("http://127.0.0.1:1/", json!({"operations": [], "more": 1})).is_err());
}

#[tokio::test]
async fn what_writes_is_sent_its_arguments_and_no_agent_can_call_it() {
    let stub = Stub::start(|_| answer("{\"done\":true}")).await;
    let writes = json!({"name": "restart", "effect": "write", "method": "POST", "path": "/v1/restart", "query": {},
        "parameters": {"type": "object", "required": ["target"], "properties": {"target": {"type": "object"}}}});
    let refused = operation(json!({"name": "restart", "effect": "write"}));
    assert_eq!(
        built(&stub.url(), refused).err().unwrap(),
        "operation restart: effect: what writes needs method POST"
    );
    let mut toolbox = crate::tool::registry::Toolbox::new();
    toolbox.add("deploys", None, built(&stub.url(), operation(writes)).unwrap()).unwrap();
    let tenant = "acme".parse().unwrap();
    let arguments = json!({"target": {"name": "cart"}});
    let allowed = BTreeSet::from(["deploys.restart".to_owned()]);
    let second = Duration::from_secs(1);
    let called =
        toolbox.call(&tenant, ("code", &allowed), "deploys.restart", arguments.clone(), second).await;
    assert_eq!(called.outcome.unwrap_err().code(), "denied");
    let done = toolbox.act(&tenant, ("deploys.restart", "restart"), arguments).await.unwrap();
    assert_eq!(done.outcome.unwrap().content, json!({"done": true}));
    let requests = stub.asked();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].ends_with(r#"{"target":{"name":"cart"}}"#), "{}", requests[0]);
}
