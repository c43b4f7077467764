//! The logs agent: failures that logs speak of, in scope.

use std::sync::Arc;

use schemas::answer::{AgentResult, Artifact, Cost, Finding};
use schemas::view::EpisodeRow;

use crate::evidence::Known;
use crate::scope::Resolved;

/// Episodes reported one by one.
const EPISODES_MAX: usize = 8;

/// What logs say of the scope.
pub(crate) fn ask(resolved: &Resolved, known: &Known) -> AgentResult {
    let (findings, artifacts) = report(resolved, known, &["log.", "mesh."], "failures in logs");
    AgentResult { agent: "logs".to_owned(), findings, artifacts, cost: Cost::default(), latency_ms: 0.0 }
}

/// The earliest episodes of some kinds, and that others were looked for in vain.
pub(crate) fn report(
    resolved: &Resolved,
    known: &Known,
    prefixes: &[&str],
    what: &str,
) -> (Vec<Finding>, Vec<Artifact>) {
    let of_kind = |episode: &&EpisodeRow| prefixes.iter().any(|prefix| episode.kind.id().starts_with(prefix));
    let in_scope =
        |episode: &&EpisodeRow| resolved.entities.is_empty() || resolved.entities.contains(&episode.entity);
    let episodes = known.episodes.iter().map(Arc::as_ref);
    let mut found: Vec<&EpisodeRow> = episodes.filter(of_kind).filter(in_scope).collect();
    found.sort_by_key(|episode| (episode.onset, episode.episode_id));
    if found.is_empty() {
        let detail = format!("looked for {what} in the scope and found none");
        return (vec![Finding { kind: "nothing_found".to_owned(), detail, confidence: 1.0 }], Vec::new());
    }
    let finding = |episode: &&EpisodeRow| Finding {
        kind: episode.kind.id().to_owned(),
        detail: format!(
            "{} on {} since {}: {}",
            episode.kind.spec().title,
            episode.entity,
            episode.onset,
            episode.detail
        ),
        confidence: 1.0,
    };
    let shown = &found[..found.len().min(EPISODES_MAX)];
    let artifact = |episode: &&EpisodeRow| {
        let first = episode.event_ids.first()?;
        Some(Artifact { artifact_type: "event".to_owned(), reference: first.to_string() })
    };
    (shown.iter().map(finding).collect(), shown.iter().filter_map(artifact).collect())
}
