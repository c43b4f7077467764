//! One group: is it an incident, what does it look like, when must it be looked at again. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::catalogue::Class;
use schemas::envelope::Severity;
use schemas::ids::{EpisodeId, IncidentId, Tenant, hash64};
use schemas::time::{Diff, EventTime};
use schemas::view::{AlertRow, AlertStatus, IncidentRow, IncidentStatus, LinkRow, Row, ViewName};

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
    /// Links by effect and cause that are without a public row, since they are new or one end is.
    fresh: BTreeSet<(EpisodeId, EpisodeId)>,
}

/// A link with its public row, which no group has a say in.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) link: Link,
    /// `None` only while an epoch's changes are applied.
    pub(super) row: Option<Arc<LinkRow>>,
}

/// What tells the rows of one group apart, before they are compared in full: their view, and of chains the rank and symptom.
pub(super) type Name = (ViewName, u32, EpisodeId);

/// What a group comes to.
#[derive(Default)]
pub(super) struct Judgment {
    pub(super) rows: Vec<(Name, Row)>,
    pub(super) wake: Option<EventTime>,
}

impl Neighborhood {
    /// Sets or removes an episode; takes back the rows that show it.
    pub(super) fn set(
        &mut self,
        id: EpisodeId,
        episode: Option<Arc<Episode>>,
        emit: &mut impl FnMut(Arc<LinkRow>, Diff),
    ) {
        let as_cause = self.effects.get(&id).into_iter().flat_map(BTreeMap::keys).map(|effect| (*effect, id));
        let as_effect = self.causes.get(&id).into_iter().flat_map(BTreeMap::keys).map(|cause| (id, *cause));
        for (effect, cause) in as_cause.chain(as_effect).collect::<Vec<_>>() {
            let kept = self.causes.get_mut(&effect).and_then(|causes| causes.get_mut(&cause));
            if let Some(row) = kept.and_then(|kept| kept.row.take()) {
                emit(row, -1);
            }
            self.fresh.insert((effect, cause));
        }
        match episode {
            Some(episode) => drop(self.episodes.insert(id, episode)),
            None => drop(self.episodes.remove(&id)),
        }
    }

    /// Adds or removes a link; takes back the row of one that goes.
    pub(super) fn change(&mut self, link: Link, present: bool, emit: &mut impl FnMut(Arc<LinkRow>, Diff)) {
        let causes = self.causes.entry(link.effect).or_default();
        let effects = self.effects.entry(link.cause).or_default();
        if present {
            effects.insert(link.effect, link.best);
            self.fresh.insert((link.effect, link.cause));
            causes.insert(link.cause, Kept { link, row: None });
            return;
        }
        if let Some(row) = causes.remove(&link.cause).and_then(|kept| kept.row) {
            emit(row, -1);
        }
        effects.remove(&link.effect);
        if causes.is_empty() {
            self.causes.remove(&link.effect);
        }
        if effects.is_empty() {
            self.effects.remove(&link.cause);
        }
    }

    /// Makes the rows that are missing, once all changes of an epoch are applied.
    pub(super) fn show(&mut self, ways: &Ways, emit: &mut impl FnMut(Arc<LinkRow>, Diff)) {
        for (effect, cause) in std::mem::take(&mut self.fresh) {
            let kept = self.causes.get_mut(&effect).and_then(|causes| causes.get_mut(&cause));
            let Some(kept) = kept else { continue };
            kept.row = link_row(&kept.link, &self.episodes, ways);
            kept.row.iter().for_each(|row| emit(Arc::clone(row), 1));
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
    let mut graves: Vec<&Episode> = episodes.iter().copied().filter(|episode| grave(episode)).collect();
    graves.sort_by_key(|episode| (episode.anchor.seq, episode.row.episode_id));
    let Some(first) = graves.first() else { return Judgment::default() };

    let incident_id = identity(tenant, first);
    let ranked = rank(hood, ways, members, &episodes);
    let (status, wake) = status(&graves, now, quiet_ms);
    let incident = incident(incident_id, status, &episodes, &graves, &ranked);
    let mut rows: Vec<(Name, Row)> = Vec::new();
    let alert = alert(&incident, first, &graves).map(Row::from);
    rows.extend(alert.map(|row| ((ViewName::Alerts, 0, EpisodeId(0)), row)));
    for chain in chains(hood, members, &graves, &ranked, incident_id) {
        rows.push(((ViewName::Chains, chain.rank, chain.symptom.episode_id), chain.into()));
    }
    rows.push(((ViewName::Incidents, 0, EpisodeId(0)), incident.into()));
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

/// The public row of a link. Both ends are there whenever the link is: they come from the same epoch.
fn link_row(link: &Link, episodes: &BTreeMap<EpisodeId, Arc<Episode>>, ways: &Ways) -> Option<Arc<LinkRow>> {
    let rule = ways.rule(link.rule);
    Some(Arc::new(LinkRow {
        cause: Arc::clone(&episodes.get(&link.cause)?.row),
        effect: Arc::clone(&episodes.get(&link.effect)?.row),
        rule: rule.id.clone(),
        rule_version: rule.version,
        relation: ways.text(link.way).to_owned(),
        lag_ms: link.lag_ms,
        strength: link.strength,
        best: link.best,
    }))
}
