//! Tests of `registry`.

mod act;
mod switched;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::tool::endpoint::stub::{self, Stub};
use crate::tool::endpoint::{Egress, Endpoint};
use crate::tool::secret::Secret;
use crate::tool::{Category, Executing};

const MINUTE: Duration = Duration::from_secs(60);

/// A tool that answers what it is told to, in order; then it answers "ok".
struct Told {
    metadata: Metadata,
    answers: Mutex<VecDeque<Answer>>,
    asked: Arc<AtomicU32>,
}

#[derive(Clone)]
enum Answer {
    Now(Result<Output, ToolError>),
    Later(Duration),
    Never,
}

impl Tool for Told {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn execute(&self, _: Call) -> Executing<'_> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Answer::Now(ok()));
        Box::pin(async move {
            match answer {
                Answer::Now(outcome) => outcome,
                Answer::Later(after) => {
                    tokio::time::sleep(after).await;
                    ok()
                }
                Answer::Never => std::future::pending().await,
            }
        })
    }
}

fn ok() -> Result<Output, ToolError> {
    Ok(Output { content: json!("ok") })
}

fn away() -> Answer {
    Answer::Now(Err(ToolError::Unavailable("away".to_owned())))
}

fn garbage() -> Answer {
    Answer::Now(Err(ToolError::Garbage("garbage".to_owned())))
}

fn metadata(name: &str) -> Metadata {
    Metadata {
        name: name.to_owned(),
        description: "A test.".to_owned(),
        category: Category::Context,
        effect: Effect::Read,
        parameters: json!({
            "type": "object", "additionalProperties": false, "properties": {"q": {"type": "string", "maxLength": 9}},
        }),
        calls_per_minute: 100,
        usd_micros: 7,
        timeout: Duration::from_secs(10),
    }
}

struct Box1 {
    tools: Toolbox,
    asked: Arc<AtomicU32>,
}

