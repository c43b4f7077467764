//! Cloud-OpsBench: snapshots of a cluster as transcripts of kubectl.
//!
//! A case is `k8s_states.json` (command line to output). Everything here that names the benchmark's own words stays
//! here: objects as `app/x`, fault names, taxonomy.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use schemas::codec::Format;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::ids::TenantId;
use schemas::time::EventTime;
use serde::Deserialize;

use super::{CaseRecord, Outcome, Prediction, Ranked, investigate};

/// One line of `cases.jsonl`.
#[derive(Debug, Deserialize)]
pub struct Case {
    dataset: String,
    case: String,
    query: String,
    capture_ts: String,
}

/// The cases of an unpacked folder, in order.
pub fn cases(folder: &Path) -> Result<Vec<Case>> {
    let path = folder.join("cases.jsonl");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).with_context(|| format!("parse {}", path.display())))
        .collect()
}

/// Predicts one case; the second value says why records were refused.
pub async fn predict(folder: &Path, case: &Case) -> Result<(Prediction, Vec<String>)> {
    let path = folder.join("cases").join(&case.case).join("k8s_states.json");
    let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let arrived = EventTime::parse(&case.capture_ts).context("capture_ts")?;
    let records =
        [CaseRecord { name: "k8s_states.json".to_owned(), format: Format::KubectlText, arrived, bytes }];
    let tenant: TenantId = "case".parse()?;
    let outcome = investigate(&tenant, &records, &case.query).await?;
    let ranking = ranking(&outcome);
    let (dataset, name) = (case.dataset.clone(), case.case.clone());
    Ok((Prediction { dataset, case: name, ranking, ms: outcome.ms }, outcome.rejects))
}

fn ranking(outcome: &Outcome) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = Vec::new();
    for hypothesis in &outcome.answer.hypotheses {
        let Some(entity) = entity(&hypothesis.root_cause.entity) else { continue };
        let owner = fixed_at(&entity, &outcome.topology);
        let object = match owner.kind {
            EntityKind::Node => format!("node/{}", owner.name),
            EntityKind::Namespace => format!("namespace/{}", owner.name),
            _ => format!("app/{}", owner.name),
        };
        let fault = fault(&hypothesis.root_cause.kind, &hypothesis.root_cause.summary);
        let item = Ranked {
            object: Some(object),
            service: None,
            pod: None,
            kind: Some(hypothesis.root_cause.kind.clone()),
            taxonomy: fault.map(|(_, taxonomy)| taxonomy.to_owned()),
            root_cause: fault.map(|(name, _)| name.to_owned()),
            confidence: hypothesis.confidence,
            evidence: hypothesis.weight,
        };
        let known =
            ranking.iter().any(|other| other.object == item.object && other.root_cause == item.root_cause);
        if !known {
            ranking.push(item);
        }
    }
    ranking
}

/// `kind/namespace/name` or `kind/name`, as entities are printed.
fn entity(text: &str) -> Option<Entity> {
    let (kind, rest) = text.split_once('/')?;
    let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
    Some(Entity::namespaced(kind.parse().ok()?, namespace, name))
}

/// The object that one would edit: the controller of a pod, the pod that waits for a claim.
fn fixed_at(entity: &Entity, topology: &[(Entity, RelationKind, Entity)]) -> Entity {
    let owners: BTreeMap<&Entity, &Entity> = topology
        .iter()
        .filter(|(_, verb, _)| *verb == RelationKind::Owns)
        .map(|(owner, _, owned)| (owned, owner))
        .collect();
    let mut present = entity.clone();
    if matches!(
        present.kind,
        EntityKind::Claim | EntityKind::ServiceAccount | EntityKind::ConfigMap | EntityKind::Secret
    ) {
        let user = topology.iter().find(|(_, verb, to)| *verb == RelationKind::References && *to == present);
        present = user.map_or(present, |(user, ..)| user.clone());
    }
    while let Some(owner) = owners.get(&present) {
        present = Entity::clone(owner);
    }
    present
}

