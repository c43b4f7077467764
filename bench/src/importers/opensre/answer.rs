//! Our kinds in the set's few words.

use schemas::view::IncidentStatus;

use crate::importers::{Outcome, Ranked};

const RESOURCES: &str = "resource_exhaustion";
const CONFIGURATION: &str = "configuration_error";
const INFRASTRUCTURE: &str = "infrastructure";

/// Beginnings of kind ids, a word of their evidence, and what they come to. The first that fits decides; a kind that no
/// line names (an alert, a slow request) is a symptom and no answer.
const BY_KIND: [(&str, &str, &str); 38] = [
    ("k8s.pod.OOMKilled", "", RESOURCES),
    ("k8s.pod.Evicted", "", RESOURCES),
    ("k8s.pod.FailedScheduling", "Insufficient", RESOURCES),
    ("k8s.pod.FailedScheduling", "", CONFIGURATION),
    ("k8s.pod.NodeLost", "", INFRASTRUCTURE),
    ("k8s.pod.FailedAttach", "", INFRASTRUCTURE),
    ("k8s.pod.FailedSandbox", "", INFRASTRUCTURE),
    ("k8s.pod.NotReady", "", ""),
    ("k8s.pod.", "", CONFIGURATION),
    ("k8s.quota.", "", RESOURCES),
    ("k8s.volume.Full", "", RESOURCES),
    ("k8s.autoscaler.AtMax", "", RESOURCES),
    ("k8s.node.MemoryPressure", "", RESOURCES),
    ("k8s.node.DiskPressure", "", RESOURCES),
    ("k8s.node.PIDPressure", "", RESOURCES),
    ("k8s.node.SystemOOM", "", RESOURCES),
    ("k8s.node.ImageGCFailed", "", RESOURCES),
    ("k8s.node.CapacityUnavailable", "", RESOURCES),
    ("k8s.node.Cordoned", "", CONFIGURATION),
    ("k8s.node.TaintChanged", "", CONFIGURATION),
    ("k8s.node.", "", INFRASTRUCTURE),
    ("k8s.dns.", "", INFRASTRUCTURE),
    ("k8s.network.", "", INFRASTRUCTURE),
    ("k8s.controlplane.", "", INFRASTRUCTURE),
    ("k8s.workload.ReplicaMismatch", "", ""),
    ("k8s.workload.Unavailable", "", ""),
    ("k8s.", "", CONFIGURATION),
    ("cloud.database.Fail", "", INFRASTRUCTURE),
    ("cloud.database.ConnectionsExhausted", "", RESOURCES),
    ("cloud.database.CpuSaturated", "", RESOURCES),
    ("cloud.database.ReplicationLag", "", RESOURCES),
    ("cloud.database.StorageFull", "", RESOURCES),
    ("cloud.database.StorageLow", "", RESOURCES),
    ("log.config_error", "", CONFIGURATION),
    ("log.dns_failure", "", CONFIGURATION),
    ("log.out_of_memory", "", RESOURCES),
    ("log.disk_full", "", RESOURCES),
    ("log.too_many_connections", "", RESOURCES),
];

fn word(kind: &str, evidence: &str) -> Option<&'static str> {
    let fits = |(prefix, part, _): &&(&str, &str, &str)| kind.starts_with(prefix) && evidence.contains(part);
    let found = BY_KIND.iter().find(fits).map(|(.., word)| *word);
    found.filter(|word| !word.is_empty())
}

/// Causes of what is still going on.
pub(super) fn ranking(outcome: &Outcome) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = Vec::new();
    for hypothesis in &outcome.answer.hypotheses {
        let root = &hypothesis.root_cause;
        let incident =
            outcome.incidents.iter().find(|incident| incident.incident_id == hypothesis.incident_id);
        let over = incident.is_none_or(|incident| {
            let known = incident.hypotheses.iter().map(|known| &known.root);
            let ended = known
                .filter(|known| known.kind.id() == root.kind && known.entity.to_string() == root.entity)
                .all(|known| known.ended.is_some());
            incident.status == IncidentStatus::Resolved || ended
        });
        let Some(word) = word(&root.kind, &root.summary).filter(|_| !over) else { continue };
        if ranking.iter().any(|known| known.root_cause.as_deref() == Some(word)) {
            continue;
        }
        ranking.push(Ranked {
            object: Some(root.entity.clone()),
            service: None,
            pod: None,
            kind: Some(root.kind.clone()),
            taxonomy: None,
            root_cause: Some(word.to_owned()),
            confidence: hypothesis.confidence,
            evidence: hypothesis.weight,
        });
    }
    ranking
}
