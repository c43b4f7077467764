//! The alerts of a tenant, followed: each is investigated without anybody asking, and what is over is remembered.
//!
//! One root is one alert, and one alert is one investigation for each cause that it names: a storm of symptoms changes
//! neither. While one investigation is under way, the changes that arrive meanwhile are taken together. What was
//! investigated before the process began is not investigated again. A live incident that goes the way of past ones is told
//! of before it is at their end.

mod patterns;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use schemas::answer::Question;
use schemas::ids::{IncidentId, TenantId};
use schemas::read::{Changes, Filter, Query, ReadError, ViewReader};
use schemas::state::{Case, Part, ProductState, StateRequest};
use schemas::view::{AlertRow, AlertStatus, Row, ViewName};

use crate::desk::Desk;
use crate::error::InvestigateError;
use crate::memory;
use patterns::{Patterns, Went};

/// Alerts whose causes are remembered; of more, the oldest incidents are forgotten.
const REMEMBERED_MAX: usize = 10_000;
/// Investigations of before that are looked at.
const BEFORE_MAX: usize = 500;
/// When as many are under way as may be, an alert waits so long.
const WAIT: Duration = Duration::from_secs(1);

/// What a tenant's alerts have come to so far.
struct Following {
    desk: Desk,
    reader: ViewReader,
    state: ProductState,
    tenant: TenantId,
    /// Causes that were investigated, by incident.
    seen: BTreeMap<IncidentId, BTreeSet<String>>,
    /// Incidents that were investigated before the process began.
    before: BTreeSet<IncidentId>,
    /// Ways that past incidents went.
    patterns: Patterns,
}

/// Follows the alerts of one tenant until the engine stops.
///
/// # Errors
/// The engine has stopped, or does not know the tenant.
pub async fn follow(
    desk: Desk,
    reader: ViewReader,
    state: ProductState,
    tenant: TenantId,
) -> Result<(), ReadError> {
    let part = Part { after: None, limit: BEFORE_MAX };
    let of = tenant.clone();
    let kept = state.ask(|reply| StateRequest::Investigations(of, part, reply)).await;
    let before = kept.map(|kept| kept.entries).unwrap_or_default();
    let before = before.iter().filter_map(|asked| asked.query.parse().ok()).collect();
    let patterns = Patterns::new(state.clone(), tenant.clone());
    let mut following = Following { desk, reader, state, tenant, seen: BTreeMap::new(), before, patterns };
    loop {
        let subscribe = |view| following.reader.subscribe(following.tenant.clone(), view);
        let mut alerts = subscribe(ViewName::Alerts).await?;
        let mut chains = subscribe(ViewName::Chains).await?;
        // Whoever is too slow for a subscription begins it again; the loop ends when there is no engine any more.
        loop {
            let (first, of) = tokio::select! {
                first = alerts.recv() => (first, &mut alerts),
                first = chains.recv() => (first, &mut chains),
            };
            let Some(first) = first else { break };
            let (mut latest, mut gone) = (BTreeMap::new(), BTreeSet::new());
            take(first, &mut latest, &mut gone);
            while let Ok(more) = of.try_recv() {
                take(more, &mut latest, &mut gone);
            }
            for incident in gone {
                following.went(incident).await?;
            }
            for (incident, alert) in latest {
                following.alert(incident, alert).await;
            }
        }
    }
}

/// What an alert is after some changes (nothing: it is no more), and the incidents whose alerts or chains have changed.
fn take(
    changes: Changes,
    latest: &mut BTreeMap<IncidentId, Option<Arc<AlertRow>>>,
    went: &mut BTreeSet<IncidentId>,
) {
    let mut gone = BTreeSet::new();
    let mut there = BTreeMap::new();
    for (row, diff) in changes.rows {
        match row {
            Row::Alert(alert) => {
                went.insert(alert.incident_id);
                if 0 < diff {
                    there.insert(alert.incident_id, Some(alert));
                } else {
                    gone.insert(alert.incident_id);
                }
            }
            Row::Chain(chain) => {
                went.insert(chain.incident_id);
            }
            _ => {}
        }
    }
    latest.extend(gone.into_iter().map(|incident| (incident, None)));
    latest.extend(there);
}

impl Following {
    async fn alert(&mut self, incident: IncidentId, alert: Option<Arc<AlertRow>>) {
        let Some(alert) = alert else {
            self.seen.remove(&incident);
            return;
        };
        match alert.status {
            AlertStatus::Resolved => {
                self.seen.remove(&incident);
                self.learn(incident).await;
                self.patterns.forget();
            }
            AlertStatus::Firing => {
                let known = self.seen.get(&incident).is_some_and(|causes| causes.contains(&alert.title));
                if known || (self.before.remove(&incident) || self.investigate(incident).await) {
                    self.seen.entry(incident).or_default().insert(alert.title.clone());
                }
                while REMEMBERED_MAX < self.seen.len() {
                    self.seen.pop_first();
                }
            }
        }
    }

    /// Investigates an incident; whether it was.
    async fn investigate(&self, incident: IncidentId) -> bool {
        loop {
            let question = Question::new(self.tenant.clone(), incident.to_string());
            match self.desk.ask(question, None).await {
                Ok(investigated) => {
                    let keep = |reply| StateRequest::Keep(Box::new(investigated), reply);
                    // Who serves product state says what is wrong with it.
                    let _kept = self.state.ask(keep).await;
                    return true;
                }
                Err(InvestigateError::Busy(_)) => tokio::time::sleep(WAIT).await,
                Err(error) => {
                    tracing::warn!(tenant = %self.tenant, %incident, %error, "an alert was not investigated");
                    return false;
                }
            }
        }
    }

    /// Remembers an incident that is over.
    async fn learn(&self, incident: IncidentId) {
        if let Ok(Some(case)) = self.case(incident).await {
            let tenant = self.tenant.clone();
            let _kept = self.state.ask(|reply| StateRequest::Learn(tenant, Box::new(case), reply)).await;
        }
    }

    /// Looks how far an incident has gone the way of past ones.
    async fn went(&mut self, incident: IncidentId) -> Result<(), ReadError> {
        let went = self.read(incident).await?;
        self.patterns.judge(incident, went).await;
        Ok(())
    }

    async fn case(&self, incident: IncidentId) -> Result<Option<Case>, ReadError> {
        let case = self.read(incident).await?;
        Ok(case.map(|Went { incident, chains, .. }| {
            let signature = memory::signature(chains.iter().map(Arc::as_ref));
            Case { incident: incident.as_ref().clone(), signature, lesson: None }
        }))
    }

    /// An incident and its chains.
    async fn read(&self, incident: IncidentId) -> Result<Option<Went>, ReadError> {
        let of = |view| Query {
            filter: Filter { incident: Some(incident), ..Filter::default() },
            ..Query::all(&self.tenant, view)
        };
        let incidents = self.reader.peek(of(ViewName::Incidents)).await?;
        let chains = self.reader.peek(of(ViewName::Chains)).await?.rows.into_iter();
        let Some(Row::Incident(incident)) = incidents.rows.into_iter().next() else { return Ok(None) };
        let chain = |row| if let Row::Chain(chain) = row { Some(chain) } else { None };
        Ok(Some(Went { epoch: incidents.as_of.epoch, incident, chains: chains.filter_map(chain).collect() }))
    }
}
