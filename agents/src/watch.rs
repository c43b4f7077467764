//! The alerts of a tenant, followed: each is investigated without anybody asking, and what is over is remembered.
//!
//! One root is one alert, and one alert is one investigation for each cause that it names: a storm of symptoms changes
//! neither. While one investigation is under way, the changes that arrive meanwhile are taken together.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::answer::Question;
use schemas::ids::{IncidentId, TenantId};
use schemas::read::{Changes, Filter, Query, ReadError, ViewReader};
use schemas::state::{Case, ProductState, StateRequest};
use schemas::view::{AlertRow, AlertStatus, Row, ViewName};

use crate::desk::Desk;
use crate::memory;

/// Alerts whose last cause is remembered.
const REMEMBERED_MAX: usize = 10_000;

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
    let mut seen: BTreeMap<IncidentId, String> = BTreeMap::new();
    loop {
        let mut changes = reader.subscribe(tenant.clone(), ViewName::Alerts).await?;
        while let Some(first) = changes.recv().await {
            let mut latest = BTreeMap::new();
            take(first, &mut latest);
            while let Ok(more) = changes.try_recv() {
                take(more, &mut latest);
            }
            for (incident, alert) in latest {
                match alert.status {
                    AlertStatus::Firing if seen.get(&incident) != Some(&alert.title) => {
                        investigate(&desk, &state, &tenant, incident).await;
                        if seen.len() < REMEMBERED_MAX {
                            seen.insert(incident, alert.title.clone());
                        }
                    }
                    AlertStatus::Firing => {}
                    AlertStatus::Resolved => {
                        seen.remove(&incident);
                        learn(&reader, &state, &tenant, incident).await;
                    }
                }
            }
        }
        // Whoever is too slow for a subscription begins it again; the loop ends when there is no engine any more.
    }
}

/// What an alert is after some changes.
fn take(changes: Changes, latest: &mut BTreeMap<IncidentId, Arc<AlertRow>>) {
    for (row, diff) in changes.rows {
        if let Row::Alert(alert) = row
            && 0 < diff
        {
            latest.insert(alert.incident_id, alert);
        }
    }
}

async fn investigate(desk: &Desk, state: &ProductState, tenant: &TenantId, incident: IncidentId) {
    let question = Question::new(tenant.clone(), incident.to_string());
    match desk.ask(question, None).await {
        Ok(investigated) => {
            // Who serves product state says what is wrong with it.
            let _kept = state.ask(|reply| StateRequest::Keep(Box::new(investigated), reply)).await;
        }
        Err(error) => tracing::warn!(%tenant, %incident, %error, "an alert was not investigated"),
    }
}

/// Remembers an incident that is over.
async fn learn(reader: &ViewReader, state: &ProductState, tenant: &TenantId, incident: IncidentId) {
    let of = |view| Query {
        filter: Filter { incident: Some(incident), ..Filter::default() },
        ..Query::all(tenant, view)
    };
    let read = async || -> Result<Option<Case>, ReadError> {
        let incidents = reader.peek(of(ViewName::Incidents)).await?;
        let chains = reader.peek(of(ViewName::Chains)).await?;
        let Some(Row::Incident(row)) = incidents.rows.into_iter().next() else { return Ok(None) };
        let chains: Vec<_> = chains
            .rows
            .into_iter()
            .filter_map(|row| if let Row::Chain(chain) = row { Some(chain) } else { None })
            .collect();
        let signature = memory::signature(chains.iter().map(Arc::as_ref));
        Ok(Some(Case { incident: row.as_ref().clone(), signature, lesson: None }))
    };
    if let Ok(Some(case)) = read().await {
        let tenant = tenant.clone();
        let _kept = state.ask(|reply| StateRequest::Learn(tenant, Box::new(case), reply)).await;
    }
}
