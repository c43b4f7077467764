//! `kgroot mcp`: a bridge for clients of the Model Context Protocol that start a program and speak with it line by line.
//!
//! A line of standard input is a message; it is posted to `/mcp` of a running kgroot, and its answer becomes a line of
//! standard output. Nothing else is written there. Answers come as they are ready, each with the id of its request.
//! The bridge ends with its input.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{Stream, StreamExt, stream};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::cli::McpOptions;
use crate::client::root;
use crate::exit::{Cause, Failure};

/// Longest line, in bytes: as much as the API reads of a message.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Messages on their way at once.
const IN_FLIGHT: usize = 8;
/// The API gives an answer up earlier.
const PATIENCE: Duration = Duration::from_secs(60);
/// The version from which a message names its method in headers too (SEP-2243).
const NAMED_IN_HEADERS: &str = "2026-07-28";
/// Where a message of that version names it.
const VERSION_IN_META: &str = "/params/_meta/io.modelcontextprotocol~1protocolVersion";

/// Codes of JSON-RPC 2.0: not JSON; the server could not answer.
const PARSE_ERROR: i64 = -32700;
const SERVER_ERROR: i64 = -32000;

/// `kgroot mcp`.
pub async fn run(options: McpOptions) -> Result<()> {
    let bridge = Bridge::new(&options)?;
    carry(&bridge, BufReader::new(tokio::io::stdin()), tokio::io::stdout()).await
}

/// The other end, and what was agreed with it.
struct Bridge {
    client: Client,
    options: (String, HeaderValue),
    /// The version that a handshake agreed on.
    version: Mutex<Option<String>>,
}

