//! Log templates: a line with its variable parts masked, and the failures that lines speak of.
//!
//! The template of a line depends on the line alone, so that workers, restarts and tenants agree on it.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Longest line that is looked at.
const LINE_BYTES_MAX: usize = 2_000;
/// Longest template.
const TEMPLATE_BYTES_MAX: usize = 240;

/// The line with numbers, ids, addresses and quoted text masked.
pub fn template(line: &str) -> String {
    let mut out = String::with_capacity(line.len().min(TEMPLATE_BYTES_MAX));
    for word in cut(line, LINE_BYTES_MAX).split_whitespace() {
        if TEMPLATE_BYTES_MAX <= out.len() {
            break;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&mask(word));
    }
    cut(&out, TEMPLATE_BYTES_MAX).to_owned()
}

/// A word with a digit is variable, but for its punctuation and the name before `=` or `:`.
fn mask(word: &str) -> String {
    let quoted = word.len() > 1 && (word.starts_with('"') || word.starts_with('\''));
    if quoted {
        return "<*>".to_owned();
    }
    let split = word
        .find(['=', ':'])
        .filter(|at| 0 < *at && word[..*at].chars().all(|c| c.is_ascii_alphabetic() || c == '_'));
    match split {
        Some(at) if word[at..].chars().any(|c| c.is_ascii_digit()) => format!("{}<*>", &word[..=at]),
        None if word.chars().any(|c| c.is_ascii_digit()) => "<*>".to_owned(),
        _ => word.to_owned(),
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Words that give a failure away, and its kind. The first that fits decides.
const FAILURES: &[(&[&str], &str)] = &[
    // A proxy that knows no way: it names what is behind it, whatever it says of names and connections besides.
    (
        &[
            "host not found in upstream",
            "unable to find instance for",
            "no servers available for service",
            "no route matched",
        ],
        "mesh.no_route",
    ),
    (&["too many connections", "remaining connection slots", "too many clients"], "log.too_many_connections"),
    (
        &["connection pool", "pool exhausted", "pool timeout", "timeout waiting for connection from pool"],
        "log.pool_exhausted",
    ),
    (
        &[
            "no such host",
            "name resolution",
            "temporary failure in name",
            "name or service not known",
            "name does not resolve",
            "unknownhostexception",
            "nxdomain",
            "could not resolve",
            "could not be resolved",
            "failed to resolve",
            "dns resolution failed",
            "getaddrinfo",
            "eai_again",
        ],
        "log.dns_failure",
    ),
    (
        &["certificate has expired", "x509", "tls handshake", "certificate verify failed", "ssl handshake"],
        "log.tls_failure",
    ),
    (&["access denied for user", "password authentication failed", "wrongpass"], "log.database_auth"),
    (
        &["read-only option", "read only replica", "readonly you can't write", "read-only transaction"],
        "log.database_read_only",
    ),
    // The second is what musl says.
    (&["address already in use", "address in use", "eaddrinuse"], "log.address_in_use"),
    (
        &[
            "communications link failure",
            "can't connect to mysql",
            "can't connect to server on",
            "could not connect to server: connection refused",
            "failed to connect to `host=",
            "mongoserverselectionerror",
            "could not connect to redis",
        ],
        "log.database_unreachable",
    ),
    (&["connection refused", "econnrefused", "connect: refused"], "log.connection_refused"),
    (
        &[
            "required env",
            "environment variable not set",
            "missing environment variable",
            "configuration error",
            "invalid configuration",
            "missing configuration",
            "missing required",
        ],
        "log.config_error",
    ),
    (&["no space left on device", "disk quota exceeded", "enospc"], "log.disk_full"),
    (&["out of memory", "outofmemoryerror", "cannot allocate memory"], "log.out_of_memory"),
    (&["too many requests", "rate limit", "quota exceeded", "http 429", "status 429"], "log.rate_limited"),
    (
        &[
            "unauthorized",
            "permission denied",
            "access denied",
            "forbidden",
            "authentication failed",
            "invalid credentials",
        ],
        "log.auth_failure",
    ),
    (
        &[
            "unknown column",
            "no such table",
            "relation does not exist",
            "column does not exist",
            "schema version",
        ],
        "log.schema_error",
    ),
    (&["slow query", "lock wait timeout", "deadlock detected"], "log.slow_query"),
    (
        &["deadline exceeded", "i/o timeout", "timed out", "connection timeout", "etimedout"],
        "log.connection_timeout",
    ),
];

/// Words of a process that may not do what it wants; where they tell of a file it is one that it may not use.
const DENIED: [&str; 6] = [
    "permission denied",
    "operation not permitted",
    "accessdeniedexception",
    "read-only file system",
    "errno 13",
    "error number 13",
];
/// What is done to files whose path is not absolute.
const FILE_WORDS: [&str; 5] = ["can't open", "could not open", "failed opening", "mkdir", "file operation"];
/// Paths of requests follow their method.
const METHODS: [&str; 6] = ["get", "post", "put", "patch", "delete", "head"];

/// Response flags of Envoy and Istio access logs, and what they mean.
const FLAGS: &[(&str, &str)] = &[
    ("UH", "mesh.no_healthy_upstream"),
    ("UF", "mesh.upstream_failure"),
    ("UO", "mesh.overflow"),
    ("NR", "mesh.no_route"),
    ("NC", "mesh.no_route"),
    ("UT", "mesh.upstream_timeout"),
    ("UR", "mesh.upstream_reset"),
    ("UC", "mesh.upstream_reset"),
    ("RL", "mesh.rate_limited"),
    ("UAEX", "mesh.forbidden"),
    ("DF", "mesh.dns_failure"),
];

/// Of a port: its address is in use.
const IN_USE: &str = "already in use";
/// Of a name, at a server of names: it is not resolved.
const LOOKUP: &str = "lookup ";

/// All words by which a failure can be told: most lines have none of them, and one look says so.
static SUSPICIOUS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let spoken = FAILURES.iter().flat_map(|(words, _)| *words);
    let words = spoken.chain(&DENIED).chain([&IN_USE, &LOOKUP]);
    match AhoCorasick::builder().ascii_case_insensitive(true).build(words) {
        Ok(automaton) => automaton,
        Err(error) => panic!("the built-in words make no automaton: {error}"),
    }
});

