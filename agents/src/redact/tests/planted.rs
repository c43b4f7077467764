//! Planted secrets: what a leak looks like, in carriers that telemetry has.

use serde_json::{Value, json};

use super::random::{BASE62, HEX, Random};

#[derive(Debug)]
pub(super) enum Carrier {
    Text(String),
    Document(Value),
}

pub(super) struct Planted {
    pub(super) kind: &'static str,
    pub(super) carrier: Carrier,
    /// None of these may be left.
    pub(super) pieces: Vec<String>,
}

/// A secret: its kind, the text of it, and whether its form alone shows it.
fn secret(random: &mut Random) -> (&'static str, String, bool) {
    let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let url = format!("{BASE62}-_");
    match random.below(22) {
        0 => ("aws id", format!("AKIA{}", random.letters(upper, 16)), true),
        1 => ("aws secret", random.letters(&format!("{BASE62}/+"), 40), false),
        2 => ("gcp key", format!("AIza{}", random.letters(&url, 35)), true),
        3 => ("azure key", format!("AccountKey={}==", random.letters(&format!("{BASE62}/+"), 86)), true),
        4 => ("github", format!("ghp_{}", random.letters(BASE62, 36)), true),
        5 => (
            "github fine",
            format!("github_pat_{}_{}", random.letters(BASE62, 22), random.letters(BASE62, 59)),
            true,
        ),
        6 => ("gitlab", format!("glpat-{}", random.letters(&url, 20)), true),
        7 => (
            "slack",
            format!("xoxb-{}-{}", random.letters("0123456789", 12), random.letters(BASE62, 24)),
            true,
        ),
        8 => ("stripe", format!("sk_live_{}", random.letters(BASE62, 24)), true),
        9 => ("openai", format!("sk-proj-{}", random.letters(&url, 48)), true),
        10 => {
            let part = |random: &mut Random, length| random.letters(&format!("{BASE62}-_"), length);
            let (head, body, sign) = (part(random, 30), part(random, 60), part(random, 43));
            ("jwt", format!("eyJ{head}.eyJ{body}.{sign}"), true)
        }
        11 => {
            let lines: Vec<String> = (0..4).map(|_| random.letters(BASE62, 64)).collect();
            let body = lines.join("\n");
            ("pem", format!("-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"), true)
        }
        12 => {
            let scheme = random.pick(&["postgres", "mysql", "redis", "amqp", "mongodb+srv", "https"]);
            ("dsn", format!("{scheme}://app:{}@db.internal:5432/shop", random.letters(BASE62, 12)), true)
        }
        13 => ("go dsn", format!("app:{}@tcp(db:3306)/shop", random.letters(BASE62, 12)), true),
        14 => {
            let start = random.pick(&["4", "51", "2221", "6011"]);
            ("card", card(random, start, 16), true)
        }
        15 => ("amex", card(random, "37", 15), true),
        16 => {
            let name = random.letters("abcdefghijklmnopqrstuvwxyz", 8);
            ("e-mail", format!("{name}.x@mail.{}.com", random.letters("abcdefgh", 5)), true)
        }
        17 => (
            "sas",
            format!("https://a.blob.core.windows.net/c?sv=1&sig={}%3D", random.letters(BASE62, 43)),
            true,
        ),
        18 => ("npm", format!("npm_{}", random.letters(BASE62, 36)), true),
        19 => (
            "webhook",
            format!("https://hooks.slack.com/services/T0/B0/{}", random.letters(BASE62, 24)),
            true,
        ),
        20 => ("vault", format!("hvs.{}", random.letters(BASE62, 90)), true),
        _ => ("password", format!("{}9{}!", random.letters(BASE62, 6), random.letters(BASE62, 5)), false),
    }
}

fn card(random: &mut Random, start: &str, length: usize) -> String {
    let mut digits = format!("{start}{}", random.letters("0123456789", length - 1 - start.len()));
    let check = (0..10).find(|check| super::rules::is_card(&format!("{digits}{check}")));
    digits.push_str(&check.unwrap().to_string());
    digits
}

