//! Log templates: a line with its variable parts masked, and the failures that lines speak of.
//!
//! The template of a line depends on the line alone, so that workers, restarts and tenants agree on it.

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
            "nxdomain",
            "could not resolve",
            "getaddrinfo",
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
    (&["address already in use", "eaddrinuse"], "log.address_in_use"),
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

/// Words that tell a file that may not be used from a request that may not be made.
const FILE_WORDS: [&str; 6] = ["open /", "open '/", "mkdir", "can't open", "errno 13", "eacces"];

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

/// The failure that a line speaks of, as a kind id.
pub fn failure(line: &str) -> Option<&'static str> {
    let text = cut(line, LINE_BYTES_MAX).to_ascii_lowercase();
    if text.contains("permission denied") && FILE_WORDS.iter().any(|word| text.contains(word)) {
        return Some("log.file_permission");
    }
    let spoken = FAILURES.iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    spoken.map(|(_, kind)| *kind).or_else(|| access_log(line))
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
        assert_eq!(
            failure("dial tcp 10.0.0.1:8080: connect: connection refused"),
            Some("log.connection_refused")
        );
        assert_eq!(
            failure("FATAL: remaining connection slots are reserved"),
            Some("log.too_many_connections")
        );
        assert_eq!(failure("FATAL: required env CART_URL is not set"), Some("log.config_error"));
        assert_eq!(failure("\"GET /pay HTTP/1.1\" 503 UH via_upstream"), Some("mesh.no_healthy_upstream"));
        assert_eq!(failure("\"GET /pay HTTP/1.1\" 200 - ok"), None);
    }
}