/// The failure that a line speaks of, as a kind id.
pub fn failure(line: &str) -> Option<&'static str> {
    let text = cut(line, LINE_BYTES_MAX);
    if !SUSPICIOUS.is_match(text) {
        return access_log(line);
    }
    let text = text.to_ascii_lowercase();
    let denied = DENIED.iter().any(|word| text.contains(word));
    if denied && (FILE_WORDS.iter().any(|word| text.contains(word)) || names_a_path(&text)) {
        return Some("log.file_permission");
    }
    if text.contains(IN_USE) && text.contains("port ") {
        return Some("log.address_in_use");
    }
    if text.contains(LOOKUP) && text.contains(":53: ") {
        return Some("log.dns_failure");
    }
    let spoken = FAILURES.iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    spoken.map(|(_, kind)| *kind).or_else(|| access_log(line))
}

/// An absolute path, alone or in quotes, that is not that of a request.
fn names_a_path(text: &str) -> bool {
    let mut before = "";
    for word in text.split_whitespace() {
        let path = word.trim_start_matches(['\'', '"', '(', '`', '\u{2018}']);
        let absolute = path.strip_prefix('/').is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
        if absolute && !METHODS.iter().any(|method| before.ends_with(method)) {
            return true;
        }
        before = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    }
    false
}

/// `"GET /pay HTTP/1.1" 503 UF …`: the flag follows the status.
fn access_log(line: &str) -> Option<&'static str> {
    let after = cut(line, LINE_BYTES_MAX).split_once("HTTP/")?.1;
    let mut words = after.split_whitespace().skip(1);
    let status: u16 = words.next()?.parse().ok()?;
    let flag = words.next()?.split(',').next()?;
    let known = FLAGS.iter().find(|(name, _)| *name == flag && 400 <= status);
    known.map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_values_share_a_template() {
        let left = template("order 1234 failed for user=77 after 20ms at 10.0.0.1:8080");
        assert_eq!(left, template("order 99 failed for user=1 after 3ms at 10.0.0.2:9090"));
        assert_ne!(left, template("order 1234 was paid"));
    }

    #[test]
    fn a_template_is_bounded_on_any_line() {
        assert!(template(&"ä1 ".repeat(100_000)).len() <= TEMPLATE_BYTES_MAX);
    }

    #[test]
    fn failures_are_recognized_by_their_words() {
        let lines = [
            ("dial tcp 10.0.0.1:8080: connect: connection refused", "log.connection_refused"),
            ("FATAL: remaining connection slots are reserved", "log.too_many_connections"),
            ("FATAL: required env CART_URL is not set", "log.config_error"),
            ("java.net.UnknownHostException: pay: Name or service not known", "log.dns_failure"),
            (
                "lookup pay on 10.96.0.10:53: read udp 10.1.0.4:4->10.96.0.10:53: i/o timeout",
                "log.dns_failure",
            ),
            ("Error: getaddrinfo EAI_AGAIN pay", "log.dns_failure"),
            ("bind() to 0.0.0.0:80 failed (98: Address in use)", "log.address_in_use"),
            ("Web server failed to start. Port 8080 was already in use.", "log.address_in_use"),
            ("PermissionError: [Errno 13] Permission denied: '/data/index.db'", "log.file_permission"),
            ("touch: cannot touch '/data/probe': Permission denied", "log.file_permission"),
            ("java.nio.file.AccessDeniedException: /data/index", "log.file_permission"),
            ("Fatal error: can't open the append log file: Permission denied", "log.file_permission"),
            ("GET /orders: permission denied", "log.auth_failure"),
            ("CommunicationsException: Communications link failure", "log.database_unreachable"),
            ("host not found in upstream \"pay\" in /etc/nginx/nginx.conf:4", "mesh.no_route"),
            ("503 SERVICE_UNAVAILABLE \"Unable to find instance for pay\"", "mesh.no_route"),
        ];
        for (line, kind) in lines {
            assert_eq!(failure(line), Some(kind), "{line}");
        }
        assert_eq!(failure("\"GET /pay HTTP/1.1\" 503 UH via_upstream"), Some("mesh.no_healthy_upstream"));
        assert_eq!(failure("\"GET /pay HTTP/1.1\" 200 - ok"), None);
    }
}
