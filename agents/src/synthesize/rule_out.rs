//! Candidates that were looked at and dismissed, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

use schemas::answer::RuledOut;
use schemas::catalogue::{Class, Layer};
use schemas::entity::Entity;
use schemas::ids::EpisodeId;
use schemas::view::{EpisodeRow, Hypothesis, IncidentRow};

use crate::evidence::Known;

/// How long before the first symptom a candidate may lie.
const LOOKBACK_MS: i64 = 2 * 3_600_000;
/// Candidates shown.
const RULED_OUT_MAX: usize = 20;

/// Every change and node trouble near the incident that is not its first hypothesis or on its way.
pub(crate) fn rule_out(incident: &IncidentRow, known: &Known) -> Vec<RuledOut> {
    let Some(first) = incident.hypotheses.first() else { return Vec::new() };
    let on_chain = explained(incident, known);
    let affected = affected(incident, known);
    let mut dismissed: Vec<(&EpisodeRow, String)> = Vec::new();
    for episode in known.episodes.iter().filter(|episode| candidate(episode)) {
        let begins = incident.started_at.plus_ms(-LOOKBACK_MS);
        let near = begins <= episode.last && episode.onset <= incident.last_at;
        if near && !on_chain.contains(&episode.episode_id) && episode.episode_id != first.root.episode_id {
            dismissed.push((episode, reason(episode, incident, first, &affected, known)));
        }
    }
    dismissed.sort_by_key(|(episode, _)| (episode.onset, episode.episode_id));
    let mut seen: BTreeMap<(&Entity, &str), RuledOut> = BTreeMap::new();
    let mut order = Vec::new();
    for (episode, reason) in &dismissed {
        // Several edits of one object by one rollout are one candidate.
        let key = (&*episode.entity, reason.as_str());
        if !seen.contains_key(&key) {
            order.push(key);
        }
        let candidate = format!("{} on {}", episode.kind.spec().title, episode.entity);
        let entry =
            seen.entry(key).or_insert(RuledOut { candidate, reason: reason.clone(), event_ids: Vec::new() });
        entry.event_ids.extend(&episode.event_ids);
    }
    order.truncate(RULED_OUT_MAX);
    order.into_iter().filter_map(|key| seen.remove(&key)).collect()
}

/// Whether an episode is one that is dismissed with a reason, if it is not the cause.
pub(crate) fn candidate(episode: &EpisodeRow) -> bool {
    let spec = episode.kind.spec();
    spec.class == Class::Change || (spec.class == Class::State && spec.layer == Layer::Node)
}

/// Episodes on the chains of the first hypothesis.
fn explained(incident: &IncidentRow, known: &Known) -> BTreeSet<EpisodeId> {
    let chains =
        known.chains.get(&incident.incident_id).into_iter().flatten().filter(|chain| chain.rank == 1);
    chains
        .flat_map(|chain| &chain.links)
        .flat_map(|link| [link.cause.episode_id, link.effect.episode_id])
        .collect()
}

/// Entities on any chain of the incident.
fn affected(incident: &IncidentRow, known: &Known) -> BTreeSet<Entity> {
    let chains = known.chains.get(&incident.incident_id).into_iter().flatten();
    chains
        .flat_map(|chain| &chain.links)
        .flat_map(|link| [&link.cause, &link.effect])
        .map(|end| Entity::clone(&end.entity))
        .collect()
}

fn reason(
    episode: &EpisodeRow,
    incident: &IncidentRow,
    first: &Hypothesis,
    affected: &BTreeSet<Entity>,
    known: &Known,
) -> String {
    if incident.started_at < episode.onset {
        let late_s = episode.onset.ms_since(incident.started_at) / 1_000;
        return format!("began {late_s} s after the first symptom");
    }
    let of_this = |id: EpisodeId| {
        let chains = known.chains.get(&incident.incident_id).into_iter().flatten();
        chains
            .flat_map(|chain| &chain.links)
            .any(|link| link.effect.episode_id == id || link.cause.episode_id == id)
    };
    let to_incident = known
        .links
        .iter()
        .find(|link| link.cause.episode_id == episode.episode_id && of_this(link.effect.episode_id));
    if let Some(link) = to_incident {
        return format!(
            "could explain {} (rule {}), but {} on {} explains it better",
            link.effect.entity,
            link.rule,
            first.root.kind.spec().title,
            first.root.entity
        );
    }
    let shares = known.relations.iter().any(|relation| {
        (relation.from == episode.entity && affected.contains(&*relation.to))
            || (relation.to == episode.entity && affected.contains(&*relation.from))
    });
    let effects = known.links.iter().filter(|link| link.cause.episode_id == episode.episode_id).count();
    match (shares, effects) {
        (_, 1..) => format!("its {effects} effects are not part of this incident"),
        (true, 0) => "touches the affected entities, but no rule leads from it to a symptom".to_owned(),
        (false, 0) => format!("no dependency path from {} to the affected entities", episode.entity),
    }
}