/// Carries lines until there are no more.
async fn carry(
    bridge: &Bridge,
    input: impl AsyncBufRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> Result<()> {
    let answers = lines(input).map(async |line| Ok::<_, anyhow::Error>(bridge.answer(&line?).await));
    let mut answers = std::pin::pin!(answers.buffer_unordered(IN_FLIGHT));
    while let Some(answer) = answers.next().await {
        let Some(answer) = answer? else { continue };
        let line = format!("{answer}\n");
        if output.write_all(line.as_bytes()).await.is_err() || output.flush().await.is_err() {
            return Ok(()); // Nobody reads any more.
        }
    }
    Ok(())
}

/// Lines of bounded length; ends after one that is longer.
fn lines(input: impl AsyncBufRead + Unpin) -> impl Stream<Item = Result<Vec<u8>>> {
    stream::unfold(Some(input), async |input| {
        let mut input = input?;
        let mut line = Vec::new();
        let most = LINE_BYTES_MAX as u64 + 1;
        match (&mut input).take(most).read_until(b'\n', &mut line).await.context("read standard input") {
            Err(error) => Some((Err(error), None)),
            Ok(0) => None,
            Ok(read) if LINE_BYTES_MAX < read && !line.ends_with(b"\n") => {
                let text = format!("a line of standard input is longer than {LINE_BYTES_MAX} bytes");
                Some((Err(Failure::of(Cause::Input, text)), None))
            }
            Ok(_) => Some((Ok(line), Some(input))),
        }
    })
}

impl Bridge {
    fn new(options: &McpOptions) -> Result<Self> {
        let client = Client::builder().timeout(PATIENCE).build().context("make an HTTP client")?;
        let url = format!("{}/mcp", options.server.trim_end_matches('/'));
        let tenant = HeaderValue::from_str(options.tenant.as_str()).context("send the tenant")?;
        Ok(Bridge { client, options: (url, tenant), version: Mutex::new(None) })
    }

    /// The answer to a line, if there is to be one.
    async fn answer(&self, line: &[u8]) -> Option<Value> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        let message: Value = match serde_json::from_slice(line) {
            Ok(message) => message,
            Err(error) => return failed(Some(&Value::Null), PARSE_ERROR, format!("not JSON: {error}")),
        };
        // Only a request is answered: it has an id and a method.
        let id = message.get("id").filter(|_| message["method"].is_string());
        let sent = self.request(&message).body(line.to_vec()).send().await;
        let received = match sent {
            Ok(response) => Ok((response.status(), response.bytes().await)),
            Err(error) => Err(error),
        };
        match received {
            Ok((status, Ok(body))) => {
                let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
                if answer["jsonrpc"].is_string() {
                    self.remember(&message, &answer);
                    return Some(answer);
                }
                if status.is_success() && id.is_none() {
                    return None;
                }
                let detail = answer["detail"].as_str().map(str::to_owned);
                let detail =
                    detail.unwrap_or_else(|| String::from_utf8_lossy(&body).chars().take(200).collect());
                failed(id, SERVER_ERROR, format!("{status}: {detail}"))
            }
            Ok((_, Err(error))) | Err(error) => {
                let url = self.options.0.trim_end_matches("/mcp");
                let reason = root(&error);
                let hint = "start it with `kgroot run` or name another --server";
                failed(id, SERVER_ERROR, format!("{url} is not reachable ({reason}); {hint}"))
            }
        }
    }

    /// A post with the headers that the protocol wants beside the message.
    fn request(&self, message: &Value) -> RequestBuilder {
        let (url, tenant) = &self.options;
        let mut request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("x-tenant-id", tenant);
        let method = message["method"].as_str().unwrap_or_default();
        let agreed = self.version.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let named = message.pointer(VERSION_IN_META).and_then(Value::as_str).map(str::to_owned);
        let Some(version) = named.or(agreed).filter(|_| method != "initialize") else { return request };
        let mut headers = vec![("mcp-protocol-version", version.as_str())];
        if NAMED_IN_HEADERS <= version.as_str() {
            headers.push(("mcp-method", method));
            let name =
                ["/params/name", "/params/uri"].iter().find_map(|path| message.pointer(path)?.as_str());
            headers.extend(name.map(|name| ("mcp-name", name)));
        }
        for (name, value) in headers {
            // What no header can carry is missing in the request, and the server says so.
            if let Ok(value) = HeaderValue::from_str(value) {
                request = request.header(HeaderName::from_static(name), value);
            }
        }
        request
    }

    fn remember(&self, message: &Value, answer: &Value) {
        if message["method"] == "initialize"
            && let Some(version) = answer["result"]["protocolVersion"].as_str()
        {
            *self.version.lock().unwrap_or_else(PoisonError::into_inner) = Some(version.to_owned());
        }
    }
}

