//! One group: is it an incident, what does it look like, when must it be looked at again. Pure.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::catalogue::Class;
use schemas::envelope::Severity;
use schemas::ids::{EpisodeId, IncidentId, Tenant, hash64};
use schemas::time::EventTime;
use schemas::view::{AlertRow, AlertStatus, IncidentRow, IncidentStatus, LinkRow, Row};

use crate::operators::incidents::chains::chains;
use crate::operators::incidents::learned::Learned;
use crate::operators::incidents::rank::{Ranked, rank};
use crate::operators::links::ways::Ways;
use crate::rows::{Episode, Link};

/// The episodes and links of one tenant, and what it has learned.
#[derive(Debug, Default)]
pub(super) struct Neighborhood {
    pub(super) episodes: BTreeMap<EpisodeId, Arc<Episode>>,
    /// Links by effect, then cause.
    pub(super) causes: BTreeMap<EpisodeId, BTreeMap<EpisodeId, Kept>>,
    /// Effects by cause, with whether the link is the effect's best.
    pub(super) effects: BTreeMap<EpisodeId, BTreeMap<EpisodeId, bool>>,
    /// What people have taught.
    pub(super) learned: Learned,
}

/// A link, with its public row once that was asked for and as long as neither end changes.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) link: Link,
    row: OnceCell<Arc<LinkRow>>,
}

/// What a group comes to.
pub(super) struct Judgment {
    pub(super) rows: Vec<Row>,
    pub(super) wake: Option<EventTime>,
}

impl Neighborhood {
    /// Sets or removes an episode.
    pub(super) fn set(&mut self, id: EpisodeId, episode: Option<Arc<Episode>>) {
        let as_cause = self.effects.get(&id).into_iter().flat_map(BTreeMap::keys).map(|effect| (*effect, id));
        let as_effect = self.causes.get(&id).into_iter().flat_map(BTreeMap::keys).map(|cause| (id, *cause));
        for (effect, cause) in as_cause.chain(as_effect).collect::<Vec<_>>() {
            let kept = self.causes.get_mut(&effect).and_then(|causes| causes.get_mut(&cause));
            kept.into_iter().for_each(|kept| drop(kept.row.take()));
        }
        match episode {
            Some(episode) => drop(self.episodes.insert(id, episode)),
            None => drop(self.episodes.remove(&id)),
        }
    }

    /// Adds or removes a link.
    pub(super) fn change(&mut self, link: Link, present: bool) {
        let causes = self.causes.entry(link.effect).or_default();
        let effects = self.effects.entry(link.cause).or_default();
        if present {
            effects.insert(link.effect, link.best);
            causes.insert(link.cause, Kept { link, row: OnceCell::new() });
            return;
        }
        causes.remove(&link.cause);
        effects.remove(&link.effect);
        if causes.is_empty() {
            self.causes.remove(&link.effect);
        }
        if effects.is_empty() {
            self.effects.remove(&link.cause);
        }
    }

    /// The best link of an effect.
    pub(super) fn best(&self, effect: EpisodeId) -> Option<&Kept> {
        self.causes.get(&effect)?.values().find(|kept| kept.link.best)
    }

    /// All episodes connected with one by best links.
    pub(super) fn connected(&self, first: EpisodeId) -> BTreeSet<EpisodeId> {
        let mut members = BTreeSet::from([first]);
        let mut open = vec![first];
        while let Some(id) = open.pop() {
            let cause = self.best(id).map(|kept| kept.link.cause);
            let effects = self.effects.get(&id).into_iter().flatten();
            let effects = effects.filter(|(_, best)| **best).map(|(effect, _)| *effect);
            for next in cause.into_iter().chain(effects) {
                if members.insert(next) {
                    open.push(next);
                }
            }
        }
        members
    }
}

/// Whether an episode is trouble by itself.
fn grave(episode: &Episode) -> bool {
    match episode.row.class {
        Class::Alert => Severity::Warning <= episode.row.severity,
        Class::Symptom | Class::State | Class::Anomaly => Severity::Error <= episode.row.severity,
        Class::Change | Class::Context => false,
    }
}