/// What must not be left: the part of a secret that is secret.
fn pieces(kind: &str, secret: &str) -> Vec<String> {
    let cut = |from: &str, to: &str| {
        let (_, rest) = secret.split_once(from).unwrap();
        vec![rest.split(to).next().unwrap().to_owned()]
    };
    match kind {
        "dsn" => cut("//app:", "@"),
        "go dsn" => cut("app:", "@"),
        "azure key" => cut("AccountKey=", "=="),
        "sas" => cut("sig=", "%"),
        "webhook" => cut("/B0/", " "),
        "pem" => secret.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect(),
        _ => vec![secret.to_owned()],
    }
}

fn base64(text: &str, alphabet: &[u8; 64]) -> String {
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let number =
            chunk.iter().fold(0_u32, |number, b| number << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for index in 0..=chunk.len() {
            out.push(char::from(alphabet[(number >> (18 - 6 * index) & 63) as usize]));
        }
    }
    out + ["", "==", "="][text.len() % 3]
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encoded(random: &mut Random, text: &str) -> String {
    match random.below(4) {
        0 => base64(text, STANDARD),
        1 => base64(text, URL),
        2 => text.bytes().map(|b| format!("{b:02x}")).collect(),
        _ => text.bytes().map(|b| format!("%{b:02X}")).collect(),
    }
}

pub(super) fn planted(seed: u64) -> Planted {
    let mut random = Random::new(seed);
    let (kind, secret, by_form) = secret(&mut random);
    let name =
        random.pick(&["password", "api_key", "DB_PASSWORD", "clientSecret", "x-api-key", "access_token"]);
    let mut pieces = pieces(kind, &secret);
    let line = format!("2026-11-26T14:02:11Z req={} ", random.letters(HEX, 16));
    // A secret without a form of its own needs a name beside it.
    let carrier = match random.below(if by_form { 16 } else { 11 }) {
        0 => Carrier::Text(format!("{line}{name}={secret} retry")),
        1 => Carrier::Text(format!("{line}{name}: {secret}")),
        2 => Carrier::Text(format!("{line}{{\"user\":\"bob\",\"{name}\":{}}}", json!(secret))),
        3 => Carrier::Text(format!("{line}body={}", json!(json!({ name: secret }).to_string()))),
        4 => Carrier::Text(format!("exec app --{name} \"{secret}\" --verbose")),
        5 => Carrier::Text(format!("{line}the password is {secret}")),
        6 => Carrier::Text(format!("<{name}>{secret}</{name}>")),
        7 => Carrier::Document(json!({ "user": "bob", name: secret })),
        8 => Carrier::Document(json!({ "env": [{ "name": name, "value": secret }] })),
        9 => Carrier::Document(json!({ "argv": ["app", format!("--{name}"), secret] })),
        10 => {
            let all = format!("{name}={secret}");
            let text = encoded(&mut random, &all);
            pieces = vec![text.clone()];
            Carrier::Text(format!("{line}payload {text} refused"))
        }
        11 => {
            let text = encoded(&mut random, &secret);
            pieces = vec![text.clone()];
            Carrier::Text(format!("{line}payload {text} refused"))
        }
        12 => Carrier::Text(format!("{line}user-agent \"{secret}\"")),
        13 => Carrier::Text(format!("panic: cannot use {secret}: denied\n\tat main.go:12")),
        14 => {
            Carrier::Document(json!({ "commit": { "message": format!("add {secret} for tests") }, "n": 1 }))
        }
        _ if matches!(kind, "github" | "aws id" | "gitlab" | "stripe" | "npm") => {
            let (head, tail) = secret.split_at(secret.len() / 2);
            pieces = vec![head.to_owned(), tail.to_owned()];
            Carrier::Document(json!({ "a": head, "b": tail }))
        }
        _ => Carrier::Text(format!("{line}{secret}")),
    };
    if let Carrier::Text(text) = &carrier {
        // Newlines of a block are escaped inside of JSON: its lines stay as they are.
        assert!(pieces.iter().any(|piece| text.contains(piece)) || kind == "password", "seed {seed}: {text}");
    }
    Planted { kind, carrier, pieces }
}