/// One tool, `a.b`, for all tenants.
fn toolbox(answers: &[Answer], change: impl FnOnce(&mut Metadata)) -> Box1 {
    let mut tools = Toolbox::new();
    let mut metadata = metadata("a.b");
    change(&mut metadata);
    let asked = Arc::default();
    let told =
        Told { metadata, answers: Mutex::new(answers.iter().cloned().collect()), asked: Arc::clone(&asked) };
    tools.add("a", None, vec![Box::new(told)]).unwrap();
    Box1 { tools, asked }
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn may(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Box1 {
    async fn call(&self, arguments: Value) -> Called {
        self.call_as("one", arguments, MINUTE).await
    }
    async fn call_as(&self, name: &str, arguments: Value, within: Duration) -> Called {
        self.tools.call(&tenant(name), ("graph", &may(&["a.b"])), "a.b", arguments, within).await
    }
    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
    fn state(&self) -> State {
        self.tools.breakers().first().expect("it was called").2
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_recorded_whatever_happens() {
    let one = toolbox(&[], |_| {});
    let called = one.call(json!({"q": "x"})).await;
    let expected = Called {
        tool: "a.b".to_owned(),
        arguments: json!({"q": "x"}),
        outcome: ok(),
        attempts: 1,
        elapsed: Duration::ZERO,
        usd_micros: 7,
    };
    assert_eq!((called.status(), called), ("ok", expected));
    let refused: Vec<(&str, &[&str], Value, &str)> = vec![
        ("a.b", &["a.c"], json!({}), "denied"),
        ("a.c", &["a.c"], json!({}), "denied"),
        ("a.b ", &["a.b", "a.b "], json!({}), "denied"),
        ("A.b", &["a.b", "A.b"], json!({}), "denied"),
        ("a", &["a"], json!({}), "denied"),
        ("", &[""], json!({}), "denied"),
        ("a.b", &["a.b"], json!({"q": 1}), "arguments"),
        ("a.b", &["a.b"], json!({"tenant": "two"}), "arguments"),
        ("a.b", &["a.b"], json!("{}"), "arguments"),
        ("a.b", &["a.b"], json!({"q": "x".repeat(20_000)}), "arguments"),
    ];
    for (name, allowed, arguments, status) in refused {
        let called = one.tools.call(&tenant("one"), ("graph", &may(allowed)), name, arguments, MINUTE).await;
        assert_eq!((called.status(), called.attempts, called.usd_micros), (status, 0, 0), "{name}");
        assert!(fits(&called.arguments, ARGUMENTS_BYTES));
    }
    assert_eq!(one.asked(), 1);
    let long =
        one.tools.call(&tenant("one"), ("graph", &may(&[])), &"x".repeat(1 << 20), json!({}), MINUTE).await;
    assert_eq!(long.tool.len(), NAME_CHARS);
}

#[tokio::test(start_paused = true)]
async fn what_writes_is_never_called() {
    let one = toolbox(&[], |metadata| metadata.effect = Effect::Write);
    assert_eq!(one.call(json!({})).await.status(), "denied");
    assert_eq!(one.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hung_tool_costs_its_own_call() {
    let one = toolbox(&[Answer::Never, Answer::Now(ok())], |_| {});
    let (hung, other) = tokio::join!(one.call(json!({})), one.call(json!({})));
    assert_eq!(hung.outcome, Err(ToolError::TimedOut(Duration::from_secs(10))));
    assert_eq!((hung.elapsed, hung.attempts), (Duration::from_secs(10), 1));
    assert_eq!((other.outcome, other.elapsed), (ok(), Duration::ZERO));
    let one = toolbox(&[Answer::Never], |_| {});
    let hung = one.call_as("one", json!({}), Duration::from_secs(2)).await;
    assert_eq!((hung.elapsed, hung.status()), (Duration::from_secs(2), "timed_out"));
    let none = one.call_as("one", json!({}), Duration::ZERO).await;
    assert_eq!((none.attempts, none.status()), (0, "timed_out"));
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_again_where_that_may_help() {
    let limited =
        |after: Option<u64>| Answer::Now(Err(ToolError::Limited { after: after.map(Duration::from_secs) }));
    let cases: Vec<(&str, Vec<Answer>, &str, u32, u64)> = vec![
        ("away once", vec![away()], "ok", 2, 100),
        ("away twice", vec![away(), away()], "ok", 3, 500),
        ("away", vec![away(), away(), away()], "unavailable", 3, 500),
        ("garbage", vec![garbage()], "garbage", 1, 0),
        ("limited", vec![limited(None)], "limited", 1, 0),
        ("limited for a while", vec![limited(Some(2))], "ok", 2, 2_000),
        ("limited for too long", vec![limited(Some(10))], "limited", 1, 0),
        ("limited for ever", vec![limited(Some(u64::MAX))], "limited", 1, 0),
        ("slow, then away", vec![away(), Answer::Later(Duration::from_secs(20))], "timed_out", 2, 10_000),
    ];
    for (name, answers, status, attempts, millis) in cases {
        let one = toolbox(&answers, |_| {});
        let called = one.call(json!({})).await;
        assert_eq!((called.status(), called.attempts), (status, attempts), "{name}");
        assert_eq!(called.elapsed, Duration::from_millis(millis), "{name}");
        assert_eq!(called.usd_micros, 7 * u64::from(attempts), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_tenant_has_its_own_rate() {
    let one = toolbox(&[], |metadata| metadata.calls_per_minute = 2);
    for _ in 0..2 {
        assert_eq!(one.call(json!({})).await.status(), "ok");
    }
    let limited = one.call(json!({})).await;
    assert_eq!(limited.outcome, Err(ToolError::Limited { after: Some(Duration::from_secs(30)) }));
    assert_eq!(one.call_as("two", json!({}), MINUTE).await.status(), "ok");
    assert_eq!(one.call(json!({"q": 1})).await.status(), "arguments", "a call that is none takes nothing");
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(one.call(json!({})).await.status(), "ok");
    let one = toolbox(&[away()], |metadata| metadata.calls_per_minute = 1);
    assert_eq!(one.call(json!({})).await.attempts, 1, "an attempt counts as a call");
}

#[tokio::test(start_paused = true)]
async fn after_five_failures_one_call_finds_out() {
    let hung = Answer::Later(Duration::from_secs(1));
    let mut answers = vec![garbage(); 5];
    answers.push(hung);
    let one = toolbox(&answers, |_| {});
    for _ in 0..5 {
        assert_eq!(one.state_or_closed(), State::Closed);
        assert_eq!(one.call(json!({})).await.status(), "garbage");
    }
    assert_eq!(one.state(), State::Open);
    assert_eq!(one.call(json!({})).await.attempts, 0);
    assert_eq!(
        one.call_as("two", json!({}), Duration::ZERO).await.status(),
        "timed_out",
        "another tenant is not stopped"
    );
    tokio::time::advance(Duration::from_secs(30)).await;
    let calls = futures_util::future::join_all((0..20).map(|_| one.call(json!({})))).await;
    assert_eq!(one.asked(), 6, "exactly one probe");
    assert_eq!(calls.iter().filter(|called| called.status() == "ok").count(), 1);
    assert_eq!(calls.iter().filter(|called| called.status() == "unavailable").count(), 19);
    assert_eq!(one.call(json!({})).await.status(), "ok");
    assert_eq!(one.state(), State::Closed);
}

impl Box1 {
    fn state_or_closed(&self) -> State {
        self.tools.breakers().first().map_or(State::Closed, |(_, _, state)| *state)
    }
}

#[tokio::test(start_paused = true)]
async fn which_outcomes_open_the_breaker() {
    let error = |error: ToolError| Answer::Now(Err(error));
    for (answer, opens) in [
        (error(ToolError::Arguments(String::new())), false),
        (error(ToolError::Limited { after: None }), false),
        (error(ToolError::Denied(String::new())), true),
        (away(), true),
        (Answer::Never, true),
        (error(ToolError::TooLarge(1)), true),
        (garbage(), true),
        (Answer::Now(ok()), false),
    ] {
        let one = toolbox(&vec![answer; 15], |_| {});
        for _ in 0..5 {
            one.call(json!({})).await;
        }
        let state = if opens { State::Open } else { State::Closed };
        assert_eq!(one.state(), state, "{:?}", one.call(json!({})).await.outcome);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_nobody_waits_for_is_given_back() {
    let mut answers = vec![garbage(); 5];
    answers.push(Answer::Never);
    let one = toolbox(&answers, |_| {});
    for _ in 0..5 {
        one.call(json!({})).await;
    }
    tokio::time::advance(Duration::from_secs(30)).await;
    let given_up = tokio::time::timeout(Duration::from_secs(1), one.call(json!({}))).await;
    assert!(given_up.is_err());
    assert_eq!(one.state(), State::HalfOpen);
    assert_eq!(one.call(json!({})).await.status(), "ok");
}

/// A tool that asks an endpoint, so that the credentials can be seen at the other side.
struct Remote(Metadata, Endpoint);

impl Tool for Remote {
    fn metadata(&self) -> &Metadata {
        &self.0
    }
    fn execute(&self, call: Call) -> Executing<'_> {
        Box::pin(async move {
            self.1.get(&["for", call.tenant.as_str()], &[]).await.map(|content| Output { content })
        })
    }
}

fn remote(name: &str, url: &str, token: &str) -> Vec<Box<dyn Tool>> {
    let egress = Egress { allow_private: true, response_bytes: 100 };
    let endpoint = Endpoint::new(url, &[("x-token", Secret::new(token))], &egress).unwrap();
    vec![Box::new(Remote(metadata(name), endpoint))]
}

fn tenants(names: &[&str]) -> Option<BTreeSet<TenantId>> {
    Some(names.iter().map(|name| tenant(name)).collect())
}

#[tokio::test]
async fn credentials_of_one_tenant_are_never_used_for_another() {
    let stub = Stub::start(|_| stub::json("{}")).await;
    let mut tools = Toolbox::new();
    // The one for all comes first, so that it is not the order which decides.
    tools
        .add(
            "a",
            None,
            [remote("a.b", &stub.url(), "token-all"), remote("a.c", &stub.url(), "token-all")]
                .into_iter()
                .flatten()
                .collect(),
        )
        .unwrap();
    tools.add("a", tenants(&["one"]), remote("a.b", &stub.url(), "token-one")).unwrap();
    tools.add("a", tenants(&["two", "three"]), remote("a.b", &stub.url(), "token-two")).unwrap();
    let allowed = may(&["a.b", "a.c"]);
    for (name, tool, token) in [
        ("one", "a.b", Some("token-one")),
        ("two", "a.b", Some("token-two")),
        ("three", "a.b", Some("token-two")),
        ("four", "a.b", Some("token-all")),
        ("four", "a.c", Some("token-all")),
        ("one", "a.c", None),
    ] {
        let called = tools.call(&tenant(name), ("graph", &allowed), tool, json!({}), MINUTE).await;
        let Some(token) = token else {
            assert_eq!(
                called.status(),
                "denied",
                "one has a connection of its own, and nothing of the other"
            );
            continue;
        };
        assert_eq!(called.status(), "ok");
        let asked = stub.asked().pop().unwrap();
        assert!(
            asked.starts_with(&format!("GET /for/{name} "))
                && asked.contains(&format!("x-token: {token}\r\n")),
            "{asked}"
        );
        assert_eq!(asked.matches("token-").count(), 1);
    }
    let names = |name: &str| tools.list(&tenant(name)).into_iter().map(|tool| tool.name).collect::<Vec<_>>();
    assert_eq!(names("one"), ["a.b"]);
    assert_eq!(names("four"), ["a.b", "a.c"]);
}

#[test]
fn names_are_taken_once_for_each_tenant() {
    let tool = |name: &str| -> Vec<Box<dyn Tool>> {
        vec![Box::new(Told { metadata: metadata(name), answers: Mutex::default(), asked: Arc::default() })]
    };
    let mut tools = Toolbox::new();
    tools.add("a", None, tool("a.b")).unwrap();
    tools.add("a", tenants(&["one", "two"]), tool("a.b")).unwrap();
    tools.add("b", tenants(&["one"]), tool("b.b")).unwrap();
    assert!(tools.add("a", None, tool("a.b")).is_err());
    assert!(tools.add("a", tenants(&["two", "three"]), tool("a.b")).unwrap_err().contains("for two"));
    for (connection, name) in [
        ("c", "d.e"),
        ("c", "c"),
        ("c", "c."),
        ("c", "c.é"),
        ("C", "C.e"),
        ("c.d", "c.d.e"),
        ("", ".e"),
        ("c", "c. "),
    ] {
        assert!(tools.add(connection, None, tool(name)).is_err(), "{name}");
    }
    let twice = tool("d.e").into_iter().chain(tool("d.e")).collect();
    assert!(tools.add("d", None, twice).is_err());
    assert_eq!(tools.list(&tenant("nine")).len(), 1);
}
