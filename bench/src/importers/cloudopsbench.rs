//! Cloud-OpsBench: snapshots of a cluster as transcripts of kubectl.
//!
//! A case is `k8s_states.json` (command line to output), `alert.json` and `logs.json`. Everything here that names the benchmark's own words stays
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

mod names;
mod telemetry;

/// One line of `cases.jsonl`.
#[derive(Debug, Deserialize)]
pub struct Case {
    dataset: String,
    case: String,
    query: String,
    namespace: String,
    capture_ts: String,
}

/// Predicts one case; the second value says why records were refused.
pub async fn predict(folder: &Path, case: &Case) -> Result<(Prediction, Vec<String>)> {
    let files = folder.join("cases").join(&case.case);
    let path = files.join("k8s_states.json");
    let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let arrived = EventTime::parse(&case.capture_ts).context("capture_ts")?;
    let tenant: TenantId = "case".parse()?;
    let mut records =
        vec![CaseRecord { name: "k8s_states.json".to_owned(), format: Format::KubectlText, arrived, bytes }];
    let mut told = telemetry::alerts(&files, tenant.as_str(), &case.case, &case.namespace)?;
    told.extend(telemetry::logs(&files, tenant.as_str(), &case.case, &case.namespace, arrived)?);
    if !told.is_empty() {
        let bytes = serde_json::to_vec(&told)?;
        let name = "telemetry.json".to_owned();
        records.push(CaseRecord { name, format: Format::JsonEnvelope, arrived, bytes });
    }
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
        let named: Vec<_> = faults(&hypothesis.root_cause.kind).map(Some).collect();
        let named = if named.is_empty() { vec![None] } else { named };
        for fault in named {
            let item = Ranked {
                object: Some(object.clone()),
                service: None,
                pod: None,
                kind: Some(hypothesis.root_cause.kind.clone()),
                taxonomy: fault.map(|(_, taxonomy)| taxonomy.to_owned()),
                root_cause: fault.map(|(name, _)| name.to_owned()),
                confidence: hypothesis.confidence,
                evidence: hypothesis.weight,
            };
            let known = ranking
                .iter()
                .any(|other| other.object == item.object && other.root_cause == item.root_cause);
            if !known {
                ranking.push(item);
            }
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

/// The benchmark's names and taxonomy of a kind. A kind that fits several names has one entry for each, likeliest first.
fn faults(kind: &str) -> impl Iterator<Item = (&'static str, &'static str)> + use<'_> {
    names::NAMES
        .iter()
        .filter(move |(known, ..)| *known == kind)
        .map(|(_, name, taxonomy)| (*name, *taxonomy))
}

#[cfg(test)]
mod tests;
