//! Alertmanager alerts: `firing`, `resolved`.
//!
//! `startsAt` is when the alert fired. The rule held it back for its `for:` duration, so that the symptom began that
//! much earlier (causality reference, T4).

use serde_json::Value;

use super::place;
use crate::catalogue::Kind;
use crate::envelope::Envelope;
use crate::error::DecodeError;
use crate::fact::{Fact, Normalized, Signal, clip};
use crate::ids::{EventKey, hash128};
use crate::object::parse::{text, time};
use crate::time::parse_duration_ms;

/// Alerts of the Kubernetes mixin: their kind, and how long their rule holds them back.
const MIXIN: [(&str, &str, i64); 14] = [
    ("KubePodCrashLooping", "alert.crash_loop", 15 * 60_000),
    ("KubePodNotReady", "alert.pod_not_ready", 15 * 60_000),
    ("KubeContainerWaiting", "alert.pod_not_ready", 3_600_000),
    ("KubeDeploymentReplicasMismatch", "alert.replicas_mismatch", 15 * 60_000),
    ("KubeDeploymentGenerationMismatch", "alert.replicas_mismatch", 15 * 60_000),
    ("KubeStatefulSetReplicasMismatch", "alert.replicas_mismatch", 15 * 60_000),
    ("KubeStatefulSetUpdateNotRolledOut", "alert.replicas_mismatch", 15 * 60_000),
    ("KubeDaemonSetRolloutStuck", "alert.replicas_mismatch", 15 * 60_000),
    ("KubeDaemonSetNotScheduled", "alert.replicas_mismatch", 10 * 60_000),
    ("KubeJobFailed", "alert.job_failed", 15 * 60_000),
    ("KubeJobCompletion", "alert.job_failed", 12 * 3_600_000),
    ("KubeHpaMaxedOut", "alert.hpa_maxed", 15 * 60_000),
    ("KubeNodeNotReady", "alert.node", 15 * 60_000),
    ("TargetDown", "alert.target_down", 10 * 60_000),
];

/// Words of an alert's name, and what it is about. The first that fits decides.
const BY_WORD: [(&[&str], &str); 14] = [
    (&["crashloop", "restart"], "alert.crash_loop"),
    (&["certificate", "certexp", "tls"], "alert.certificate_expiry"),
    (&["clock", "ntp"], "alert.clock_skew"),
    (&["latency", "slow", "duration", "p99", "p95", "responsetime"], "alert.latency"),
    (&["error", "5xx", "fail", "availab", "slo", "burn"], "alert.error_rate"),
    (&["node"], "alert.node"),
    (&["cpu", "throttl"], "alert.saturation.cpu"),
    (&["memory", "oom"], "alert.saturation.memory"),
    (&["disk", "volume", "filesystem", "storage"], "alert.saturation.disk"),
    (&["connections"], "alert.saturation.connections"),
    (&["lag", "queue", "backlog", "replication", "stale"], "alert.queue_lag"),
    (&["down", "absent", "unreachable"], "alert.target_down"),
    (&["replica"], "alert.replicas_mismatch"),
    (&["notready", "pending"], "alert.pod_not_ready"),
];

/// The kind of an alert by its name.
pub(super) fn kind_of(name: &str) -> Kind {
    if let Some((_, kind, _)) = MIXIN.iter().find(|(known, ..)| *known == name) {
        return Kind::named(kind);
    }
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let fits = BY_WORD.iter().find(|(words, _)| words.iter().any(|word| plain.contains(word)));
    Kind::named(fits.map_or("alert.other", |(_, kind)| *kind))
}

pub(crate) fn normalize(envelope: &Envelope, payload: &Value) -> Result<Normalized, DecodeError> {
    let labels = &payload["labels"];
    let name = text(labels, &["alertname"]);
    let starts =
        time(payload, &["startsAt"]).ok_or_else(|| DecodeError::field("alert without a valid startsAt"))?;
    let resolved = envelope.event_type == "resolved";
    let words = [text(payload, &["annotations", "summary"]), text(payload, &["annotations", "description"])];
    let words = words.into_iter().find(|words| !words.is_empty()).unwrap_or_default();
    let summary = clip(&format!("{name} {}: {words}", envelope.event_type));
    let fingerprint = match text(payload, &["fingerprint"]) {
        "" => labels.to_string(),
        fingerprint => fingerprint.to_owned(),
    };
    let start_text = starts.to_string();
    let key = [envelope.tenant_id.as_str(), "alertmanager", &fingerprint, &start_text].map(str::as_bytes);
    let mut normalized = Normalized {
        key: Some(EventKey(hash128(&key))),
        revision: i64::from(resolved),
        summary,
        ..Normalized::default()
    };
    let label = |key: &str| labels[key].as_str().filter(|value| !value.is_empty());
    let Some(entity) = place::of_labels(label) else { return Ok(normalized) };
    let onset = starts.plus_ms(-held_back_ms(name, payload));
    let mut signal = Signal::at(entity, kind_of(name), onset, &format!("{name}: {words}"));
    signal.last = starts.max(onset);
    signal.severity = envelope.severity;
    if resolved {
        signal.ended = Some(time(payload, &["endsAt"]).unwrap_or(envelope.ts).max(onset));
    }
    normalized.facts.push(Fact::Signal(signal));
    Ok(normalized)
}

/// The rule's `for:`, as the alert carries it or as the mixin has it.
fn held_back_ms(name: &str, payload: &Value) -> i64 {
    let carried = ["for", "for_duration"].into_iter().find_map(|key| {
        let text = [text(payload, &["annotations", key]), text(payload, &["labels", key])];
        text.into_iter().find_map(|text| parse_duration_ms(text).ok())
    });
    let known = || MIXIN.iter().find(|(known, ..)| *known == name).map(|(.., ms)| *ms);
    carried.or_else(known).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::codec::{Format, Raw, decode};
    use crate::position::SourcePosition;
    use crate::time::EventTime;

    fn normalized(status: &str, name: &str) -> Normalized {
        let webhook = json!({"version": "4", "groupKey": "g", "status": status, "alerts": [{"status": status, "fingerprint": "f1",
            "labels": {"alertname": name, "namespace": "shop", "service": "pay", "severity": "critical"},
            "annotations": {"summary": "pay fails"}, "startsAt": "2026-05-01T10:15:00Z", "endsAt": "2026-05-01T10:45:00Z"}]});
        let (tenant, position, bytes) =
            ("shop".parse().unwrap(), SourcePosition::default(), webhook.to_string());
        let raw =
            Raw { tenant: &tenant, position: &position, arrived: EventTime(0), bytes: bytes.as_bytes() };
        let decoded = decode(&raw, Format::Alertmanager);
        crate::normalize::normalize(&decoded.events[0].envelope).unwrap()
    }

    fn signal(normalized: &Normalized) -> &Signal {
        match &normalized.facts[0] {
            Fact::Signal(signal) => signal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_time_that_the_rule_held_it_back_is_subtracted() {
        let found = normalized("firing", "KubePodCrashLooping");
        assert_eq!(signal(&found).onset.to_string(), "2026-05-01T10:00:00.000Z");
        assert_eq!(signal(&found).kind.id(), "alert.crash_loop");
    }

    #[test]
    fn a_resolved_alert_revises_the_firing_one() {
        let (firing, resolved) = (normalized("firing", "PayErrors"), normalized("resolved", "PayErrors"));
        assert_eq!(firing.key, resolved.key);
        assert!(firing.revision < resolved.revision);
        assert!(signal(&resolved).ended.is_some());
        assert_eq!(signal(&firing).kind.id(), "alert.error_rate");
    }
}
