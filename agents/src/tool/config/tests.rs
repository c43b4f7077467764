//! Tests of `config`.

use serde_json::json;

use super::*;
use crate::tool::endpoint::stub::{self, Stub};

fn environment(name: &str) -> Option<String> {
    ["ONE", "TWO", "ALL"].contains(&name).then(|| format!("canary-{}", name.to_lowercase()))
}

/// A type with one option and one tool.
fn vendor(connection: &Connection, endpoint: Endpoint) -> Result<Vec<Box<dyn Tool>>, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Options {
        #[serde(default)]
        site: String,
    }
    struct Asks(Metadata, Endpoint);
    impl Tool for Asks {
        fn metadata(&self) -> &Metadata {
            &self.0
        }
        fn execute(&self, _: super::super::Call) -> super::super::Executing<'_> {
            Box::pin(
                async move { self.1.get(&["x"], &[]).await.map(|content| super::super::Output { content }) },
            )
        }
    }
    let options: Options = connection.options()?;
    let schema = json!({"type": "object", "additionalProperties": false});
    let metadata = connection.metadata("ask", &options.site, Category::Metrics, schema);
    Ok(vec![Box::new(Asks(metadata, endpoint))])
}

async fn loaded(text: &str) -> Result<Loaded, ConfigError> {
    load(text, &environment, SystemTime::UNIX_EPOCH, &Types::from([("vendor", vendor as Build)])).await
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

#[tokio::test]
async fn tenants_have_their_own_connections_of_one_name() {
    let stub = Stub::start(|_| stub::json("{}")).await;
    let text = format!(
        "connections:
  - {{name: v, type: vendor, url: '{url}', allow_private: true, tenants: [one], token: '${{env:ONE}}', site: eu}}
  - {{name: v, type: vendor, url: '{url}', allow_private: true, tenants: [two], headers: {{X-Key: 'k ${{env:TWO}}'}}}}
  - name: v
    type: vendor
    url: '{url}'
    allow_private: true
    token: ${{env:ALL}}
    calls_per_minute: 7
    timeout: 2.5
    response_kib: 1
    usd_per_call: 0.0015
",
        url = stub.url()
    );
    let toolbox = loaded(&text).await.unwrap().toolbox;
    let allowed = BTreeSet::from(["v.ask".to_owned()]);
    for (name, header) in [
        ("one", "authorization: Bearer canary-one"),
        ("two", "x-key: k canary-two"),
        ("three", "authorization: Bearer canary-all"),
    ] {
        let called = toolbox
            .call(&tenant(name), ("graph", &allowed), "v.ask", json!({}), Duration::from_secs(9))
            .await;
        assert_eq!(called.status(), "ok", "{:?}", called.outcome);
        let asked = stub.asked().pop().unwrap();
        assert!(asked.contains(&format!("{header}\r\n")), "{asked}");
        assert_eq!(asked.matches("canary").count(), 1, "{asked}");
    }
    let metadata = &toolbox.list(&tenant("three"))[0];
    assert_eq!((metadata.calls_per_minute, metadata.usd_micros), (7, 1_500));
    assert_eq!(metadata.timeout, Duration::from_millis(2_500));
    assert_eq!(toolbox.list(&tenant("one"))[0].description, "eu");
}

#[tokio::test]
async fn a_user_and_a_password_become_a_header() {
    let stub = Stub::start(|_| stub::json("{}")).await;
    let keys = "allow_private: true, user: reader, password: '${env:ONE}'";
    let text = format!("connections: [{{name: v, type: vendor, url: '{}', {keys}}}]", stub.url());
    let toolbox = loaded(&text).await.unwrap().toolbox;
    let allowed = BTreeSet::from(["v.ask".to_owned()]);
    toolbox.call(&tenant("one"), ("graph", &allowed), "v.ask", json!({}), Duration::from_secs(9)).await;
    // base64 of reader:canary-one
    assert!(
        stub.asked()[0].contains("authorization: Basic cmVhZGVyOmNhbmFyeS1vbmU=\r\n"),
        "{:?}",
        stub.asked()
    );
}

#[tokio::test]
async fn what_is_wrong_is_named_and_no_secret_is() {
    let one = |keys: &str| {
        format!("connections:\n  - {{name: v, type: vendor, url: 'https://example.com', {keys}}}")
    };
    let cases: Vec<(String, &str)> = vec![
        (one("tokn: canary"), "tools: connection v: unknown field `tokn`"),
        (one("token: '${env:NONE}'"), "tools: connection v: token: ${env:NONE}: there is no such secret"),
        (one("headers: {a: '${vault:kv/a#b}'}"), "tools: connection v: headers.a: ${vault:kv/a#b}: vault is not conf"),
        (one("headers: {authorization: canary}, token: canary"), "tools: connection v: token: there is a header"),
        (one("user: a"), "tools: connection v: password: there is none for the user"),
        (one("password: canary"), "tools: connection v: user: there is none for the password"),
        (one("user: 'a:b', password: canary"), "tools: connection v: user: a name without a colon"),
        (one("user: a, password: canary, token: canary"), "tools: connection v: password: there is a token"),
        (one("user: a, password: '${env:NONE}'"), "tools: connection v: password: ${env:NONE}: there is no such secret"),
        (one("headers: {host: canary}"), "tools: connection v: header host: may not be set"),
        (one("headers: canary"), "tools: connection v: headers: not texts by name"),
        (one("tenants: []"), "tools: connection v: tenants: an empty list"),
        (one("tenants: [NO]"), "tools: connection v: tenants: not a list of tenant ids"),
        (one("timeout: 0"), "tools: connection v: timeout: 0 is not between 0.1 and 60"),
        (one("timeout: .nan, token: canary"), "tools: "),
        (one("token: canary, ]"), "tools: "),
        ("vault: canary".into(), "tools: "),
        ("vault: {url: 'https://example.com', token: [canary]}".into(), "tools: "),
        (one("calls_per_minute: 0"), "tools: connection v: calls_per_minute: 0 is not between"),
        (one("calls_per_minute: many"), "tools: connection v: calls_per_minute: not a number"),
        (one("response_kib: 99999"), "tools: connection v: response_kib: 99999 is not between"),
        (one("usd_per_call: -1"), "tools: connection v: usd_per_call: -1 is not between"),
        (one("allow_private: maybe"), "tools: connection v: allow_private: not true or false"),
        ("connections: [{name: v, type: vendor}]".into(), "tools: connection v: url: there is none"),
        ("connections: [{name: v, type: http}]".into(), "tools: connection v: url: there is none"),
        ("connections: [{name: v}]".into(), "tools: connection v: type: there is none"),
        ("connections: [{type: vendor}]".into(), "tools: connection #1: name: 1 to 40"),
        ("connections: [{name: a.b, type: vendor}]".into(), "tools: connection a.b: name: 1 to 40"),
        ("connections: [{name: v, type: vender}]".into(), "tools: connection v: type: \"vender\" is none of http, mcp, vendor"),
        ("connections: [{name: v, type: vendor, url: 'http://10.0.0.1'}]".into(), "tools: connection v: url: the address is not public"),
        ("connections: [{name: v, type: vendor, url: 'ftp://canary@a'}]".into(), "tools: connection v: url: http or https only"),
        ("connections: [{name: v, type: mcp, tools: [a]}]".into(), "tools: connection v: either command or url"),
        ("connections: [{name: v, type: mcp, command: [python3], tools: [a]}]".into(), "tools: connection v: command: the whole path"),
        (
            "connections: [{name: v, type: mcp, command: [/bin/cat], environment: {A: '${env:NONE}'}, tools: [a]}]".into(),
            "tools: connection v: environment.A: ${env:NONE}",
        ),
        ("vault: {url: 'https://example.com', token: '${env:NONE}'}".into(), "tools: vault: token: ${env:NONE}"),
        (
            "connections: [{name: v, type: mcp, command: [/bin/cat], environment: canary, tools: [a]}]".into(),
            "tools: connection v: something else than a map",
        ),
        ("vault: {url: 'file:///', token: x}".into(), "tools: vault: url: http or https only"),
        ("aws: {region: eu-west-1}".into(), "tools: aws: neither access_key_id"),
        ("aws: {region: eu-west-1, access_key_id: a}".into(), "tools: aws: access_key_id and secret_access_key: one"),
        ("connection: []".into(), "tools: "),
        ("connections: 7".into(), "tools: "),
        ("[".into(), "tools: "),
    ];
    for (text, told) in cases {
        let error = loaded(&text).await.err().expect(&text).to_string();
        assert!(error.starts_with(told) && !error.contains("canary"), "{text}\n{error}");
    }
}

#[tokio::test]
async fn a_name_is_there_once_for_a_tenant() {
    let connection =
        |tenants: &str| format!("  - {{name: v, type: vendor, url: 'https://example.com'{tenants}}}\n");
    let both = |one: &str, other: &str| format!("connections:\n{}{}", connection(one), connection(other));
    for text in [both("", ""), both(", tenants: [a, b]", ", tenants: [b, c]")] {
        assert_eq!(loaded(&text).await.err().map(|error| error.connection).as_deref(), Some("v"), "{text}");
    }
    for text in [both("", ", tenants: [b]"), both(", tenants: [a]", ", tenants: [b]")] {
        assert_eq!(loaded(&text).await.err(), None, "{text}");
    }
}

#[tokio::test]
async fn an_empty_configuration_has_no_tools() {
    for text in ["connections: []", "{}"] {
        assert_eq!(loaded(text).await.unwrap().toolbox.list(&tenant("a")), []);
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_told_and_the_rest_is_there() {
    let text = "connections:
  - {name: gone, type: mcp, command: [/nowhere/at/all], tools: [a]}
  - {name: mute, type: mcp, command: [/bin/true], tools: [a]}
  - {name: v, type: vendor, url: 'https://example.com'}";
    let loaded = loaded(text).await.unwrap();
    let away: Vec<&str> = loaded.away.iter().map(|error| error.connection.as_str()).collect();
    assert_eq!(away, ["gone", "mute"]);
    assert_eq!(loaded.toolbox.away(&tenant("a")).collect::<Vec<_>>(), away);
    assert_eq!(loaded.toolbox.list(&tenant("a")).len(), 1);
}
