//! What a question means: which entities, which incidents.

use std::collections::{BTreeMap, BTreeSet};

use schemas::answer::{Question, Scope};
use schemas::entity::{Entity, EntityKind};
use schemas::view::IncidentRow;

use crate::error::InvestigateError;
use crate::evidence::Known;

/// Longest window that is looked at.
const WINDOW_MS_MAX: i64 = 31 * 86_400_000;
/// Suggestions for a name that is unknown.
const SUGGESTIONS_MAX: usize = 3;

/// A resolved question.
pub(crate) struct Resolved {
    /// Entities that the question names; empty means all.
    pub(crate) entities: BTreeSet<Entity>,
    /// Incidents in scope, most pressing first.
    pub(crate) incidents: Vec<IncidentRow>,
    /// The public form.
    pub(crate) scope: Scope,
}

/// Resolves a question against what is known.
pub(crate) fn resolve(question: &Question, known: &Known) -> Result<Resolved, InvestigateError> {
    check_window(question)?;
    let mut entities = named(question, known)?;
    for id in question.pivot_event_id.iter() {
        let episodes = known.episodes.iter().filter(|episode| episode.event_ids.contains(id));
        entities.extend(episodes.map(|episode| episode.entity.clone()));
    }
    for id in &question.correlation_ids {
        let correlated = known.events.values().filter(|event| {
            let ids = &event.correlation_ids;
            [&ids.trace_id, &ids.commit, &ids.workflow].into_iter().flatten().any(|known| known == id)
        });
        let events: BTreeSet<_> = correlated.map(|event| event.event_id).collect();
        let episodes =
            known.episodes.iter().filter(|episode| episode.event_ids.iter().any(|id| events.contains(id)));
        entities.extend(episodes.map(|episode| episode.entity.clone()));
    }
    let incidents = in_scope(&entities, known);
    let scope = Scope {
        time_window: question.time_window,
        entities: entities.iter().map(ToString::to_string).collect(),
        incident_ids: incidents.iter().map(|incident| incident.incident_id).collect(),
        pivot_event_id: question.pivot_event_id,
        correlation_ids: question.correlation_ids.clone(),
    };
    Ok(Resolved { entities, incidents, scope })
}

fn check_window(question: &Question) -> Result<(), InvestigateError> {
    let Some(window) = question.time_window else { return Ok(()) };
    if window.to <= window.from {
        let problem = format!("ends at {}, not after its start {}; swap them", window.to, window.from);
        return Err(InvestigateError::Window(problem));
    }
    if WINDOW_MS_MAX < window.to.ms_since(window.from) {
        return Err(InvestigateError::Window("is longer than 31 days; ask about a shorter one".to_owned()));
    }
    Ok(())
}

/// Entities that the service field and the words of the query name.
fn named(question: &Question, known: &Known) -> Result<BTreeSet<Entity>, InvestigateError> {
    let mut found = BTreeSet::new();
    if let Some(service) = &question.service {
        found.extend(matching(service, known));
        if found.is_empty() {
            return Err(InvestigateError::UnknownService {
                name: service.clone(),
                nearest: nearest(service, known),
            });
        }
    }
    for word in
        question.query.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.')))
    {
        // Short and common words name nothing by accident.
        if 3 < word.len() {
            found.extend(matching(word.trim_matches('.'), known));
        }
    }
    Ok(found)
}

fn matching<'a>(name: &'a str, known: &'a Known) -> impl Iterator<Item = Entity> + 'a {
    let (namespace, name) =
        name.rsplit_once('/').map_or((None, name), |(namespace, name)| (Some(namespace), name));
    let meant = move |entity: &Entity| {
        entity.name.eq_ignore_ascii_case(name)
            && namespace.is_none_or(|namespace| entity.namespace == namespace)
    };
    let speakable = |entity: &Entity| {
        !matches!(
            entity.kind,
            EntityKind::Namespace | EntityKind::Image | EntityKind::Secret | EntityKind::ServiceAccount
        )
    };
    known
        .entities
        .iter()
        .map(|row| &row.entity)
        .filter(move |entity| meant(entity) && speakable(entity))
        .cloned()
}

fn nearest(name: &str, known: &Known) -> Vec<String> {
    let services =
        known.entities.iter().map(|row| &row.entity).filter(|entity| entity.kind == EntityKind::Service);
    let mut scored: BTreeMap<&str, u64> = BTreeMap::new();
    for entity in services {
        scored.insert(&entity.name, distance(name, &entity.name));
    }
    let mut close: Vec<(u64, &str)> = scored.into_iter().map(|(name, distance)| (distance, name)).collect();
    close.sort_unstable();
    close
        .into_iter()
        .filter(|(distance, _)| *distance < 600)
        .take(SUGGESTIONS_MAX)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// How unlike two names are, in thousandths.
fn distance(left: &str, right: &str) -> u64 {
    let longest = left.chars().count().max(right.chars().count()).max(1);
    let edits = strsim::damerau_levenshtein(left, right);
    u64::try_from(edits * 1_000 / longest).unwrap_or(u64::MAX)
}

/// Incidents that touch the entities, or all of them when none is named or none touches; most pressing first.
fn in_scope(entities: &BTreeSet<Entity>, known: &Known) -> Vec<IncidentRow> {
    let touches = |incident: &IncidentRow| {
        let roots = incident.hypotheses.iter().map(|hypothesis| &hypothesis.root.entity);
        let chains = known.chains.get(&incident.incident_id).into_iter().flatten();
        let linked =
            chains.flat_map(|chain| &chain.links).flat_map(|link| [&link.cause.entity, &link.effect.entity]);
        roots.chain(linked).any(|entity| entities.contains(entity))
    };
    let mut incidents: Vec<(bool, &IncidentRow)> =
        known.incidents.iter().map(|incident| (touches(incident), incident.as_ref())).collect();
    if incidents.iter().any(|(touched, _)| *touched) {
        incidents.retain(|(touched, _)| *touched);
    }
    incidents.sort_by_key(|(_, incident)| {
        let first = incident.hypotheses.first();
        let confidence = first.map_or(0, |first| first.confidence_milli);
        let weight = u64::from(confidence + 1) * (2 + u64::from(incident.episodes.min(20)));
        (std::cmp::Reverse(weight), std::cmp::Reverse(incident.last_at), incident.incident_id)
    });
    incidents.into_iter().map(|(_, incident)| incident.clone()).collect()
}