/// Says on standard error what failed; the answer that says it to whoever waits for one.
fn failed(id: Option<&Value>, code: i64, message: String) -> Option<Value> {
    eprintln!("kgroot mcp: {message}");
    Some(json!({"jsonrpc": "2.0", "id": id?, "error": {"code": code, "message": message}}))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::response::{IntoResponse, Response};
    use axum::routing::post;

    use super::*;

    /// Answers with the headers that came and the message; some methods otherwise.
    async fn played(headers: HeaderMap, body: String) -> Response {
        let message: Value = serde_json::from_str(&body).unwrap();
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        match message["method"].as_str() {
            Some("initialize") => {
                let result = json!({"protocolVersion": "2025-06-18", "text": "a\nb"});
                let pretty = serde_json::to_string_pretty(
                    &json!({"jsonrpc": "2.0", "id": message["id"], "result": result}),
                );
                pretty.unwrap().into_response()
            }
            Some("notifications/initialized") => StatusCode::ACCEPTED.into_response(),
            Some("refuse") => {
                (StatusCode::FORBIDDEN, r#"{"code":"x_refused","detail":"not so"}"#).into_response()
            }
            Some("garbage") => (StatusCode::OK, "<html>").into_response(),
            _ => {
                let names = ["x-tenant-id", "mcp-protocol-version", "mcp-method", "mcp-name"];
                let result = json!({"headers": names.map(header), "message": message});
                json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string().into_response()
            }
        }
    }

    async fn served() -> (String, tokio::task::JoinHandle<()>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new().route("/mcp", post(played));
        (url, tokio::task::spawn_local(async move { axum::serve(listener, router).await.unwrap() }))
    }

    /// What the bridge writes for these lines, in the order of ids.
    fn carried(input: &str, reachable: bool) -> Result<Vec<Value>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let (mut server, serving) = served().await;
            if !reachable {
                serving.abort();
                assert!(serving.await.unwrap_err().is_cancelled());
                server.truncate(server.len() - 1);
            }
            let bridge = Bridge::new(&McpOptions { server, tenant: "shop".parse().unwrap() })?;
            let mut written = Vec::new();
            // Each line once the one before is answered, as clients do with a handshake.
            for line in input.split_inclusive('\n') {
                carry(&bridge, line.as_bytes(), &mut written).await?;
            }
            let text = String::from_utf8(written).unwrap();
            Ok(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
        })
    }

    #[test]
    fn a_line_is_a_message_and_its_answer_is_a_line() {
        let initialize =
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#;
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let call = r#"{"jsonrpc":"2.0","id":"b","method":"tools/call","params":{"name":"search"}}"#;
        let written = carried(&format!("{initialize}\n{initialized}\n\n{call}"), true).unwrap();
        assert_eq!(written.len(), 2, "{written:?}");
        assert_eq!((&written[0]["id"], &written[0]["result"]["text"]), (&json!(1), &json!("a\nb")));
        assert_eq!(
            (&written[1]["id"], &written[1]["result"]["message"]["method"]),
            (&json!("b"), &json!("tools/call"))
        );
        // What was agreed on is named from then on.
        assert_eq!(written[1]["result"]["headers"], json!(["shop", "2025-06-18", null, null]));
    }

    #[test]
    fn a_version_without_handshake_is_named_in_headers_with_method_and_name() {
        let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"search","_meta":{meta}}}}}"#
        );
        let written = carried(&call, true).unwrap();
        assert_eq!(written[0]["result"]["headers"], json!(["shop", "2026-07-28", "tools/call", "search"]));
    }

    #[test]
    fn whatever_goes_wrong_is_an_answer_with_the_id_of_the_request() {
        let input = "{\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"refuse\"}\n{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"garbage\"}\n";
        let written = carried(input, true).unwrap();
        let told: Vec<_> = written.iter().map(|answer| (&answer["id"], &answer["error"]["code"])).collect();
        assert_eq!(
            told,
            [(&Value::Null, &json!(-32700)), (&json!(2), &json!(-32000)), (&json!(3), &json!(-32000))]
        );
        assert_eq!(written[1]["error"]["message"], "403 Forbidden: not so");
        let away = carried(
            "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}\n{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n",
            false,
        );
        let away = away.unwrap();
        assert_eq!((away.len(), &away[0]["id"]), (1, &json!(4)));
        assert!(away[0]["error"]["message"].as_str().unwrap().contains("is not reachable"), "{away:?}");
    }

    #[test]
    fn a_line_without_end_ends_the_bridge() {
        let error = carried(&"x".repeat(LINE_BYTES_MAX + 1), true).unwrap_err();
        assert!(error.to_string().contains("longer than 1048576 bytes"), "{error}");
    }

    #[test]
    fn messages_do_not_wait_for_each_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let both = Arc::new(tokio::sync::Barrier::new(2));
            let meet = {
                let both = both.clone();
                async move |body: String| {
                    both.wait().await;
                    body
                }
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = format!("http://{}", listener.local_addr().unwrap());
            let router = Router::new().route("/mcp", post(meet));
            tokio::task::spawn_local(async move { axum::serve(listener, router).await.unwrap() });
            let bridge = Bridge::new(&McpOptions { server, tenant: "shop".parse().unwrap() }).unwrap();
            let input = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\"}\n{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"b\"}\n";
            let mut written = Vec::new();
            carry(&bridge, input.as_bytes(), &mut written).await.unwrap();
            assert_eq!(String::from_utf8(written).unwrap().lines().count(), 2);
        });
    }
}
