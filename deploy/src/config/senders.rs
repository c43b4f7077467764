//! Secrets of senders: a file of tenants, their topic families, and the secret of each.
//!
//! ```yaml
//! shop:
//!   github-cicd: ${env:GITHUB_WEBHOOK_SECRET}
//!   slack-incidents: ${file:/run/secrets/slack-signing-secret}
//! ```

use std::collections::BTreeMap;

use ::agents::tool::secret::reference::{Sources, fill};
use anyhow::Result;
use query_api::Senders;
use schemas::ids::TenantId;
use schemas::topic::FAMILIES;

use super::agents::{environment, read};
use super::{Config, unknown};
use crate::exit::{Cause, Failure};

impl Config {
    /// Who has to prove itself before its records are taken.
    pub async fn senders(&self) -> Result<Senders> {
        let path = self.server.senders.as_str();
        if path.is_empty() {
            return Ok(Senders::default());
        }
        let bad = |problem: String| Failure::of(Cause::Config, format!("{path}: {problem}"));
        senders(&read("server.senders", path)?).await.map_err(bad)
    }
}

async fn senders(text: &str) -> Result<Senders, String> {
    let tenants: BTreeMap<String, BTreeMap<String, String>> =
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut senders = Senders::default();
    for (tenant, families) in tenants {
        let id: TenantId = tenant.parse().map_err(|error| format!("{error}"))?;
        for (name, reference) in families {
            let place = format!("{tenant}.{name}");
            let family = FAMILIES.into_iter().find(|known| *known == name);
            let family = family.ok_or_else(|| unknown(&place, FAMILIES.into_iter()))?;
            let secret = fill(&reference, &Sources::local(&environment)).await;
            let secret = secret.map_err(|error| format!("{place}: {error}"))?;
            if secret.expose().is_empty() {
                return Err(format!("{place}: the secret is empty; name one, such as ${{env:NAME}}"));
            }
            senders.require(id.clone(), family, secret.expose());
        }
    }
    Ok(senders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(senders(text)).map(|_| ()).unwrap_err()
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        assert!(problem("Shop:\n  otel: x\n").contains("tenant id \"Shop\""));
        assert_eq!(problem("shop:\n  github: x\n"), "unknown key shop.github; did you mean github-cicd?");
        let missing = problem("shop:\n  otel: ${env:KGROOT_NO_SUCH_SECRET}\n");
        assert!(missing.starts_with("shop.otel: ${env:KGROOT_NO_SUCH_SECRET}"), "{missing}");
        assert!(problem("shop:\n  otel: ''\n").contains("shop.otel: the secret is empty"));
    }
}
