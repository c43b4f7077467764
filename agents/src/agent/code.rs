//! The code agent: changes before the trouble, suspects first, from the views.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use schemas::answer::Artifact;
use schemas::catalogue::Class;
use schemas::entity::EntityKind;
use schemas::ids::EpisodeId;
use schemas::view::{EpisodeRow, Shared};

use super::{Live, finding};
use crate::evidence::{CHANGES_BEFORE_MS, Known};
use crate::scope::Resolved;

/// Changes reported one by one.
const CHANGES_MAX: usize = 6;

/// What was changed before the first incident in scope: what the chains pass through first, then the latest.
pub(crate) fn look(resolved: &Resolved, known: &Known) -> Live {
    let mut live = Live::default();
    let Some(incident) = resolved.incidents.first() else {
        live.nothing("an incident to explain by a change");
        return live;
    };
    let chains = known.chains.get(&incident.incident_id).into_iter().flatten();
    let passed: BTreeSet<EpisodeId> = chains
        .flat_map(|chain| &chain.links)
        .flat_map(|link| [link.cause.episode_id, link.effect.episode_id])
        .chain(incident.hypotheses.first().map(|first| first.root.episode_id))
        .collect();
    let begins = incident.started_at.plus_ms(-CHANGES_BEFORE_MS);
    let before = |episode: &&EpisodeRow| {
        episode.class == Class::Change && begins <= episode.last && episode.onset <= incident.started_at
    };
    let mut changes: Vec<&EpisodeRow> = known.episodes.iter().map(Shared::as_ref).filter(before).collect();
    changes.sort_by_key(|change| {
        (Reverse(passed.contains(&change.episode_id)), Reverse(change.onset), change.episode_id)
    });
    if changes.is_empty() {
        live.nothing("changes of the day before");
    }
    for change in changes.iter().take(CHANGES_MAX) {
        let on_chain = if passed.contains(&change.episode_id) { "on the chain" } else { "not on the chain" };
        let detail = format!(
            "{} on {} at {} ({on_chain}): {}",
            change.kind.spec().title,
            change.entity,
            change.onset,
            change.detail
        );
        live.findings.push(finding(change.kind.id(), detail, change.event_ids.clone()));
        if matches!(
            change.entity.kind,
            EntityKind::Commit | EntityKind::PullRequest | EntityKind::PipelineRun
        ) {
            let artifact_type = change.entity.kind.to_string();
            live.artifacts.push(Artifact { artifact_type, reference: change.entity.name.clone() });
        }
    }
    live
}
