//! The data files, as (name, text). Shared with `build.rs`.

/// Kinds.
pub(super) const KINDS: [(&str, &str); 5] = [
    ("kinds/cloud.yaml", include_str!("../../data/kinds/cloud.yaml")),
    ("kinds/kubernetes.yaml", include_str!("../../data/kinds/kubernetes.yaml")),
    ("kinds/delivery.yaml", include_str!("../../data/kinds/delivery.yaml")),
    ("kinds/alerts.yaml", include_str!("../../data/kinds/alerts.yaml")),
    ("kinds/telemetry.yaml", include_str!("../../data/kinds/telemetry.yaml")),
];

/// Rules.
pub(super) const RULES: [(&str, &str); 6] = [
    ("rules/1-change.yaml", include_str!("../../data/rules/1-change.yaml")),
    ("rules/2-start.yaml", include_str!("../../data/rules/2-start.yaml")),
    ("rules/3-traffic.yaml", include_str!("../../data/rules/3-traffic.yaml")),
    ("rules/4-node.yaml", include_str!("../../data/rules/4-node.yaml")),
    ("rules/5-platform.yaml", include_str!("../../data/rules/5-platform.yaml")),
    ("rules/6-cloud.yaml", include_str!("../../data/rules/6-cloud.yaml")),
];
