//! Tests of `redact`.

mod clean;
mod planted;
mod random;

use serde_json::json;

use super::*;

#[test]
fn three_hundred_planted_secrets_leave_nothing() {
    let mut left = Vec::new();
    for seed in 0..300 {
        let planted = planted::planted(seed);
        let found = match &planted.carrier {
            planted::Carrier::Text(text) => super::text(text),
            planted::Carrier::Document(document) => super::value(document).to_string(),
        };
        if planted.pieces.iter().any(|piece| found.contains(piece)) {
            left.push(format!("seed {seed}: {} of {:?}\n  -> {found}", planted.kind, planted.carrier));
        }
    }
    assert!(left.is_empty(), "{} left:\n{}", left.len(), left.join("\n"));
}

#[test]
fn at_most_one_clean_line_of_a_hundred_is_changed() {
    let lines = (0..10_000).map(clean::line);
    let changed: Vec<String> = lines
        .filter(|line| super::text(line) != *line)
        .map(|line| format!("{line}\n  -> {}", super::text(&line)))
        .collect();
    assert!(changed.len() <= 100, "{} changed:\n{}", changed.len(), changed[..20].join("\n"));
}

#[test]
fn what_surrounds_a_secret_stays() {
    for (text, wanted) in [
        (
            "db postgres://app:hunter2@db:5432/shop is down",
            "db postgres://app:[redacted:url_password]@db:5432/shop is down",
        ),
        ("login password=hunter2, user=bob", "login password=[redacted:password], user=bob"),
        (
            r#"{"user":"bob","password":"hun\"ter2","n":1}"#,
            r#"{"user":"bob","password":"[redacted:password]","n":1}"#,
        ),
        (r#"body={\"apiKey\":\"abcdefgh\"} ok"#, r#"body={\"apiKey\":\"[redacted:key]\"} ok"#),
        ("mail to bob@example.com failed", "mail to [redacted:email] failed"),
        ("card 4111 1111 1111 1111 declined", "card [redacted:card] declined"),
        ("curl -H 'Authorization: Bearer abcdef' x", "curl -H 'Authorization: [redacted:header]' x"),
        (
            "redis-cli --pass hunter2 --password hunter2 ping",
            "redis-cli --pass hunter2 --password [redacted:password] ping",
        ),
        ("<password>hunter2</password>", "<password>[redacted:password]</password>"),
        ("API key: abcdefgh1 refused", "API key: [redacted:key] refused"),
    ] {
        assert_eq!(super::text(text), wanted);
    }
}

#[test]
fn what_only_looks_like_a_secret_survives() {
    for text in [
        "unexpected token: IDENT at line 4",
        "MountVolume.SetUp failed: secret \"db-credentials\" not found secret=\"prod/db-credentials\"",
        "max_tokens=512 prompt_tokens: 812 token_type=bearer tokenizer: bpe",
        "password=${DB_PASSWORD} password=**** password: null secretName: tls-cert",
        "basic authentication is off, bearer authentication required",
        "git clone git@github.com:org/repo.git and getty@tty1.service",
        "image registry.example/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "trace 4bf92f3577b34da6a3ce929d0e0e4736 span 00f067aa0ba902b7 at 1732608000123456789",
        "java.lang.IllegalStateException: com.example.TokenValidatorFactoryImpl2.validate(TokenValidator.java:42)",
        "missing -----BEGIN CERTIFICATE----- header in file ca.crt",
        "latency 0.4111111111111111 s, order 4111111111111112",
        "GET http://host:8080/a/b?x=1 200",
    ] {
        assert_eq!(super::text(text), text);
    }
}

#[test]
fn documents_are_looked_at_by_names_siblings_and_pieces() {
    let document = json!({
        "env": [{ "name": "DB_PASSWORD", "value": "hunter2" }, { "name": "LEVEL", "value": "debug" }],
        "args": ["--user", "bob", "--password", "hunter2", "--verbose"],
        "user": "bob",
        "pwd": 12345678,
        "parts": ["AKIAIOSF", "ODNN7ABCDEFG"],
        "card": 4_111_111_111_111_111_u64,
        "ghp_0123456789abcdef0123456789abcdef0123": { "secret": { "name": "tls" } },
    });
    let wanted = json!({
        "env": [{ "name": "DB_PASSWORD", "value": "[redacted:field]" }, { "name": "LEVEL", "value": "debug" }],
        "args": ["--user", "bob", "--password", "[redacted:argument]", "--verbose"],
        "user": "bob",
        "pwd": "[redacted:field]",
        "parts": ["[redacted:argument]", "[redacted:argument]"],
        "card": "[redacted:card]",
        "[redacted:github_token]": { "secret": { "name": "tls" } },
    });
    assert_eq!(super::value(&document), wanted);
    let mut deep = json!("hunter2");
    for _ in 0..10_000 {
        deep = Value::Array(vec![deep]);
    }
    assert!(super::value(&deep).to_string().contains("[redacted:depth]"));
    // Dropping a document so deep would itself recurse.
    std::mem::forget(deep);
}

/// Work is bounded by the length: every hostile shape of a megabyte is finished; were any rule quadratic, a megabyte
/// would take hours.
#[test]
fn a_megabyte_of_anything_ends() {
    let shapes = [
        "a",
        "A1b2",
        "eyJ",
        "token=",
        "token: ",
        "password=\"",
        "://a:b",
        "@",
        "a@b.cc-",
        "-----BEGIN ",
        "%41",
        "4111 ",
        "4",
        "=",
        "\\\"",
        "secret ",
        "bearer ",
        "Authorization: digest ",
        "AKIA",
        "sk-a-",
        "xé",
        "--key ",
        "a.b.",
    ];
    for shape in shapes {
        let text = shape.repeat((1 << 20) / shape.len());
        assert!(super::text(&text).len() <= 8 * text.len(), "{shape}");
    }
}

#[test]
fn redacting_twice_is_redacting_once() {
    for seed in 0..300 {
        if let planted::Carrier::Text(text) = planted::planted(seed).carrier {
            let once = super::text(&text);
            assert_eq!(super::text(&once), once, "seed {seed}");
        }
    }
}
