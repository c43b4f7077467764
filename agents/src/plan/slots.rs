//! The values that parameters of tools may take: names and times out of the scope, nothing else. Pure.
//!
//! An agent's calls are fixed from these before anything from outside is read. No text of an event, a log line or a
//! model is ever a value.

use std::collections::BTreeMap;

use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::state::Repository;
use schemas::time::EventTime;
use schemas::view::{EpisodeRow, IncidentRow};

use crate::evidence::Known;
use crate::scope::Resolved;

/// Tools look so far before the first symptom.
const BEFORE_MS: i64 = 30 * 60_000;
/// And so far after the last.
const AFTER_MS: i64 = 5 * 60_000;
/// A scope without an incident and without a window is looked at so far back.
const RECENT_MS: i64 = 3_600_000;

/// Values by the name of what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots {
    values: BTreeMap<&'static str, String>,
}

/// Names of parameters, and what each is filled with.
const PARAMETERS: [(&str, &str); 31] = [
    ("service", "service"),
    ("service_name", "service"),
    ("app", "service"),
    ("namespace", "namespace"),
    ("ns", "namespace"),
    ("pod", "pod"),
    ("pod_name", "pod"),
    ("workload", "workload"),
    ("deployment", "workload"),
    ("node", "node"),
    ("repository", "repository"),
    ("repo", "repository"),
    ("commit", "commit"),
    ("sha", "commit"),
    ("head_sha", "commit"),
    ("head", "commit"),
    ("base", "commit before"),
    ("workflow", "workflow"),
    ("name", "workflow"),
    ("entity", "entity"),
    ("incident_id", "incident"),
    ("from", "from"),
    ("start", "from"),
    ("start_time", "from"),
    ("since", "from"),
    ("after", "onset"),
    ("to", "to"),
    ("end", "to"),
    ("end_time", "to"),
    ("until", "to"),
    ("at", "onset"),
];

impl Slots {
    /// What the scope offers.
    pub(crate) fn of(resolved: &Resolved, known: &Known, repositories: &[Repository]) -> Self {
        let mut slots = Slots::default();
        let incident = resolved.incidents.first();
        let around = focus(resolved, known, incident);
        // What trouble spreads from comes before what was named; without a cause, what was named.
        let root = incident.and_then(|incident| incident.hypotheses.first()).map(|first| &*first.root.entity);
        if let Some(entity) = root.or(around.first().copied()) {
            slots.values.insert("entity", entity.to_string());
        }
        if let Some(incident) = incident {
            slots.values.insert("incident", incident.incident_id.to_string());
        }
        for entity in around {
            slots.take(entity);
        }
        slots.commit_before(known);
        slots.times(resolved, known, incident);
        if !slots.values.contains_key("repository") {
            let of_service = |repository: &&Repository| {
                let service = slots.values.get("service").or_else(|| slots.values.get("workload"));
                let full =
                    slots.values.get("namespace").zip(service).map(|(at, name)| format!("{at}/{name}"));
                Some(&repository.service) == service || Some(&repository.service) == full.as_ref()
            };
            if let Some(found) = repositories.iter().find(of_service) {
                slots.values.insert("repository", found.repository.clone());
            }
        }
        slots
    }

    /// Whether a parameter is one that the scope can fill.
    pub(crate) fn knows(parameter: &str) -> bool {
        PARAMETERS.iter().any(|(name, _)| *name == parameter)
    }

    /// What a parameter is filled with.
    pub(crate) fn value(&self, parameter: &str) -> Option<&str> {
        let (_, slot) = PARAMETERS.iter().find(|(name, _)| *name == parameter)?;
        self.values.get(slot).map(String::as_str)
    }

    /// A service whose repository could be looked up, by `name` and `namespace/name`.
    pub(crate) fn services(resolved: &Resolved, known: &Known) -> Vec<String> {
        let mut names = Vec::new();
        for entity in focus(resolved, known, resolved.incidents.first()) {
            let workload =
                matches!(entity.kind, EntityKind::Service | EntityKind::Deployment | EntityKind::StatefulSet);
            if workload {
                names.push(format!("{}/{}", entity.namespace, entity.name));
                names.push(entity.name.clone());
            }
        }
        names.dedup();
        names.truncate(8);
        names
    }

