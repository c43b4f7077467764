//! What an engine has concluded over a history: each incident as it stood when it was largest.
//!
//! A row that leaves because its events are older than the horizon stays known. A row that leaves earlier was taken
//! back, or its incident became part of another: it is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::feed::EpochChanges;
use schemas::ids::{EpisodeId, IncidentId, TenantId};
use schemas::time::EventTime;
use schemas::view::{AlertRow, IncidentRow, LinkRow, Row, Shared};

/// The conclusions of one tenant.
#[derive(Debug)]
pub struct Seen {
    tenant: TenantId,
    horizon_ms: i64,
    /// Incidents.
    pub incidents: BTreeMap<IncidentId, Arc<IncidentRow>>,
    /// Alerts.
    pub alerts: BTreeMap<IncidentId, Arc<AlertRow>>,
    /// Links, by effect and cause.
    pub links: BTreeMap<(EpisodeId, EpisodeId), Shared<LinkRow>>,
}

impl Seen {
    /// Nothing yet.
    pub fn new(tenant: TenantId, horizon_ms: i64) -> Seen {
        let (incidents, alerts, links) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Seen { tenant, horizon_ms, incidents, alerts, links }
    }

    /// Takes in what an epoch changed.
    pub fn apply(&mut self, epoch: &EpochChanges) {
        let oldest = epoch.now.plus_ms(-self.horizon_ms);
        for change in epoch.changes.iter() {
            if change.tenant != self.tenant {
                continue;
            }
            match &change.row {
                Row::Incident(row) => self.incident(row, change.live, oldest),
                Row::Alert(row) if change.live => {
                    self.alerts.insert(row.incident_id, Arc::clone(row));
                }
                Row::Alert(row) if oldest < row.raised_at => {
                    self.alerts.remove(&row.incident_id);
                }
                Row::Link(row) => self.link(row, change.live, oldest),
                _ => {}
            }
        }
    }

    fn incident(&mut self, row: &Arc<IncidentRow>, live: bool, oldest: EventTime) {
        let id = row.incident_id;
        if !live {
            if oldest < row.started_at {
                self.incidents.remove(&id);
            }
            return;
        }
        // While nothing of it has expired it is as it is, smaller or not.
        let larger = self.incidents.get(&id).is_none_or(|known| known.episodes <= row.episodes);
        if larger || oldest < row.started_at {
            self.incidents.insert(id, Arc::clone(row));
        }
    }

    fn link(&mut self, row: &Shared<LinkRow>, live: bool, oldest: EventTime) {
        let ends = (row.effect.episode_id, row.cause.episode_id);
        if live {
            self.links.insert(ends, row.clone());
        } else if oldest < row.cause.last.min(row.effect.last) {
            self.links.remove(&ends);
        }
    }

    /// The incident that an episode belongs to: that of the first hypotheses whose roots best links connect it with.
    pub fn incident_with(&self, episode: EpisodeId) -> Option<IncidentId> {
        let mut beside: BTreeMap<EpisodeId, Vec<EpisodeId>> = BTreeMap::new();
        for ((effect, cause), _) in self.links.iter().filter(|(_, link)| link.best) {
            beside.entry(*effect).or_default().push(*cause);
            beside.entry(*cause).or_default().push(*effect);
        }
        let mut members = BTreeSet::from([episode]);
        let mut open = vec![episode];
        while let Some(next) = open.pop() {
            let others = beside.get(&next).into_iter().flatten();
            open.extend(others.filter(|other| members.insert(**other)));
        }
        let has = |row: &&Arc<IncidentRow>| {
            row.hypotheses.iter().any(|hypothesis| members.contains(&hypothesis.root.episode_id))
        };
        self.incidents.values().find(has).map(|row| row.incident_id)
    }
}
