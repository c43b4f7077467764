//! "63 % of the way into a pattern": told on the audit stream once for each live incident and pattern, with the events that
//! prove it, and taken back when it holds no more: the chain has changed, has come to its end, or the incident is over.
//!
//! Whether it was told already is known to product state, so that it is not told again after a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::audit::{AuditRecord, Decision};
use schemas::ids::{EventId, IncidentId, TenantId};
use schemas::state::{ProductState, StateRequest};
use schemas::time::Epoch;
use schemas::view::{ChainRow, IncidentRow, IncidentStatus};
use serde_json::json;

use crate::{memory, redact};

/// Incidents whose patterns are remembered; of more, the oldest are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// An incident as it stands.
pub(super) struct Went {
    pub(super) epoch: Epoch,
    pub(super) incident: Arc<IncidentRow>,
    pub(super) chains: Vec<Arc<ChainRow>>,
}

/// The patterns of one tenant, and who is on the way into which.
pub(super) struct Patterns {
    state: ProductState,
    tenant: TenantId,
    known: Option<Vec<memory::Pattern>>,
    told: BTreeMap<IncidentId, BTreeSet<String>>,
}

impl Patterns {
    pub(super) fn new(state: ProductState, tenant: TenantId) -> Self {
        Patterns { state, tenant, known: None, told: BTreeMap::new() }
    }

    /// What is known is read anew the next time: there is one case more.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// Tells what an incident has begun, and takes back what holds no more.
    pub(super) async fn judge(&mut self, incident: IncidentId, went: Option<Went>) {
        let told = self.told.remove(&incident).unwrap_or_default();
        let epoch = went.as_ref().map_or(0, |went| went.epoch);
        let begun = match went {
            Some(went) if went.incident.status != IncidentStatus::Resolved => self.begun(&went).await,
            _ => Vec::new(),
        };
        let mut holds: BTreeSet<String> = begun.iter().map(|(pattern, _)| pattern.clone()).collect();
        // What could not be told, or not be taken back, is tried again when the incident changes again.
        let (mut untold, mut untaken) = (Vec::new(), Vec::new());
        for pattern in told.difference(&holds) {
            let reason = format!("{incident} does not go the way of {pattern} any more");
            let detail = json!({ "incident_id": incident, "pattern": pattern });
            let ended = self.record((incident, pattern), Decision::PatternEnded, epoch, reason, detail);
            if !self.signal(ended, "ended").await {
                untaken.push(pattern.clone());
            }
        }
        for (pattern, record) in begun.into_iter().filter(|(pattern, _)| !told.contains(pattern)) {
            if !self.signal(record, "begun").await {
                untold.push(pattern);
            }
        }
        holds.retain(|pattern| !untold.contains(pattern));
        holds.extend(untaken);
        if !holds.is_empty() {
            self.told.insert(incident, holds);
        }
        while REMEMBERED_MAX < self.told.len() {
            self.told.pop_first();
        }
    }

    /// The patterns that an incident has begun, each with its record.
    async fn begun(&mut self, went: &Went) -> Vec<(String, AuditRecord)> {
        let Some(chain) = memory::longest(went.chains.iter().map(Arc::as_ref)) else { return Vec::new() };
        let signature = memory::signature(std::iter::once(chain));
        let ends = chain.links.iter().map(|link| &link.effect);
        let proof: BTreeSet<EventId> =
            ends.chain([&chain.root]).flat_map(|end| end.event_ids.iter().copied()).collect();
        if self.known.is_none() {
            let cases = self.state.ask(|reply| StateRequest::Cases(self.tenant.clone(), reply)).await;
            self.known = cases.ok().map(|cases| memory::patterns(&cases));
        }
        let incident = went.incident.incident_id;
        let known = self.known.as_deref().unwrap_or_default();
        let record = |(milli, next, pattern): (u32, &str, &memory::Pattern)| {
            let reason = format!(
                "{incident} is {} % of the way into {}, as {} past incidents went, the latest of them {} ({}); what came next \
                 then: {next}",
                milli / 10,
                pattern.id,
                pattern.incidents,
                pattern.latest,
                pattern.title
            );
            let detail = json!({ "incident_id": incident, "pattern": pattern.id, "progress_milli": milli, "next": next,
                "incidents": pattern.incidents, "latest": pattern.latest, "event_ids": proof });
            let name = (incident, pattern.id.as_str());
            (pattern.id.clone(), self.record(name, Decision::PatternProgress, went.epoch, reason, detail))
        };
        memory::begun(&signature, known).into_iter().map(record).collect()
    }

    fn record(
        &self,
        (incident, pattern): (IncidentId, &str),
        decision: Decision,
        as_of: Epoch,
        reason: String,
        detail: serde_json::Value,
    ) -> AuditRecord {
        AuditRecord {
            tenant_id: self.tenant.clone(),
            investigation_id: format!("{incident}/{pattern}"),
            // Product state gives it.
            number: 0,
            decision,
            as_of,
            reason: redact::text(&reason),
            detail,
        }
    }

    /// Tells something, unless it was told already; whether it is known now.
    async fn signal(&self, record: AuditRecord, status: &'static str) -> bool {
        let (tenant, reason) = (self.tenant.clone(), record.reason.clone());
        let told = self.state.ask(|reply| StateRequest::Signal(tenant, Box::new(record), reply)).await;
        // Who serves product state says what is wrong with it.
        if told == Ok(true) {
            tracing::info!(tenant = %self.tenant, reason, "a pattern has {status}");
            let tenant = self.tenant.as_str().to_owned();
            metrics::counter!("kgroot_pattern_signals_total", "tenant" => tenant, "status" => status)
                .increment(1);
        }
        told.is_ok()
    }
}
