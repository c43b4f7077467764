//! Values that are given to a name: `password=…`, `"token": "…"`, `--api-key …`, `<secret>…</secret>`, headers.
//!
//! From each sign that may stand between a name and a value the name is read backwards, at most [`NAME_BYTES`] far, and
//! the value forwards. Names and signs are ASCII, so every cut is between characters.

use super::Span;
use super::key::{self, Says};

const NAME_BYTES: usize = 64;
/// As much of a value decides whether it is a secret.
const JUDGED_BYTES: usize = 256;
/// Words that begin with what is said of a password, not with one.
const SAID: [&str; 36] = [
    "user",
    "for",
    "the",
    "is",
    "not",
    "must",
    "invalid",
    "incorrect",
    "expired",
    "required",
    "wrong",
    "too",
    "does",
    "failed",
    "authentication",
    "access",
    "missing",
    "from",
    "has",
    "was",
    "and",
    "or",
    "in",
    "on",
    "at",
    "to",
    "with",
    "mismatch",
    "attempt",
    "attempts",
    "check",
    "please",
    "error",
    "rejected",
    "cannot",
    "authorization",
];
/// Schemes of the Authorization header that are followed by one token.
const SCHEMES: [&str; 9] =
    ["bearer", "basic", "token", "apikey", "api-key", "negotiate", "bot", "splunk", "genie"];
/// Schemes that are followed by fields.
const FIELDS: [&str; 3] = ["digest", "aws4-hmac-sha256", "hawk"];

/// Finds them.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(sign) = bytes.get(at..).and_then(|rest| rest.iter().position(|b| b"=:> ".contains(b))) {
        let sign = at + sign;
        at = sign + 1;
        let Some((name, says)) = name_before(text, sign) else { continue };
        let value = value_after(bytes, sign + 1);
        let header = matches!(
            name.to_ascii_lowercase().as_str(),
            "authorization" | "proxy-authorization" | "cookie" | "set-cookie"
        );
        let value = if header { header_value(text, &value) } else { value };
        let Some(judged) = judged(text, &value) else { continue };
        let spaced = !value.quoted && bytes[sign] != b'=' && bytes.get(sign + 1) == Some(&b' ');
        if is_secret(name, says, judged, spaced || bytes[sign] == b' ') || (header && value.scheme) {
            spans.push(Span { start: value.start, end: value.end, kind: kind(name, header) });
            at = value.end.max(at);
        }
    }
}

fn kind(name: &str, header: bool) -> &'static str {
    let lower = name.to_ascii_lowercase();
    match () {
        () if header => "header",
        () if lower.contains("pass") || lower.contains("pwd") => "password",
        () if lower.contains("token") => "token",
        () if lower.contains("key") => "key",
        () => "secret",
    }
}

/// The name that ends before a sign, if it is one of a secret.
fn name_before(text: &str, sign: usize) -> Option<(&str, Says)> {
    let bytes = text.as_bytes();
    let back = |from: usize, most: usize, of: &dyn Fn(u8) -> bool| {
        let least = from.saturating_sub(most);
        let mut at = from;
        while least < at && of(bytes[at - 1]) {
            at -= 1;
        }
        at
    };
    let named = |b: u8| b.is_ascii_alphanumeric() || b"_-.$".contains(&b);
    let end = match bytes[sign] {
        b'=' | b':' => back(back(sign, 4, &|b| b == b' ' || b == b'\t'), 4, &|b| b"\"'\\])".contains(&b)),
        _ => sign,
    };
    let start = back(end, NAME_BYTES, &named);
    let name = text.get(start..end).filter(|name| !name.is_empty())?;
    let allowed = match bytes[sign] {
        b' ' => name.starts_with("--"),
        b'>' => bytes[..start].last() == Some(&b'<'),
        _ => true,
    };
    // The mark of something redacted names a kind, not a value.
    if !allowed || text[..start].ends_with("[redacted:") {
        return None;
    }
    // `API key: …` in two words.
    let before = back(start, 1, &|b| b == b' ');
    let name = match text.get(back(before, NAME_BYTES, &named)..end) {
        Some(two) if name.eq_ignore_ascii_case("key") && before < start => two,
        _ => name,
    };
    key::says(name).map(|says| (name, says))
}

