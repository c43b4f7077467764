//! What a question means: which stretch of time, which entities, which incidents. Pure but for what was read before.

mod instants;
mod names;

use std::collections::BTreeSet;

use schemas::answer::{Question, Scope, TimeWindow};
use schemas::entity::Entity;
use schemas::ids::IncidentId;
use schemas::time::EventTime;
use schemas::view::IncidentRow;

use crate::error::{ID_BYTES_MAX, IDS_MAX, InvestigateError};
use crate::evidence::Known;

/// Longest window that is looked at.
const WINDOW_MS_MAX: i64 = 31 * 86_400_000;
/// Unknown words that are told.
const UNKNOWN_MAX: usize = 3;

/// A resolved question.
pub(crate) struct Resolved {
    /// Entities that the question names; empty means all.
    pub(crate) entities: BTreeSet<Entity>,
    /// Incidents in scope, most pressing first.
    pub(crate) incidents: Vec<IncidentRow>,
    /// The public form.
    pub(crate) scope: Scope,
}

/// The stretch of time of a question: what it says, or what its words say; and a note on the latter.
///
/// # Errors
/// The window that it says ends before it begins, or is too long; it starts from too many ids.
pub(crate) fn window(
    question: &Question,
    now: EventTime,
) -> Result<(Option<TimeWindow>, Vec<String>), InvestigateError> {
    let ids = &question.correlation_ids;
    if IDS_MAX < ids.len() || ids.iter().any(|id| ID_BYTES_MAX < id.len()) {
        return Err(InvestigateError::Ids(ids.len()));
    }
    let Some(window) = question.time_window else {
        let spoken = instants::window(&question.query, now);
        let note = |window: &TimeWindow| format!("read as {} to {} (UTC)", window.from, window.to);
        return Ok((spoken, spoken.iter().map(note).collect()));
    };
    if window.to <= window.from {
        let problem = format!("ends at {}, not after its start {}; swap them", window.to, window.from);
        return Err(InvestigateError::Window(problem));
    }
    if WINDOW_MS_MAX < window.to.ms_since(window.from) {
        return Err(InvestigateError::Window("is longer than 31 days; ask about a shorter one".to_owned()));
    }
    Ok((Some(window), Vec::new()))
}

/// Resolves a question against what is known.
///
/// # Errors
/// The service that it names is unknown.
pub(crate) fn resolve(
    question: &Question,
    (window, mut notes): (Option<TimeWindow>, Vec<String>),
    known: &Known,
) -> Result<Resolved, InvestigateError> {
    let catalogue = || known.entities.iter().map(|row| &row.entity);
    let mut named = names::read(&question.query, catalogue());
    if let Some(service) = &question.service {
        let meant = of_service(service, known);
        if meant.is_empty() {
            let nearest = names::nearest(service, catalogue());
            return Err(InvestigateError::UnknownService { name: service.clone(), nearest });
        }
        named.entities.extend(meant);
    }
    named.events.extend(question.pivot_event_id);
    named.correlated.extend(question.correlation_ids.iter().map(|id| id.to_ascii_lowercase()));
    for event in &named.events {
        let episodes = known.episodes.iter().filter(|episode| episode.event_ids.contains(event));
        named.entities.extend(episodes.map(|episode| episode.entity.clone()));
    }
    let correlated = correlated(&named.correlated, known);
    named.entities.extend(correlated);
    for unknown in named.unknown.iter().take(UNKNOWN_MAX) {
        let nearest = names::nearest(unknown, catalogue());
        let hint = if nearest.is_empty() {
            String::new()
        } else {
            format!("; did you mean {}?", nearest.join(", "))
        };
        notes.push(format!("nothing is called {unknown:?}{hint}"));
    }
    let incidents = in_scope(&named.entities, &named.incidents, known);
    if !named.entities.is_empty()
        && !incidents.iter().any(|incident| touches(incident, &named.entities, known))
    {
        notes.push("no incident touches what is named; all incidents are shown".to_owned());
    }
    let scope = Scope {
        time_window: window,
        entities: named.entities.iter().map(ToString::to_string).collect(),
        incident_ids: incidents.iter().map(|incident| incident.incident_id).collect(),
        pivot_event_id: question.pivot_event_id,
        correlation_ids: question.correlation_ids.clone(),
        notes,
    };
    Ok(Resolved { entities: named.entities, incidents, scope })
}

/// Everything called by the name of a service, as `name` or `namespace/name`.
fn of_service(service: &str, known: &Known) -> BTreeSet<Entity> {
    let (namespace, name) = service.rsplit_once('/').map_or((None, service), |(a, b)| (Some(a), b));
    let meant = |entity: &&Entity| {
        entity.name.eq_ignore_ascii_case(name)
            && namespace.is_none_or(|namespace| entity.namespace == namespace)
            && names::speakable(entity)
    };
    known.entities.iter().map(|row| &row.entity).filter(meant).cloned().collect()
}

/// Entities of episodes whose events carry one of the ids; a commit may be cut short.
fn correlated(ids: &BTreeSet<String>, known: &Known) -> BTreeSet<Entity> {
    if ids.is_empty() {
        return BTreeSet::new();
    }
    let meant = |text: &Option<String>| {
        text.as_ref().is_some_and(|text| {
            let text = text.to_ascii_lowercase();
            ids.iter().any(|id| text == *id || (7 <= id.len() && text.starts_with(id.as_str())))
        })
    };
    let events = known.events.values().filter(|event| {
        let ids = &event.correlation_ids;
        meant(&ids.trace_id) || meant(&ids.commit) || meant(&ids.workflow)
    });
    let events: BTreeSet<_> = events.map(|event| event.event_id).collect();
    let episodes =
        known.episodes.iter().filter(|episode| episode.event_ids.iter().any(|id| events.contains(id)));
    episodes.map(|episode| episode.entity.clone()).collect()
}

/// Whether a root or a link of an incident is about one of the entities.
fn touches(incident: &IncidentRow, entities: &BTreeSet<Entity>, known: &Known) -> bool {
    let roots = incident.hypotheses.iter().map(|hypothesis| &hypothesis.root.entity);
    let chains = known.chains.get(&incident.incident_id).into_iter().flatten();
    let linked =
        chains.flat_map(|chain| &chain.links).flat_map(|link| [&link.cause.entity, &link.effect.entity]);
    roots.chain(linked).any(|entity| entities.contains(entity))
}

/// The incidents that are named; or those that touch the entities; or all when none does. Most pressing first.
fn in_scope(entities: &BTreeSet<Entity>, named: &BTreeSet<IncidentId>, known: &Known) -> Vec<IncidentRow> {
    let meant = |incident: &IncidentRow| {
        if named.is_empty() {
            touches(incident, entities, known)
        } else {
            named.contains(&incident.incident_id)
        }
    };
    let mut incidents: Vec<(bool, &IncidentRow)> =
        known.incidents.iter().map(|incident| (meant(incident), incident.as_ref())).collect();
    if incidents.iter().any(|(meant, _)| *meant) {
        incidents.retain(|(meant, _)| *meant);
    }
    incidents.sort_by_key(|(_, incident)| {
        let first = incident.hypotheses.first();
        // Confidence saturates: of two likely causes the one with more evidence presses more.
        let evidence = first.map_or(0, |first| first.evidence_milli);
        let weight = u64::from(evidence + 1) * (2 + u64::from(incident.episodes.min(20)));
        (std::cmp::Reverse(weight), std::cmp::Reverse(incident.last_at), incident.incident_id)
    });
    incidents.into_iter().map(|(_, incident)| incident.clone()).collect()
}
