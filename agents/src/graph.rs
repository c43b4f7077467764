//! The graph agent: incidents, chains and changes in scope.

use schemas::answer::{AgentResult, Artifact, Cost, Finding};
use schemas::catalogue::Class;

use crate::evidence::Known;
use crate::scope::Resolved;

/// Incidents reported one by one.
const INCIDENTS_MAX: usize = 5;

/// What the graph knows of the scope.
pub(crate) fn ask(resolved: &Resolved, known: &Known) -> AgentResult {
    let mut findings = Vec::new();
    let mut artifacts = Vec::new();
    for incident in resolved.incidents.iter().take(INCIDENTS_MAX) {
        let confidence =
            incident.hypotheses.first().map_or(0.0, |first| f64::from(first.confidence_milli) / 1_000.0);
        let detail = format!(
            "{} ({} episodes, {} alerts, {})",
            incident.title, incident.episodes, incident.alerts, incident.status
        );
        findings.push(Finding { kind: "incident".to_owned(), detail, confidence });
        artifacts.push(Artifact {
            artifact_type: "incident".to_owned(),
            reference: incident.incident_id.to_string(),
        });
    }
    let changes = known.episodes.iter().filter(|episode| episode.class == Class::Change).count();
    let detail = match changes {
        0 => "looked for changes in the scope and found none".to_owned(),
        count => format!("{count} changes in the scope"),
    };
    findings.push(Finding { kind: "changes".to_owned(), detail, confidence: 1.0 });
    if resolved.incidents.is_empty() {
        let detail = "looked for incidents in the scope and found none".to_owned();
        findings.push(Finding { kind: "nothing_found".to_owned(), detail, confidence: 1.0 });
    }
    AgentResult { agent: "graph".to_owned(), findings, artifacts, cost: Cost::default(), latency_ms: 0.0 }
}
