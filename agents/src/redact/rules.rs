//! Secrets of known form. Forms are those that the issuers document (or that their scanners announce); a group in a
//! pattern is the secret, otherwise all of it is.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::Span;

/// Kind and pattern. Repetitions are open at their end and of classes that exclude what may follow, so that finding
/// all matches stays linear.
const RULES: [(&str, &str); 36] = [
    ("aws_key", r"(?-u:\b)(?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ABIA|ACCA)[A-Z0-9]{16}(?-u:\b)"),
    ("gcp_key", r"AIza[0-9A-Za-z_-]{35}"),
    ("gcp_token", r"ya29\.[0-9A-Za-z_-]{20,}"),
    ("gcp_secret", r"GOCSPX-[0-9A-Za-z_-]{20,}"),
    ("azure_key", r"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,}={0,2})"),
    ("azure_sas", r"(?i)[?&;]sig=([A-Za-z0-9%+/=_-]{20,})"),
    ("azure_secret", r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,}"),
    ("github_token", r"gh[pousr]_[A-Za-z0-9]{20,}"),
    ("github_token", r"github_pat_[A-Za-z0-9_]{20,}"),
    ("gitlab_token", r"gl(?:pat|dt|rt|cbt|ptt|ft|agent|oas|imt|soat|ffct)-[A-Za-z0-9_-]{20,}"),
    ("slack_token", r"xox[abceoprs]-[A-Za-z0-9-]{10,}"),
    ("slack_token", r"xapp-[0-9]-[A-Za-z0-9-]{10,}"),
    ("slack_webhook", r"hooks\.slack(?:-gov)?\.com/([A-Za-z0-9/_-]{20,})"),
    ("webhook", r"discord(?:app)?\.com/api/webhooks/([A-Za-z0-9/_-]{20,})"),
    ("stripe_key", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("stripe_key", r"whsec_[A-Za-z0-9+/]{20,}"),
    ("model_key", r"(?-u:\b)sk-(?:[A-Za-z0-9]{1,16}-)*[A-Za-z0-9_-]{20,}"),
    ("package_token", r"npm_[A-Za-z0-9]{30,}"),
    ("package_token", r"pypi-[A-Za-z0-9_-]{30,}"),
    ("mail_key", r"(?-u:\b)SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("vault_token", r"(?-u:\b)hv[sbr]\.[A-Za-z0-9_-]{20,}"),
    ("cloud_token", r"do[opr]_v1_[a-f0-9]{32,}"),
    ("registry_token", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    ("model_key", r"(?-u:\b)hf_[A-Za-z0-9]{30,}"),
    ("grafana_token", r"gl(?:sa|c)_[A-Za-z0-9_+/=]{30,}"),
    ("twilio_key", r"(?-u:\b)SK[0-9a-f]{32}(?-u:\b)"),
    ("bot_token", r"(?-u:\b)[0-9]{8,10}:AA[A-Za-z0-9_-]{32,}"),
    ("age_key", r"AGE-SECRET-KEY-1[A-Z0-9]{40,}"),
    ("jwt", r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*){0,3}"),
    ("url_password", r#"://[^\s/?#@:"'<>]*:([^\s/?#"'<>]+)@"#),
    ("url_password", r"://([A-Za-z0-9_-]{20,})@"),
    ("url_password", r#"(?-u:\b)[A-Za-z0-9_.-]+:([^\s:@/"'<>]+)@(?:tcp|udp|unix)\("#),
    ("bearer", r"(?i)(?-u:\b)bearer[ \t]+([A-Za-z0-9._~+/-]*[0-9][A-Za-z0-9._~+/-]*=*)"),
    ("basic", r"(?i)(?-u:\b)basic[ \t]+([A-Za-z0-9+/]*[A-Z0-9=][A-Za-z0-9+/]{3,}={0,2})"),
    ("email", r"[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?-u:\b)"),
    ("card", CARD),
];

const CARD: &str = concat!(
    r"(?-u:\b)(?:[0-9]{13,19}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}",
    r"|[0-9]{4}[ -][0-9]{6}[ -][0-9]{4,5})(?-u:\b)"
);

/// Last labels of systemd units, which look like e-mail addresses (`getty@tty1.service`).
const UNITS: [&str; 9] =
    ["service", "socket", "timer", "mount", "target", "slice", "scope", "device", "path"];

struct Compiled {
    any: RegexSet,
    each: Vec<(&'static str, Regex)>,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let each = RULES.map(|(kind, rule)| (kind, Regex::new(rule).expect("a rule of this file compiles")));
    let any = RegexSet::new(RULES.map(|(_, rule)| rule)).expect("rules that compile alone compile together");
    Compiled { any, each: each.into() }
});

/// Finds them.
pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    pem(text, spans);
    for index in COMPILED.any.matches(text) {
        let Some((kind, rule)) = COMPILED.each.get(index) else { continue };
        let mut from = 0;
        while let Some(found) = rule.captures_at(text, from) {
            let Some(secret) = found.get(1).or_else(|| found.get(0)) else { break };
            let whole = found.get(0).map_or(secret, |whole| whole);
            // What is not meant may overlap with what is; a rule that is asked again here matches few bytes.
            from = if meant(kind, secret.as_str(), text, secret.start()) {
                spans.push(Span { start: secret.start(), end: secret.end(), kind });
                whole.end()
            } else if *kind == "card" {
                whole.start() + 1
            } else {
                whole.end()
            };
        }
    }
}

fn meant(kind: &str, secret: &str, text: &str, start: usize) -> bool {
    // What was redacted before is not a secret.
    if secret.contains("[redacted:") || text.get(..start).is_some_and(|before| before.ends_with("[redacted:"))
    {
        return false;
    }
    match kind {
        "card" => {
            let fraction = text.get(..start).is_some_and(|before| before.ends_with('.'));
            !fraction && is_card(secret)
        }
        "email" => {
            let unit = secret.rsplit('.').next().is_some_and(|last| UNITS.contains(&last));
            !secret.starts_with("git@") && !unit
        }
        "basic" => super::decode::base64(secret.as_bytes()).contains(&b':'),
        _ => true,
    }
}

/// Whether digits, perhaps in groups, are a card number: an issuer's range, its length, and the check digit.
pub(super) fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let first = |count: usize| digits.iter().take(count).fold(0, |number, digit| 10 * number + digit);
    let issued = match digits.len() {
        13 | 19 => first(1) == 4,
        14 => matches!(first(2), 36 | 38 | 39) || matches!(first(3), 300..=305),
        15 => matches!(first(2), 34 | 37),
        16 => {
            first(1) == 4
                || matches!(first(2), 51..=55 | 62 | 65)
                || matches!(first(4), 2_221..=2_720 | 3_528..=3_589 | 6_011)
                || matches!(first(3), 644..=649)
        }
        _ => false,
    };
    let doubled = |(at, digit): (usize, &u32)| match at % 2 {
        1 if 4 < *digit => 2 * digit - 9,
        1 => 2 * digit,
        _ => *digit,
    };
    issued && digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

/// Blocks between `-----BEGIN x-----` and `-----END x-----`; a private key also when its end was cut off.
fn pem(text: &str, spans: &mut Vec<Span>) {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find(BEGIN)).map(|at| from + at) {
        let body = start + BEGIN.len();
        let rest = text.get(body..).unwrap_or_default();
        let end = match rest.find(END) {
            Some(at) => {
                let label = body + at + END.len();
                let dashes = text.get(label..).and_then(|after| after.find("-----"));
                dashes.map_or(text.len(), |dashes| label + dashes + 5)
            }
            None if rest.split("-----").next().is_some_and(|label| label.contains("PRIVATE")) => text.len(),
            None => return,
        };
        spans.push(Span { start, end, kind: "pem" });
        from = end;
    }
}
