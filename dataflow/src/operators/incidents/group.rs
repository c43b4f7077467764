//! One group: is it an incident, what does it look like, when must it be looked at again. Pure.

use schemas::catalogue::Class;
use schemas::envelope::Severity;
use schemas::ids::{EpisodeId, IncidentId, Tenant, hash64};
use schemas::time::EventTime;
use schemas::view::{AlertRow, AlertStatus, EpisodeRow, IncidentRow, IncidentStatus, Row, ViewName};

use crate::operators::incidents::chains::chains;
use crate::operators::incidents::first::{First, Heirs};
use crate::operators::incidents::neighborhood::{EpisodeNumber, GroupNumber, Kept, Neighborhood};
use crate::operators::incidents::rank::{Ranked, rank};
use crate::operators::links::ways::Ways;
use crate::rows::Episode;

/// What tells rows of groups apart, before they are compared in full: incident and view, and of chains the rank and symptom.
pub(super) type Name = (IncidentId, ViewName, u32, EpisodeId);

/// What a group comes to.
#[derive(Default)]
pub(super) struct Judgment {
    pub(super) rows: Vec<(Name, Row)>,
    pub(super) wake: Option<EventTime>,
    /// What it is known by, if it is an incident.
    pub(super) known: Option<First>,
}

/// A group whose rows are to be made.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) hood: &'a Neighborhood,
    pub(super) number: GroupNumber,
    /// By their places; at least one.
    pub(super) members: &'a [EpisodeNumber],
}

impl<'a> Group<'a> {
    /// The place of an episode among the members, if it is one.
    pub(super) fn place(&self, number: EpisodeNumber) -> Option<usize> {
        self.hood[number].place_in(self.number).map(|place| place as usize)
    }

    /// The episode of a member.
    pub(super) fn episode(&self, member: EpisodeNumber) -> &'a Episode {
        match self.hood[member].episode() {
            Some(episode) => episode,
            None => panic!("a group has a member without an episode"),
        }
    }

    /// The episodes of the members, by their places.
    pub(super) fn episodes(self) -> impl Iterator<Item = &'a Episode> {
        self.members.iter().map(move |member| self.episode(*member))
    }

    /// The best link of a member, if its cause is one.
    pub(super) fn best(&self, member: EpisodeNumber) -> Option<&'a Kept> {
        self.hood[member].best().filter(|kept| self.place(kept.cause).is_some())
    }
}

/// A member that is trouble by itself.
pub(super) type Grave<'a> = (&'a Episode, EpisodeNumber);

/// Whether an episode is trouble by itself.
pub(super) fn grave(episode: &Episode) -> bool {
    match episode.row.class {
        Class::Alert => Severity::Warning <= episode.row.severity,
        Class::Symptom | Class::State | Class::Anomaly => Severity::Error <= episode.row.severity,
        Class::Change | Class::Context => false,
    }
}

/// Judges one group as of `now`.
pub(super) fn judge(
    tenant: Tenant,
    (group, heirs): (Group<'_>, &Heirs),
    ways: &Ways,
    now: EventTime,
    quiet_ms: i64,
) -> Judgment {
    let mut graves: Vec<Grave<'_>> =
        group.episodes().zip(group.members.iter().copied()).filter(|(episode, _)| grave(episode)).collect();
    graves.sort_by_key(|(episode, _)| First::of(episode));
    let Some((first, _)) = graves.first().copied() else { return Judgment::default() };

    let own = First::of(first);
    let inherited = graves.iter().filter_map(|(_, member)| heirs.get(member)).min();
    let known = inherited.map_or(own, |inherited| own.min(*inherited));
    let incident_id = identity(tenant, known);
    let ranked = rank(group, ways);
    let (status, wake) = status(&graves, now, quiet_ms);
    let incident = incident(incident_id, status, group, &graves, &ranked);
    let mut rows: Vec<(Name, Row)> = Vec::new();
    let alert = alert(&incident, first, &graves).map(Row::from);
    rows.extend(alert.map(|row| ((incident_id, ViewName::Alerts, 0, EpisodeId(0)), row)));
    for chain in chains(group, &graves, &ranked, incident_id) {
        rows.push(((incident_id, ViewName::Chains, chain.rank, chain.symptom.episode_id), chain.into()));
    }
    rows.push(((incident_id, ViewName::Incidents, 0, EpisodeId(0)), incident.into()));
    Judgment { rows, wake, known: Some(known) }
}

fn identity(tenant: Tenant, first: First) -> IncidentId {
    IncidentId(hash64(&[&tenant.0.to_le_bytes(), &first.episode.0.to_le_bytes()]))
}

/// Open while a grave episode stands or was seen lately; otherwise resolved. The time is that of the next change.
fn status(graves: &[Grave<'_>], now: EventTime, quiet_ms: i64) -> (IncidentStatus, Option<EventTime>) {
    let open = graves.iter().map(|(episode, _)| episode).filter(|episode| episode.row.ended.is_none());
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
    group: Group<'_>,
    graves: &[Grave<'_>],
    ranked: &Ranked<'_>,
) -> IncidentRow {
    let hypotheses = ranked.hypotheses.clone();
    let title = hypotheses.first().map_or_else(String::new, |first| title(&first.root));
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let alerts = group.episodes().filter(|episode| episode.row.class == Class::Alert);
    let rows = || graves.iter().map(|(episode, _)| &episode.row);
    IncidentRow {
        incident_id,
        status,
        severity: rows().map(|row| row.severity).max().unwrap_or(Severity::Info),
        title,
        started_at: rows().map(|row| row.onset).min().unwrap_or_default(),
        last_at: group.episodes().map(|episode| episode.row.last).max().unwrap_or_default(),
        episodes: count(group.members.len()),
        alerts: count(alerts.count()),
        hypotheses,
    }
}

/// What is wrong, in one sentence.
fn title(root: &EpisodeRow) -> String {
    // In one go: every change of an incident makes its title.
    let [kind, slash, cluster, colon, namespace, end, name] = root.entity.pieces();
    [&root.kind.spec().title, " on ", kind, slash, cluster, colon, namespace, end, name].concat()
}

fn alert(incident: &IncidentRow, first: &Episode, graves: &[Grave<'_>]) -> Option<AlertRow> {
    let monitored = graves.iter().any(|(episode, _)| episode.row.class == Class::Alert);
    let critical = graves.iter().any(|(episode, _)| episode.row.severity == Severity::Critical);
    // Not its anchor, which need not be live any more.
    let Some(raised_by) = first.row.event_ids.first() else { panic!("an episode cites an event") };
    (monitored || critical || 2 <= graves.len()).then(|| AlertRow {
        incident_id: incident.incident_id,
        status: match incident.status {
            IncidentStatus::Open => AlertStatus::Firing,
            IncidentStatus::Resolved => AlertStatus::Resolved,
        },
        severity: incident.severity,
        raised_at: first.row.onset,
        raised_by: *raised_by,
        title: incident.title.clone(),
    })
}
