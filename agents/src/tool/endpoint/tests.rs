//! Tests of `endpoint`.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::dial::{Looking, Lookup};
use super::stub::{Stub, json as answer, response};
use super::*;

const PRIVATE: Egress = Egress { allow_private: true, response_bytes: 1_000 };
const PUBLIC: Egress = Egress { allow_private: false, response_bytes: 1_000 };

/// Names that change: each look-up gives the next list.
struct Names(Vec<Vec<&'static str>>, AtomicUsize);

impl Lookup for Names {
    fn lookup(&self, _: String) -> Looking {
        let at = self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1);
        let found: Vec<IpAddr> = self.0[at].iter().map(|ip| ip.parse().unwrap()).collect();
        Box::pin(async move { Ok(found) })
    }
}

fn named(url: &str, egress: &Egress, answers: Vec<Vec<&'static str>>) -> Endpoint {
    let names = Judged::new(Names(answers, AtomicUsize::new(0)), egress.allow_private);
    Endpoint::resolved_by(url, &[("x-token", Secret::new("canary"))], egress, names).unwrap()
}

#[tokio::test]
async fn a_name_is_judged_each_time_it_is_dialed() {
    let refused = |error: &str| Err(ToolError::Denied(error.to_owned()));
    let private = "the address is not public (allow_private is not set)";
    let never = "the address may never be reached";
    for (addresses, allow_private, expected) in [
        (vec!["127.0.0.1"], false, private),
        (vec!["10.0.0.1"], false, private),
        (vec!["::ffff:127.0.0.1"], false, private),
        (vec!["8.8.8.8", "127.0.0.1"], false, private),
        (vec!["169.254.169.254"], true, never),
        (vec!["127.0.0.1", "fd00:ec2::254"], true, never),
        (vec!["0.0.0.0"], true, never),
    ] {
        let egress = Egress { allow_private, response_bytes: 10 };
        let endpoint = named("http://rebind.example.com/", &egress, vec![addresses.clone()]);
        assert_eq!(endpoint.get(&["x"], &[]).await, refused(expected), "{addresses:?}");
    }
}

#[tokio::test]
async fn a_name_that_changes_is_refused_the_second_time() {
    let stub = Stub::start(|_| answer("1")).await;
    let url = format!("http://rebind.example.com:{}/", stub.port());
    let endpoint = named(&url, &PRIVATE, vec![vec!["127.0.0.1"], vec!["169.254.169.254"]]);
    assert_eq!(endpoint.get(&["a"], &[]).await, Ok(json!(1)));
    assert!(matches!(endpoint.get(&["b"], &[]).await, Err(ToolError::Denied(_))));
    assert_eq!(stub.asked().len(), 1);
    assert!(
        stub.asked()[0].to_lowercase().contains(&format!("host: rebind.example.com:{}\r\n", stub.port()))
    );
}

#[tokio::test]
async fn the_resolver_of_the_system_is_judged_too() {
    // Only the name differs from what is refused at construction: this gets as far as the look-up.
    let endpoint = Endpoint {
        base: Url::parse("http://localhost/").unwrap(),
        ..Endpoint::new("http://example.com/", &[], &PUBLIC).unwrap()
    };
    assert!(matches!(endpoint.get(&["x"], &[]).await, Err(ToolError::Denied(_))));
}

