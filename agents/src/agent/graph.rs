//! The graph agent: incidents, chains, blast radius and changes in scope, from the views.

use std::collections::BTreeSet;

use schemas::answer::{Artifact, Finding};
use schemas::catalogue::Class;
use schemas::entity::Entity;

use super::{Live, finding};
use crate::evidence::Known;
use crate::scope::Resolved;

/// Incidents reported one by one.
const INCIDENTS_MAX: usize = 5;
/// Entities of a blast radius that are named.
const NAMED_MAX: usize = 8;

/// What the graph knows of the scope.
pub(crate) fn look(resolved: &Resolved, known: &Known) -> Live {
    let mut live = Live::default();
    for incident in resolved.incidents.iter().take(INCIDENTS_MAX) {
        let first = incident.hypotheses.first();
        let detail = format!(
            "{} ({} episodes, {} alerts, {})",
            incident.title, incident.episodes, incident.alerts, incident.status
        );
        live.findings.push(Finding {
            confidence: first.map_or(0.0, |first| f64::from(first.confidence_milli) / 1_000.0),
            ..finding("incident", detail, first.map(|first| first.root.event_ids.clone()).unwrap_or_default())
        });
        live.artifacts.push(Artifact {
            artifact_type: "incident".to_owned(),
            reference: incident.incident_id.to_string(),
        });
    }
    live.findings.extend(blast_radius(resolved, known));
    match known.episodes.iter().filter(|episode| episode.class == Class::Change).count() {
        0 => live.nothing("changes"),
        count => live.findings.push(finding("changes", format!("{count} changes in the scope"), Vec::new())),
    }
    if resolved.incidents.is_empty() {
        live.nothing("incidents");
    }
    live
}

/// What the first root of the first incident has reached.
fn blast_radius(resolved: &Resolved, known: &Known) -> Option<Finding> {
    let incident = resolved.incidents.first()?;
    let root = &incident.hypotheses.first()?.root;
    let chains = known.chains.get(&incident.incident_id)?;
    let links =
        chains.iter().filter(|chain| chain.root.episode_id == root.episode_id).flat_map(|chain| &chain.links);
    let mut reached: BTreeSet<&Entity> = BTreeSet::new();
    let mut proof = BTreeSet::new();
    for link in links.filter(|link| link.effect.entity != root.entity) {
        reached.insert(&link.effect.entity);
        proof.extend(link.effect.event_ids.iter().copied());
    }
    let named: Vec<String> = reached.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = reached.len().saturating_sub(named.len());
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    let detail = format!("{} reached {}{rest}", root.entity, named.join(", "));
    (!named.is_empty()).then(|| finding("blast_radius", detail, proof.into_iter().collect()))
}