    /// The first of each sort counts.
    fn take(&mut self, entity: &Entity) {
        use EntityKind as K;
        let mut put = |slot: &'static str, value: &str| {
            if !value.is_empty() {
                self.values.entry(slot).or_insert_with(|| value.to_owned());
            }
        };
        match entity.kind {
            K::Service => put("service", &entity.name),
            K::Deployment | K::StatefulSet | K::DaemonSet | K::Rollout | K::Job | K::CronJob => {
                put("workload", &entity.name);
            }
            K::Pod => put("pod", &entity.name),
            K::Node => put("node", &entity.name),
            K::Commit => put("commit", &entity.name),
            K::Repository => put("repository", &entity.name),
            K::PullRequest => put("repository", entity.name.split('#').next().unwrap_or_default()),
            K::PipelineRun => match entity.name.split_once('#') {
                Some((repository, _)) => put("repository", repository),
                None => put("workflow", &entity.name),
            },
            _ => {}
        }
        put("namespace", &entity.namespace);
    }

    /// The commit that the same thing was deployed from before.
    fn commit_before(&mut self, known: &Known) {
        let Some(commit) = self.values.get("commit") else { return };
        let deployed = known
            .relations
            .iter()
            .filter(|row| row.relation == RelationKind::Deploys && row.from.kind == EntityKind::Commit);
        let latest = deployed.clone().filter(|row| row.from.name == *commit).max_by_key(|row| row.valid_from);
        let Some(latest) = latest else { return };
        let before = deployed
            .filter(|row| {
                row.to == latest.to && row.valid_from < latest.valid_from && row.from != latest.from
            })
            .max_by_key(|row| row.valid_from);
        if let Some(before) = before {
            self.values.insert("commit before", before.from.name.clone());
        }
    }

    fn times(&mut self, resolved: &Resolved, known: &Known, incident: Option<&IncidentRow>) {
        let now = known.as_of.event_time;
        let (from, to) = match (incident, resolved.scope.time_window) {
            (Some(incident), _) => {
                let first = incident.hypotheses.first().map_or(incident.started_at, |first| first.root.onset);
                (first.min(incident.started_at).plus_ms(-BEFORE_MS), incident.last_at.plus_ms(AFTER_MS))
            }
            (None, Some(window)) => (window.from, window.to),
            (None, None) => (now.plus_ms(-RECENT_MS), now),
        };
        let onset =
            incident.and_then(|incident| incident.hypotheses.first()).map_or(from, |first| first.root.onset);
        for (slot, at) in [("from", from), ("to", to), ("onset", onset)] {
            self.values.insert(slot, EventTime::to_string(&at));
        }
    }
}

/// Entities in the order in which they are worth a look: named ones, the root, the chain from its far end, the repository
/// of a commit.
fn focus<'a>(resolved: &'a Resolved, known: &'a Known, incident: Option<&'a IncidentRow>) -> Vec<&'a Entity> {
    let mut found: Vec<&Entity> = Vec::new();
    found.extend(&resolved.entities);
    let Some(incident) = incident else { return found };
    let root: Option<&EpisodeRow> = incident.hypotheses.first().map(|first| first.root.as_ref());
    found.extend(root.map(|root| &*root.entity));
    let chains = known.chains.get(&incident.incident_id).into_iter().flatten();
    let first: Vec<_> = chains.filter(|chain| chain.rank == 1).collect();
    found.extend(first.iter().map(|chain| &*chain.symptom.entity));
    found.extend(first.iter().flat_map(|chain| chain.links.iter().rev()).map(|link| &*link.effect.entity));
    let near = |entity: &Entity| found.contains(&entity);
    let sources = known.relations.iter().filter(|relation| {
        matches!(relation.to.kind, EntityKind::Repository | EntityKind::Commit | EntityKind::Service)
            || matches!(relation.from.kind, EntityKind::Repository | EntityKind::Commit | EntityKind::Service)
    });
    let beside: Vec<&Entity> = sources
        .filter_map(|relation| match (near(&relation.from), near(&relation.to)) {
            (true, false) => Some(&*relation.to),
            (false, true) => Some(&*relation.from),
            _ => None,
        })
        .take(50)
        .collect();
    found.extend(beside);
    found
}

#[cfg(test)]
impl Slots {
    /// Slots as a test has them.
    pub(crate) fn from_pairs(pairs: &[(&'static str, &str)]) -> Self {
        Slots { values: pairs.iter().map(|(slot, value)| (*slot, (*value).to_owned())).collect() }
    }
}
