//! Names of topics: `{family}-{tenant}`.

use crate::ids::TenantId;

/// Topic families of a tenant.
pub const FAMILIES: [&str; 7] =
    ["k8s-events", "datadog-metrics", "argo-logs", "github-cicd", "slack-incidents", "prometheus", "otel"];

/// The topic of a family and a tenant.
pub fn topic(family: &str, tenant: &TenantId) -> String {
    format!("{family}-{tenant}")
}

/// Whose topic it is; `None` for a topic that is not of this scheme, such as one of dead letters.
pub fn tenant_of(topic: &str) -> Option<TenantId> {
    let tenant = |family: &&str| topic.strip_prefix(*family)?.strip_prefix('-')?.parse().ok();
    FAMILIES.iter().find_map(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_names_its_tenant_and_dead_letters_name_none() {
        let tenant: TenantId = "a-b".parse().unwrap();
        assert_eq!(tenant_of(&topic("k8s-events", &tenant)), Some(tenant));
        assert_eq!(tenant_of("otel-shop.dlq"), None);
        assert_eq!(tenant_of("elsewhere-shop"), None);
    }
}
