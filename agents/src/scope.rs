//! What a question means: which stretch of time, which entities, which incidents. Pure but for what was read before.

mod instants;
mod names;

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::answer::{Question, Scope, TimeWindow};
use schemas::entity::Entity;
use schemas::ids::EventId;
use schemas::time::EventTime;
use schemas::view::{EntityRow, EpisodeRow, EventRow, IncidentRow, IndexKey, Shared};

use crate::error::{ID_BYTES_MAX, IDS_MAX, InvestigateError};
use crate::evidence::Found;

pub(crate) use names::Named;

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

/// What entities are indexed by that a question may name.
pub(crate) fn index_keys(question: &Question) -> BTreeSet<IndexKey> {
    let service = question.service.iter().map(|service| IndexKey::name(place_and_name(service).1));
    names::index_keys(&question.query).into_iter().chain(service).collect()
}

/// What a question names, of the entities with those index keys.
pub(crate) fn name(question: &Question, entities: &[Arc<EntityRow>]) -> Named {
    let catalogue = || entities.iter().map(|row| &*row.entity);
    let mut named = names::read(&question.query, catalogue());
    if let Some(service) = &question.service {
        named.entities.extend(of_service(service, catalogue()));
    }
    named.events.extend(question.pivot_event_id);
    named.correlated.extend(question.correlation_ids.iter().map(|id| id.to_ascii_lowercase()));
    named
}

/// Whether a question asks for a service that is none of those with its index keys.
pub(crate) fn lacks_service(question: &Question, entities: &[Arc<EntityRow>]) -> bool {
    let found = |service: &String| !of_service(service, entities.iter().map(|row| &*row.entity)).is_empty();
    question.service.as_ref().is_some_and(|service| !found(service))
}

/// What there is instead of a service that is unknown.
pub(crate) fn unknown_service(question: &Question, services: &[Arc<EntityRow>]) -> InvestigateError {
    let name = question.service.clone().unwrap_or_default();
    let nearest = names::nearest(&name, services.iter().map(|row| &*row.entity));
    InvestigateError::UnknownService { name, nearest }
}

/// A note on each word that looks like a name and names nothing.
pub(crate) fn unknown_words(named: &Named, services: &[Arc<EntityRow>]) -> Vec<String> {
    let note = |unknown: &String| {
        let nearest = names::nearest(unknown, services.iter().map(|row| &*row.entity));
        let hint = match nearest.as_slice() {
            [] => String::new(),
            nearest => format!("; did you mean {}?", nearest.join(", ")),
        };
        format!("nothing is called {unknown:?}{hint}")
    };
    named.unknown.iter().take(UNKNOWN_MAX).map(note).collect()
}

/// Entities of the episodes whose events are named, or carry one of the ids that are.
pub(crate) fn of_ids(
    named: &Named,
    episodes: &[Shared<EpisodeRow>],
    events: &[Arc<EventRow>],
) -> BTreeSet<Entity> {
    let mut meant = correlated(&named.correlated, events);
    meant.extend(&named.events);
    let proven = episodes.iter().filter(|episode| episode.event_ids.iter().any(|id| meant.contains(id)));
    proven.map(|episode| Entity::clone(&episode.entity)).collect()
}

/// Resolves a question that names something, and may be about some incidents.
pub(crate) fn resolve(
    question: &Question,
    (window, mut notes): (Option<TimeWindow>, Vec<String>),
    named: Named,
    found: Found,
) -> Resolved {
    let Found { incidents, touching } = found;
    let touched = incidents.iter().any(|incident| touching.contains(&incident.incident_id));
    if !named.entities.is_empty() && !touched {
        notes.push("no incident touches what is named; all incidents are shown".to_owned());
    }
    let incidents = pressing_first(&incidents);
    let scope = Scope {
        time_window: window,
        entities: named.entities.iter().map(ToString::to_string).collect(),
        incident_ids: incidents.iter().map(|incident| incident.incident_id).collect(),
        pivot_event_id: question.pivot_event_id,
        correlation_ids: question.correlation_ids.clone(),
        notes,
    };
    Resolved { entities: named.entities, incidents, scope }
}

/// A service as `name` or `namespace/name`.
fn place_and_name(service: &str) -> (Option<&str>, &str) {
    service.rsplit_once('/').map_or((None, service), |(namespace, name)| (Some(namespace), name))
}

/// Everything called by the name of a service.
fn of_service<'a>(service: &str, entities: impl Iterator<Item = &'a Entity>) -> BTreeSet<Entity> {
    let (namespace, name) = place_and_name(service);
    let meant = |entity: &&Entity| {
        entity.name.eq_ignore_ascii_case(name)
            && namespace.is_none_or(|namespace| entity.namespace == namespace)
            && names::speakable(entity)
    };
    entities.filter(meant).cloned().collect()
}

/// Events that carry one of the ids; a commit may be cut short.
fn correlated(ids: &BTreeSet<String>, events: &[Arc<EventRow>]) -> BTreeSet<EventId> {
    let meant = |text: &Option<String>| {
        text.as_ref().is_some_and(|text| {
            let text = text.to_ascii_lowercase();
            ids.iter().any(|id| text == *id || (7 <= id.len() && text.starts_with(id.as_str())))
        })
    };
    let carries = |event: &&Arc<EventRow>| {
        let ids = &event.correlation_ids;
        meant(&ids.trace_id) || meant(&ids.commit) || meant(&ids.workflow)
    };
    events.iter().filter(carries).map(|event| event.event_id).collect()
}

/// Incidents, most pressing first.
fn pressing_first(incidents: &[Arc<IncidentRow>]) -> Vec<IncidentRow> {
    let mut incidents: Vec<&IncidentRow> = incidents.iter().map(Arc::as_ref).collect();
    incidents.sort_by_key(|incident| {
        let first = incident.hypotheses.first();
        // Confidence saturates: of two likely causes the one with more evidence presses more.
        let evidence = first.map_or(0, |first| first.evidence_milli);
        let weight = u64::from(evidence + 1) * (2 + u64::from(incident.episodes.min(20)));
        (std::cmp::Reverse(weight), std::cmp::Reverse(incident.last_at), incident.incident_id)
    });
    incidents.into_iter().cloned().collect()
}
