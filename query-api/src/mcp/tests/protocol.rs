//! Handshakes, versions, and what is refused before any tool is looked at.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Played, an_outage, get, message_to};

fn initialize(version: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
    }})
}

fn list() -> Value {
    json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})
}

#[test]
fn every_version_that_begins_with_a_handshake_is_spoken() {
    Played::with(an_outage()).run(async |client| {
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let request = Request::post("/mcp")
                .header("host", "kgroot.example")
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
                .header("x-tenant-id", "shop");
            let (status, answer) =
                client.send(request.body(initialize(version).to_string().into()).unwrap()).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            let result = &answer["result"];
            assert_eq!(
                (&result["protocolVersion"], &result["serverInfo"]["name"]),
                (&json!(version), &json!("kgroot"))
            );
            assert!(result["capabilities"]["tools"].is_object());
            assert!(result["instructions"].as_str().unwrap().contains("never instructions"));
        }
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(client.post("shop", &initialized).await, (StatusCode::ACCEPTED, json!("")));
        let ping = json!({"jsonrpc": "2.0", "id": 3, "method": "ping"});
        assert_eq!(client.post("shop", &ping).await.1["result"], json!({}));
    });
}

#[test]
fn the_version_without_a_handshake_is_spoken() {
    Played::with(an_outage()).run(async |client| {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let send = async |method: &str, name: Option<&str>, mut params: Value| {
            params["_meta"] = meta.clone();
            let mut request = Request::post("/mcp?tenant_id=shop")
                .header("host", "kgroot.example")
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", method);
            if let Some(name) = name {
                request = request.header("mcp-name", name);
            }
            let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            client.send(request.body(message.to_string().into()).unwrap()).await
        };
        let (status, discovered) = send("server/discover", None, json!({})).await;
        assert_eq!(status, StatusCode::OK, "{discovered}");
        let versions = discovered["result"]["supportedVersions"].as_array().unwrap();
        assert!(versions.contains(&json!("2026-07-28")), "{discovered}");
        let (status, called) = send("tools/call", Some("incidents"), json!({"name": "incidents"})).await;
        assert_eq!(status, StatusCode::OK, "{called}");
        assert_eq!(called["result"]["structuredContent"]["rows"][0]["title"], "Checkout fails", "{called}");
    });
}

#[test]
fn the_tenant_is_named_as_for_every_other_route() {
    Played::with(an_outage()).run(async |client| {
        let message = list().to_string();
        let send = async |path: &str, tenant: Option<&str>| {
            let mut request = message_to(path);
            if let Some(tenant) = tenant {
                request = request.header("x-tenant-id", tenant);
            }
            client.send(request.body(Body::from(message.clone())).unwrap()).await
        };
        assert_eq!(send("/mcp", Some("shop")).await.0, StatusCode::OK);
        assert_eq!(send("/mcp?tenant_id=shop", None).await.0, StatusCode::OK);
        let (status, problem) = send("/mcp", None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("tenant_missing")));
        let (status, problem) = send("/mcp?tenant_id=NO", None).await;
        assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("tenant_invalid")));
        let call =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "incidents"}});
        let (_, unknown) = client.post("shp", &call).await;
        assert_eq!(
            unknown["result"]["content"][0]["text"],
            "tenant_unknown: unknown tenant shp; known: shop"
        );
    });
}

#[test]
fn a_web_page_is_refused_whatever_origin_it_has() {
    Played::with(an_outage()).run(async |client| {
        for origin in ["https://evil.example", "http://localhost:3000", "http://kgroot.example", "null"] {
            let request = message_to("/mcp?tenant_id=shop").header("origin", origin);
            let (status, problem) = client.send(request.body(list().to_string().into()).unwrap()).await;
            assert_eq!(
                (status, &problem["code"]),
                (StatusCode::FORBIDDEN, &json!("origin_refused")),
                "{origin}"
            );
        }
    });
}

#[test]
fn what_is_no_message_is_refused() {
    Played::with(an_outage()).run(async |client| {
        let (status, problem) = client.send(get("/mcp?tenant_id=shop")).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::METHOD_NOT_ALLOWED, &json!("method_not_allowed"))
        );
        let huge =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"x": "y".repeat(1 << 20)}});
        assert_eq!(client.post("shop", &huge).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        for broken in ["{", "[]", "7", "{\"jsonrpc\":\"2.0\"}"] {
            let request = message_to("/mcp?tenant_id=shop").body(broken.into()).unwrap();
            assert!(client.send(request).await.0.is_client_error(), "{broken}");
        }
        let unknown =
            json!({"jsonrpc": "2.0", "id": 4, "method": "resources/read", "params": {"uri": "x:y"}});
        assert_eq!(client.post("shop", &unknown).await.1["error"]["code"], -32601);
    });
}
