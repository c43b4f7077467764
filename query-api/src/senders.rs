//! Who may append to a topic family: a sender proves that it knows the secret of a tenant's family, as its vendor's webhooks do.
//!
//! | family | proof | source |
//! |---|---|---|
//! | `github-cicd` | `X-Hub-Signature-256`: `sha256=`, HMAC-SHA256 of the body | GitHub, "Validating webhook deliveries" |
//! | `slack-incidents` | `X-Slack-Signature`: `v0=`, HMAC-SHA256 of `v0:TIME:BODY`, and `X-Slack-Request-Timestamp`: TIME, at most five minutes from now | Slack, "Verifying requests from Slack" |
//! | every family | `Authorization: Bearer SECRET` | RFC 6750 |
//!
//! Proofs are compared in constant time. A family without a secret asks for none.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use ring::hmac;
use schemas::ids::TenantId;

use crate::problem::Problem;

/// A signature of Slack is this old at most, so that nobody sends it again later.
const SLACK_AGE: Duration = Duration::from_secs(300);

/// Secrets of senders, by tenant and topic family.
#[derive(Clone, Debug, Default)]
pub struct Senders(BTreeMap<(TenantId, &'static str), Known>);

/// A secret, as what it signs.
#[derive(Clone, Debug)]
struct Known {
    key: hmac::Key,
    /// The secret signed by itself: what a bearer's token must come to.
    own: hmac::Tag,
}

impl Senders {
    /// The family of the tenant takes only what comes with a proof of this secret.
    pub fn require(&mut self, tenant: TenantId, family: &'static str, secret: &str) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let own = hmac::sign(&key, secret.as_bytes());
        self.0.insert((tenant, family), Known { key, own });
    }

    /// Whether a body may be appended; `now` is since 1970.
    pub(crate) fn check(
        &self,
        (tenant, family): (&TenantId, &'static str),
        headers: &HeaderMap,
        body: &[u8],
        now: Duration,
    ) -> Result<(), Problem> {
        let Some(known) = self.0.get(&(tenant.clone(), family)) else { return Ok(()) };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = text(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        let proven = bearer.is_some_and(|token| known.has_signed(&[token.as_bytes()], known.own.as_ref()))
            || match family {
                "github-cicd" => known.has_signed_hex(&[body], text("x-hub-signature-256"), "sha256="),
                "slack-incidents" => text("x-slack-request-timestamp").is_some_and(|time| {
                    let parts = [b"v0:", time.as_bytes(), b":", body];
                    recent(time, now) && known.has_signed_hex(&parts, text("x-slack-signature"), "v0=")
                }),
                _ => false,
            };
        if proven { Ok(()) } else { Err(refused(tenant, family)) }
    }
}

impl Known {
    fn has_signed(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        hmac::verify(&self.key, &parts.concat(), signature).is_ok()
    }

    fn has_signed_hex(&self, parts: &[&[u8]], signature: Option<&str>, prefix: &str) -> bool {
        let signature = signature.and_then(|text| bytes(text.strip_prefix(prefix)?));
        signature.is_some_and(|signature| self.has_signed(parts, &signature))
    }
}

fn recent(time: &str, now: Duration) -> bool {
    time.parse().is_ok_and(|time| Duration::from_secs(time).abs_diff(now) <= SLACK_AGE)
}

/// Bytes of hexadecimal text.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(pair).collect()
}

fn refused(tenant: &TenantId, family: &str) -> Problem {
    let or = match family {
        "github-cicd" => " or a valid X-Hub-Signature-256",
        "slack-incidents" => " or a valid X-Slack-Signature that is not older than five minutes",
        _ => "",
    };
    let detail = format!("{family} of {tenant} takes records with Authorization: Bearer SECRET{or}");
    Problem::new(StatusCode::UNAUTHORIZED, "sender_unproven", format!("{detail}; see server.senders"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_531_420_618);

    fn senders(family: &'static str, secret: &str) -> Senders {
        let mut senders = Senders::default();
        senders.require("shop".parse().unwrap(), family, secret);
        senders
    }

    fn taken(
        senders: &Senders,
        (tenant, family): (&str, &'static str),
        headers: &[(&'static str, String)],
        body: &str,
        now: Duration,
    ) -> bool {
        let pairs = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        let headers: HeaderMap = pairs.collect();
        senders.check((&tenant.parse().unwrap(), family), &headers, body.as_bytes(), now).is_ok()
    }

    /// The example of GitHub's documentation.
    #[test]
    fn a_webhook_of_github_is_signed_over_its_body() {
        let senders = senders("github-cicd", "It's a Secret to Everybody");
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signed = [("x-hub-signature-256", signature.to_owned())];
        let github = ("shop", "github-cicd");
        assert!(taken(&senders, github, &signed, "Hello, World!", NOW));
        assert!(!taken(&senders, github, &signed, "Hello, World?", NOW));
        assert!(!taken(&senders, github, &[], "Hello, World!", NOW));
        for broken in ["sha256=", "sha256=7", "757107ea", "sha256=7571ü", &signature[..70]] {
            let broken = [("x-hub-signature-256", broken.to_owned())];
            assert!(!taken(&senders, github, &broken, "Hello, World!", NOW), "{broken:?}");
        }
        assert!(taken(&senders, ("shop", "otel"), &[], "Hello, World!", NOW), "no secret, no proof");
        assert!(taken(&senders, ("bank", "github-cicd"), &[], "Hello, World!", NOW), "of another tenant");
    }

    #[test]
    fn a_request_of_slack_is_signed_and_new() {
        let secret = "8f742231b10e8888abcd99yyyzzz85a5";
        let senders = senders("slack-incidents", secret);
        let body = "{\"type\":\"event_callback\"}";
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, format!("v0:{}:{body}", NOW.as_secs()).as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let signed = |time: u64| {
            [("x-slack-signature", format!("v0={hex}")), ("x-slack-request-timestamp", time.to_string())]
        };
        let slack = ("shop", "slack-incidents");
        assert!(taken(&senders, slack, &signed(NOW.as_secs()), body, NOW));
        assert!(taken(&senders, slack, &signed(NOW.as_secs()), body, NOW + SLACK_AGE));
        let later = NOW + SLACK_AGE + Duration::from_secs(1);
        assert!(!taken(&senders, slack, &signed(NOW.as_secs()), body, later), "sent again");
        assert!(!taken(&senders, slack, &signed(later.as_secs()), body, later), "with another time");
        assert!(!taken(&senders, slack, &signed(NOW.as_secs())[..1], body, NOW), "without a time");
    }

    #[test]
    fn every_family_takes_the_secret_itself() {
        let senders = senders("prometheus", "s3cret");
        let with = |value: &str| vec![("authorization", value.to_owned())];
        let prometheus = ("shop", "prometheus");
        assert!(taken(&senders, prometheus, &with("Bearer s3cret"), "{}", NOW));
        for wrong in ["Bearer s3cre", "Bearer ", "Basic s3cret", "s3cret"] {
            assert!(!taken(&senders, prometheus, &with(wrong), "{}", NOW), "{wrong}");
        }
    }
}