/// The benchmark's name and taxonomy of a kind, by kind and by the words of its evidence.
fn fault(kind: &str, words: &str) -> Option<(&'static str, &'static str)> {
    const BY_KIND: [(&str, &str, &str, &str); 31] = [
        ("k8s.quota.", "pods=", "namespace_pod_quota_exceeded", "Admission_Fault"),
        ("k8s.quota.", "cpu", "namespace_cpu_quota_exceeded", "Admission_Fault"),
        ("k8s.quota.", "memory", "namespace_memory_quota_exceeded", "Admission_Fault"),
        ("k8s.quota.", "storage", "namespace_storage_quota_exceeded", "Admission_Fault"),
        ("k8s.quota.", "services", "namespace_service_quota_exceeded", "Admission_Fault"),
        ("k8s.quota.", "pods", "namespace_pod_quota_exceeded", "Admission_Fault"),
        ("k8s.workload.MissingServiceAccount", "", "missing_service_account", "Admission_Fault"),
        ("k8s.service.SelectorMismatch", "", "service_selector_mismatch", "Service_Routing_Fault"),
        ("k8s.service.TargetPortMismatch", "", "service_port_mapping_mismatch", "Service_Routing_Fault"),
        ("k8s.service.ProtocolMismatch", "", "service_protocol_mismatch", "Service_Routing_Fault"),
        ("k8s.service.AddressMismatch", "", "service_env_var_address_mismatch", "Service_Routing_Fault"),
        ("k8s.pod.OOMKilled", "", "oom_killed", "Runtime_Fault"),
        ("k8s.pod.ImageNotFound", "", "incorrect_image_reference", "Startup_Fault"),
        ("k8s.pod.RegistryUnavailable", "", "image_registry_dns_failure", "Startup_Fault"),
        ("k8s.pod.ImagePullAuth", "", "missing_image_pull_secret", "Startup_Fault"),
        ("k8s.pod.PullSecretMissing", "", "missing_image_pull_secret", "Startup_Fault"),
        (
            "k8s.workload.ProbeMismatch",
            "liveness probe asks port",
            "liveness_probe_incorrect_port",
            "Runtime_Fault",
        ),
        (
            "k8s.workload.ProbeMismatch",
            "liveness probe speaks",
            "liveness_probe_incorrect_protocol",
            "Runtime_Fault",
        ),
        (
            "k8s.workload.ProbeMismatch",
            "readiness probe asks port",
            "readiness_probe_incorrect_port",
            "Runtime_Fault",
        ),
        (
            "k8s.workload.ProbeMismatch",
            "readiness probe speaks",
            "readiness_probe_incorrect_protocol",
            "Runtime_Fault",
        ),
        ("k8s.workload.ProbeTooEager", "", "liveness_probe_incorrect_timing", "Runtime_Fault"),
        ("k8s.workload.ZeroReplicas", "", "deployment_zero_replicas", "Runtime_Fault"),
        ("k8s.node.NotReady", "container runtime", "containerd_unavailable", "Infrastructure_Fault"),
        ("k8s.node.NotReady", "", "kubelet_unavailable", "Infrastructure_Fault"),
        ("k8s.pod.FailedScheduling", "Insufficient cpu", "cpu_capacity_mismatch", "Scheduling_Fault"),
        ("k8s.pod.FailedScheduling", "Insufficient memory", "memory_capacity_mismatch", "Scheduling_Fault"),
        ("k8s.pod.FailedScheduling", "anti-affinity", "pod_anti_affinity_conflict", "Scheduling_Fault"),
        ("k8s.pod.FailedScheduling", "untolerated taint", "taint_toleration_mismatch", "Scheduling_Fault"),
        ("k8s.pod.FailedScheduling", "affinity/selector", "node_selector_mismatch", "Scheduling_Fault"),
        ("k8s.pod.FailedScheduling", "unschedulable", "node_cordon_mismatch", "Scheduling_Fault"),
        ("k8s.workload.MissingReference", "", "missing_secret_binding", "Startup_Fault"),
    ];
    let fits =
        |(prefix, word, ..): &&(&str, &str, &str, &str)| kind.starts_with(prefix) && words.contains(word);
    BY_KIND.iter().find(fits).map(|(_, _, name, taxonomy)| (*name, *taxonomy))
}
