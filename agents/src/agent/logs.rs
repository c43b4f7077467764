//! The logs agent: failures that logs speak of, in scope, from the views.

use schemas::answer::Artifact;
use schemas::view::{EpisodeRow, Shared};

use super::{Live, finding};
use crate::evidence::Known;
use crate::scope::Resolved;

/// Episodes reported one by one.
const EPISODES_MAX: usize = 8;

/// What logs say of the scope.
pub(crate) fn look(resolved: &Resolved, known: &Known) -> Live {
    report(resolved, known, &["log.", "mesh."], "failures in logs")
}

/// The earliest episodes of some kinds, or that they were looked for in vain.
pub(crate) fn report(resolved: &Resolved, known: &Known, prefixes: &[&str], what: &str) -> Live {
    let of_kind = |episode: &&EpisodeRow| prefixes.iter().any(|prefix| episode.kind.id().starts_with(prefix));
    let in_scope =
        |episode: &&EpisodeRow| resolved.entities.is_empty() || resolved.entities.contains(&episode.entity);
    let episodes = known.episodes.iter().map(Shared::as_ref);
    let mut found: Vec<&EpisodeRow> = episodes.filter(of_kind).filter(in_scope).collect();
    found.sort_by_key(|episode| (episode.onset, episode.episode_id));
    let mut live = Live::default();
    if found.is_empty() {
        live.nothing(what);
    }
    for episode in found.iter().take(EPISODES_MAX) {
        let title = &episode.kind.spec().title;
        let detail = format!("{title} on {} since {}: {}", episode.entity, episode.onset, episode.detail);
        live.findings.push(finding(episode.kind.id(), detail, episode.event_ids.clone()));
        let first = episode.event_ids.first().map(ToString::to_string);
        live.artifacts
            .extend(first.map(|reference| Artifact { artifact_type: "event".to_owned(), reference }));
    }
    live
}