/// Where a value is.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
    quoted: bool,
    scheme: bool,
}

fn value_after(bytes: &[u8], from: usize) -> Place {
    let skip = |from: usize, most: usize, of: &[u8]| {
        let run =
            bytes.get(from..).unwrap_or_default().iter().take(most).take_while(|b| of.contains(b)).count();
        from + run
    };
    let start = skip(skip(from, 2, b"=>"), 4, b" \t");
    let slashes = skip(start, 3, b"\\") - start;
    let rest = bytes.get(start + slashes..).unwrap_or_default();
    let quote = rest.first().copied().filter(|b| b"\"'`".contains(b));
    let Some(quote) = quote else {
        let ends = |b: &u8| b.is_ascii_whitespace() || b",;&)}]\"'<>|`".contains(b);
        let rest = bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        return Place { start, end: start + length, quoted: false, scheme: false };
    };
    let start = start + slashes + 1;
    let mut before = 0;
    for (at, b) in bytes.get(start..).unwrap_or_default().iter().enumerate() {
        let closes = *b == quote && before <= slashes;
        if closes || *b == b'\n' {
            return Place {
                start,
                end: start + at - if closes { before } else { 0 },
                quoted: true,
                scheme: false,
            };
        }
        before = if *b == b'\\' { before + 1 } else { 0 };
    }
    Place { start, end: bytes.len(), quoted: true, scheme: false }
}

/// The value of a header: a scheme and what follows it, or everything up to the end of the line or quotation.
fn header_value(text: &str, value: &Place) -> Place {
    if value.quoted {
        return Place { scheme: true, ..*value };
    }
    let word = text.get(value.start..value.end).unwrap_or_default().to_ascii_lowercase();
    let bytes = text.as_bytes();
    let until = |ends: &[u8]| {
        let rest = bytes.get(value.end..).unwrap_or_default();
        value.end + rest.iter().position(|b| ends.contains(b)).unwrap_or(rest.len())
    };
    if SCHEMES.contains(&word.as_str()) {
        let token = value_after(bytes, value.end);
        return Place { start: value.start, end: token.end.max(value.end), quoted: false, scheme: true };
    }
    if FIELDS.contains(&word.as_str()) || (word.contains('=') && bytes.get(value.end) == Some(&b';')) {
        return Place { end: until(b"\n\r'`"), scheme: true, ..*value };
    }
    *value
}

/// As much of a value as decides, if it may hide something.
fn judged<'a>(text: &'a str, value: &Place) -> Option<&'a str> {
    let mut end = value.end.min(value.start + JUDGED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(value.start..end).filter(|judged| !key::hides_nothing(judged))
}

/// `spaced`: the value stands apart from its name, as words of a sentence do.
fn is_secret(name: &str, says: Says, value: &str, spaced: bool) -> bool {
    let said = || SAID.iter().any(|word| value.trim_end_matches(['.', ':', '!']).eq_ignore_ascii_case(word));
    let last = name.rsplit(['.', '_', '-']).next().unwrap_or(name).to_ascii_lowercase();
    match says {
        Says::Surely => !(spaced && said()),
        Says::Perhaps if matches!(last.as_str(), "auth" | "sig" | "signature") => {
            12 <= value.len() && !value.contains(':') && key::looks_secret(value)
        }
        Says::Perhaps if spaced => 8 <= value.len() && key::looks_secret(value),
        Says::Perhaps => {
            6 <= value.len() && !said() && !(name.eq_ignore_ascii_case("secret") && is_object_name(value))
        }
    }
}

/// Names of objects such as `prod/db-credentials`: small letters in short parts.
fn is_object_name(value: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 12
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    value.contains(['-', '/']) && value.split(['-', '/', '.']).all(part)
}