/// Judges one group as of `now`.
pub(super) fn judge(
    tenant: Tenant,
    hood: &Neighborhood,
    ways: &Ways,
    members: &BTreeSet<EpisodeId>,
    now: EventTime,
    quiet_ms: i64,
) -> Judgment {
    let episodes = members.iter().filter_map(|id| hood.episodes.get(id));
    let episodes: Vec<&Episode> = episodes.map(AsRef::as_ref).collect();
    let mut rows = link_rows(hood, ways, &episodes);
    let mut graves: Vec<&Episode> = episodes.iter().copied().filter(|episode| grave(episode)).collect();
    graves.sort_by_key(|episode| (episode.anchor.seq, episode.row.episode_id));
    let Some(first) = graves.first() else { return Judgment { rows, wake: None } };

    let incident_id = identity(tenant, first);
    let ranked = rank(hood, ways, members, &episodes);
    let (status, wake) = status(&graves, now, quiet_ms);
    let incident = incident(incident_id, status, &episodes, &graves, &ranked);
    rows.extend(alert(&incident, first, &graves).map(Row::from));
    rows.extend(chains(hood, ways, members, &graves, &ranked, incident_id).into_iter().map(Row::from));
    rows.push(incident.into());
    Judgment { rows, wake }
}

fn identity(tenant: Tenant, first: &Episode) -> IncidentId {
    IncidentId(hash64(&[&tenant.0.to_le_bytes(), &first.row.episode_id.0.to_le_bytes()]))
}

/// Open while a grave episode stands or was seen lately; otherwise resolved. The time is that of the next change.
fn status(graves: &[&Episode], now: EventTime, quiet_ms: i64) -> (IncidentStatus, Option<EventTime>) {
    let open = graves.iter().filter(|episode| episode.row.ended.is_none());
    if open.clone().any(|episode| episode.standing) {
        return (IncidentStatus::Open, None);
    }
    let silent_at = open.map(|episode| episode.row.last.plus_ms(quiet_ms)).max();
    match silent_at.filter(|at| now < *at) {
        Some(at) => (IncidentStatus::Open, Some(at)),
        None => (IncidentStatus::Resolved, None),
    }
}

fn incident(
    incident_id: IncidentId,
    status: IncidentStatus,
    episodes: &[&Episode],
    graves: &[&Episode],
    ranked: &Ranked,
) -> IncidentRow {
    let hypotheses = ranked.hypotheses.clone();
    let title = hypotheses.first().map_or_else(String::new, |first| {
        format!("{} on {}", first.root.kind.spec().title, first.root.entity)
    });
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let alerts = episodes.iter().filter(|episode| episode.row.class == Class::Alert);
    IncidentRow {
        incident_id,
        status,
        severity: graves.iter().map(|episode| episode.row.severity).max().unwrap_or(Severity::Info),
        title,
        started_at: graves.iter().map(|episode| episode.row.onset).min().unwrap_or_default(),
        last_at: episodes.iter().map(|episode| episode.row.last).max().unwrap_or_default(),
        episodes: count(episodes.len()),
        alerts: count(alerts.count()),
        hypotheses,
    }
}

fn alert(incident: &IncidentRow, first: &Episode, graves: &[&Episode]) -> Option<AlertRow> {
    let monitored = graves.iter().any(|episode| episode.row.class == Class::Alert);
    let critical = graves.iter().any(|episode| episode.row.severity == Severity::Critical);
    (monitored || critical || 2 <= graves.len()).then(|| AlertRow {
        incident_id: incident.incident_id,
        status: match incident.status {
            IncidentStatus::Open => AlertStatus::Firing,
            IncidentStatus::Resolved => AlertStatus::Resolved,
        },
        severity: incident.severity,
        raised_at: first.row.onset,
        raised_by: first.anchor.event,
        title: incident.title.clone(),
    })
}

fn link_rows(hood: &Neighborhood, ways: &Ways, episodes: &[&Episode]) -> Vec<Row> {
    let kept = episodes
        .iter()
        .filter_map(|episode| hood.causes.get(&episode.row.episode_id))
        .flat_map(BTreeMap::values);
    kept.filter_map(|kept| kept.row(hood, ways)).map(Row::Link).collect()
}

impl Kept {
    /// The public row. Both ends are there whenever the link is: they come from the same epoch.
    pub(super) fn row(&self, hood: &Neighborhood, ways: &Ways) -> Option<Arc<LinkRow>> {
        if let Some(row) = self.row.get() {
            return Some(Arc::clone(row));
        }
        let (link, rule) = (&self.link, ways.rule(self.link.rule));
        let row = Arc::new(LinkRow {
            cause: Arc::clone(&hood.episodes.get(&link.cause)?.row),
            effect: Arc::clone(&hood.episodes.get(&link.effect)?.row),
            rule: rule.id.clone(),
            rule_version: rule.version,
            relation: ways.text(link.way).to_owned(),
            lag_ms: link.lag_ms,
            strength: link.strength,
            best: link.best,
        });
        Some(Arc::clone(self.row.get_or_init(|| row)))
    }
}
