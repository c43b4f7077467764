//! Tests of `reference`.

use std::time::Duration;

use super::*;
use crate::tool::endpoint::stub::{self, Stub};

fn environment(name: &str) -> Option<String> {
    match name {
        "TOKEN" => Some("canary-1".to_owned()),
        "NESTED" => Some("${env:TOKEN}".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

async fn filled(text: &str) -> Result<String, SecretError> {
    fill(text, &Sources::local(&environment)).await.map(|secret| secret.expose().to_owned())
}

#[tokio::test]
async fn the_environment_fills_references() {
    for (text, expected) in [
        ("plain", "plain"),
        ("", ""),
        ("$5 {x}", "$5 {x}"),
        ("${env:TOKEN}", "canary-1"),
        ("Bearer ${env:TOKEN}!", "Bearer canary-1!"),
        ("${env:TOKEN}${env:TOKEN}", "canary-1canary-1"),
        ("${env:NESTED}", "${env:TOKEN}"),
    ] {
        assert_eq!(filled(text).await.as_deref(), Ok(expected), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_named_and_nothing_else() {
    for (text, named) in [
        ("canary-2 ${env:NONE}", "${env:NONE}: there is no such secret, or it is empty"),
        ("canary-2 ${env:EMPTY}", "${env:EMPTY}: there is no such secret, or it is empty"),
        ("${file:/nowhere/at/all}", "${file:/nowhere/at/all}: there is no such secret, or it is empty"),
        ("${file:/}", "${file:/}: is a directory"),
        ("${vault:kv/a#b}", "${vault:kv/a#b}: vault is not configured"),
        ("${ssm:/a}", "${ssm:/a}: aws is not configured"),
    ] {
        assert_eq!(filled(text).await.unwrap_err().to_string(), named);
    }
    for text in
        ["${env:}", "${TOKEN}", "${file:relative}", "${ssm:a}", "${vault:kv/a}", "${what:x}", "${env:a\nb}"]
    {
        assert!(matches!(filled(text).await, Err(SecretError::Malformed(_))), "{text}");
    }
    let open = filled("${canary-3").await.unwrap_err();
    assert!(!open.to_string().contains("canary"), "{open}");
    assert_eq!(format!("{:?}", Secret::new("canary")), "***");
}

#[tokio::test]
async fn files_are_read_without_their_line_end() {
    let directory = std::env::temp_dir().join(format!("kgroot-secret-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("token");
    let reference = format!("${{file:{}}}", path.display());
    for (content, expected) in [("a\n", "a"), ("a\r\n", "a"), ("a", "a"), ("a\nb\n\n", "a\nb\n")] {
        std::fs::write(&path, content).unwrap();
        assert_eq!(filled(&reference).await.as_deref(), Ok(expected));
    }
    std::fs::write(&path, "x".repeat(SECRET_BYTES as usize + 1)).unwrap();
    assert!(matches!(filled(&reference).await, Err(SecretError::Away(..))));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn vault_is_asked_for_the_key_of_a_path() {
    let stub = Stub::start(|request| match request.split(' ').nth(1) {
        Some("/v1/kv/data/team%20a/datadog") => {
            stub::json(r#"{"data": {"data": {"key": "canary", "n": 7}, "metadata": {"version": 3}}}"#)
        }
        Some("/v1/kv/data/closed") => stub::response("403 Forbidden", "", "canary"),
        _ => stub::response("404 Not Found", "", "{}"),
    })
    .await;
    let vault = Vault::new(&stub.url(), Secret::new("canary-token")).unwrap();
    let sources = Sources { vault: Some(&vault), ..Sources::local(&environment) };
    let found = fill("${vault:kv/team a/datadog#key}", &sources).await.unwrap();
    assert_eq!(found.expose(), "canary");
    assert!(stub.asked()[0].contains("x-vault-token: canary-token\r\n"));
    for (reference, told) in [
        ("${vault:kv/team a/datadog#other}", "there is no such secret, or it is empty"),
        ("${vault:kv/team a/datadog#n}", "there is no such secret, or it is empty"),
        ("${vault:kv/none#key}", "there is no such secret, or it is empty"),
        ("${vault:kv/closed#key}", "vault: denied: status 403"),
        ("${vault:kv/../sys#key}", "vault: arguments: a part of the path is only dots"),
        ("${vault:kv#key}", "a mount and a path"),
    ] {
        let error = fill(reference, &sources).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{reference}: {told}"));
    }
    assert!(!format!("{vault:?}").contains("canary"));
}

#[tokio::test]
async fn parameters_of_aws_are_asked_for_with_a_signature() {
    let stub = Stub::start(|request| {
        if request.contains(r#""Name":"/kgroot/token""#) && request.contains(r#""WithDecryption":true"#) {
            stub::json(
                r#"{"Parameter": {"Name": "/kgroot/token", "Type": "SecureString", "Value": "canary"}}"#,
            )
        } else {
            stub::response("400 Bad Request", "", r#"{"__type": "ParameterNotFound"}"#)
        }
    })
    .await;
    let keys = Keys {
        access_key_id: Secret::new("AKIDEXAMPLE"),
        secret_access_key: Secret::new("canary-key"),
        session_token: Some(Secret::new("session")),
    };
    let aws = Aws::new("eu-west-1", Some(&stub.url()), keys).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
    let sources = Sources { aws: Some(&aws), now, ..Sources::local(&environment) };
    assert_eq!(fill("${ssm:/kgroot/token}", &sources).await.unwrap().expose(), "canary");
    let asked = stub.asked().remove(0);
    for part in [
        "x-amz-target: AmazonSSM.GetParameter\r\n",
        "content-type: application/x-amz-json-1.1\r\n",
        "x-amz-date: 20250615T150640Z\r\n",
        "x-amz-security-token: session\r\n",
        "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250615/eu-west-1/ssm/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert!(!asked.contains("canary-key"));
    let missing = fill("${ssm:/kgroot/none}", &sources).await;
    assert_eq!(missing, Err(SecretError::Missing("${ssm:/kgroot/none}".to_owned())));
    assert!(!format!("{aws:?}").contains("canary"));
    for region in ["", "eu west", "evil.example.com/", "EU"] {
        let keys = Keys::from_environment(&|_| Some("x".to_owned())).unwrap();
        assert!(Aws::new(region, None, keys).is_err(), "{region}");
    }
}