#[tokio::test]
async fn redirects_are_not_followed_and_carry_nothing_away() {
    let other = Stub::start(|_| answer("\"stolen\"")).await;
    for (status, to) in
        [("302 Found", other.url()), ("307 Temporary Redirect", "file:///etc/passwd".to_owned())]
    {
        let headers = format!("location: {to}\r\n");
        let stub = Stub::start(move |_| response(status, &headers, "")).await;
        let endpoint = Endpoint::new(&stub.url(), &[("x-token", Secret::new("canary"))], &PRIVATE).unwrap();
        assert!(matches!(endpoint.get(&["x"], &[]).await, Err(ToolError::Denied(_))));
        assert_eq!(stub.asked().len(), 1);
    }
    assert_eq!(other.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_asked_is_escaped() {
    let stub = Stub::start(|_| answer("{}")).await;
    let endpoint = Endpoint::new(&stub.url(), &[("x-token", Secret::new("canary"))], &PRIVATE).unwrap();
    endpoint.get(&["a/../b", "c?d#e%2e", "é"], &[("q", "a&b=c\r\nx: y")]).await.unwrap();
    let asked = &stub.asked()[0];
    assert!(
        asked.starts_with("GET /a%2F..%2Fb/c%3Fd%23e%252e/%C3%A9?q=a%26b%3Dc%0D%0Ax%3A+y HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("x-token: canary") && !asked.to_lowercase().contains("accept-encoding"),
        "{asked}"
    );
    for dots in [".", ".."] {
        assert!(matches!(endpoint.get(&["a", dots], &[]).await, Err(ToolError::Arguments(_))));
    }
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn answers_are_limited_and_their_text_is_not_repeated() {
    let canary = "canary-10.0.0.7:6379";
    let long = format!("\"{}\"", "x".repeat(2_000));
    let chunked = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
        "3e8\r\n".to_owned() + &"x".repeat(1_000) + "\r\n"
    );
    let chunked = chunked + "3e8\r\n" + &"x".repeat(1_000) + "\r\n0\r\n\r\n";
    let cases: Vec<(&str, Vec<u8>, ToolError)> = vec![
        ("too long", answer(&long), ToolError::TooLarge(1_000)),
        ("too long without a length", chunked.into_bytes(), ToolError::TooLarge(1_000)),
        ("400", response("400 Bad Request", "", canary), ToolError::Arguments("status 400".into())),
        ("401", response("401 Unauthorized", "", canary), ToolError::Denied("status 401".into())),
        ("500", response("500 Oops", "", canary), ToolError::Unavailable("status 500".into())),
        ("418", response("418 Teapot", "", canary), ToolError::Garbage("status 418".into())),
        (
            "429",
            response("429 X", "retry-after: 7\r\n", canary),
            ToolError::Limited { after: Some(Duration::from_secs(7)) },
        ),
        ("429 at a date", response("429 X", "retry-after: Fri\r\n", ""), ToolError::Limited { after: None }),
        ("text", answer(canary), ToolError::Garbage("not JSON at line 1, column 1".into())),
        (
            "zipped",
            response("200 OK", "content-encoding: gzip\r\n", "{}"),
            ToolError::Garbage("a compressed answer, which was not asked for".into()),
        ),
    ];
    for (name, bytes, expected) in cases {
        let stub = Stub::start(move |_| bytes.clone()).await;
        let endpoint = Endpoint::new(&stub.url(), &[], &PRIVATE).unwrap();
        assert_eq!(endpoint.get(&["x"], &[]).await, Err(expected), "{name}");
    }
    let broken: Vec<(&str, Vec<u8>)> = vec![
        ("not HTTP", canary.as_bytes().to_vec()),
        ("nothing", Vec::new()),
        ("a header of 1 MB", response("200 OK", &format!("x: {}\r\n", "y".repeat(1 << 20)), "{}")),
        ("1,000 headers", response("200 OK", &"x: y\r\n".repeat(1_000), "{}")),
        ("cut off", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_vec()),
    ];
    for (name, bytes) in broken {
        let stub = Stub::start(move |_| bytes.clone()).await;
        let endpoint = Endpoint::new(&stub.url(), &[], &PRIVATE).unwrap();
        let error = endpoint.get(&["x"], &[]).await.expect_err(name);
        assert!(
            matches!(&error, ToolError::Unavailable(text) if !text.contains("canary")),
            "{name}: {error}"
        );
    }
    let nested = format!("{}{}", "[".repeat(400), "]".repeat(400));
    let stub = Stub::start(move |_| answer(&nested)).await;
    let endpoint = Endpoint::new(&stub.url(), &[], &PRIVATE).unwrap();
    assert!(matches!(endpoint.get(&["x"], &[]).await, Err(ToolError::Garbage(_))));
}

#[test]
fn headers_that_frame_a_message_are_refused() {
    for name in
        ["Host", "content-length", "Transfer-Encoding", "connection", "Proxy-Authorization", "a b", ""]
    {
        let refused = Endpoint::new("https://example.com/", &[(name, Secret::new("canary"))], &PUBLIC);
        assert!(!refused.expect_err(name).contains("canary"));
    }
    let refused = Endpoint::new("https://example.com/", &[("x", Secret::new("canary\r\ny: z"))], &PUBLIC);
    assert!(!refused.unwrap_err().contains("canary"));
    let endpoint =
        Endpoint::new("https://example.com/", &[("authorization", Secret::new("canary"))], &PUBLIC);
    assert!(!format!("{:?}", endpoint.unwrap()).contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_its_time_is_given_up() {
    // The system accepts, nobody answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let endpoint = Endpoint::new(&url, &[], &PRIVATE).unwrap();
    assert!(matches!(endpoint.get(&["x"], &[]).await, Err(ToolError::Unavailable(_))));
}

#[tokio::test]
async fn a_refusal_for_asking_too_often_is_a_limit_and_not_a_denial() {
    let soon = |secs: u64| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        format!("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: {}\r\n", now + secs)
    };
    let cases = [
        ("403 Forbidden", "x-ratelimit-remaining: 0\r\n".to_owned(), "limited", None),
        ("403 Forbidden", "retry-after: 60\r\n".to_owned(), "limited", Some(60..=60)),
        ("403 Forbidden", soon(600), "limited", Some(590..=600)),
        (
            "403 Forbidden",
            "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 7\r\n".to_owned(),
            "limited",
            Some(0..=0),
        ),
        ("429 Too Many Requests", soon(600), "limited", Some(590..=600)),
        ("429 Too Many Requests", "retry-after: soon\r\n".to_owned(), "limited", None),
        ("403 Forbidden", "x-ratelimit-remaining: 12\r\n".to_owned(), "denied", None),
        ("403 Forbidden", String::new(), "denied", None),
        ("401 Unauthorized", "x-ratelimit-remaining: 0\r\n".to_owned(), "denied", None),
    ];
    for (status, headers, code, within) in cases {
        let said = headers.clone();
        let stub = Stub::start(move |_| response(status, &said, "{}")).await;
        let error = Endpoint::new(&stub.url(), &[], &PRIVATE).unwrap().get(&["x"], &[]).await.unwrap_err();
        assert_eq!(error.code(), code, "{status} {headers}");
        if let ToolError::Limited { after } = error {
            let after = after.map(|after| after.as_secs());
            assert_eq!(after.is_some(), within.is_some(), "{headers}: {after:?}");
            assert!(
                after.zip(within).is_none_or(|(after, within)| within.contains(&after)),
                "{headers}: {after:?}"
            );
        }
    }
}

/// Serves one connection with a certificate that it has made itself; gives what came of the handshake.
async fn self_signed(listener: tokio::net::TcpListener) -> std::io::Result<()> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .unwrap();
    let (stream, _) = listener.accept().await?;
    tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config)).accept(stream).await.map(drop)
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_ends_the_connection_before_anything_is_said() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let endpoint = named(&url, &PRIVATE, vec![vec!["127.0.0.1"]]);
    let (answer, handshake) = tokio::join!(endpoint.get(&["x"], &[]), self_signed(listener));
    let problem = "the certificate is of an issuer that this machine does not trust";
    assert_eq!(answer, Err(ToolError::Denied(problem.to_owned())));
    assert!(handshake.is_err(), "the token was not sent");
}

#[test]
fn what_is_wrong_with_a_certificate_has_words_of_our_own() {
    use rustls::CertificateError as E;
    let words = |problem| certificate(&rustls::Error::InvalidCertificate(problem));
    for (problem, expected) in [
        (E::Expired, "has expired"),
        (E::NotValidYet, "is not valid yet"),
        (E::NotValidForName, "is of another name"),
        (E::Revoked, "is not valid"),
    ] {
        assert_eq!(words(problem), Some(expected));
    }
    assert_eq!(certificate(&std::io::Error::other("closed")), None);
}
