//! The batch twin: every view of docs/semantics.md from scratch, without dataflow and without the engine's code.
//!
//! Loops over ordered maps; slow and plain on purpose. Where the engine maintains, the twin recomputes everything from
//! all sealed epochs.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::arrival::Arrival;
use schemas::catalogue::Rules;
use schemas::ids::TenantId;
use schemas::time::EventTime;
use schemas::view::{Row, ViewName};

mod admission;
mod canary;
mod episodes;
mod feedback;
mod incidents;
mod links;
mod measures;
mod objects;

/// Parameters that the semantics leave open.
#[derive(Clone, Debug)]
pub struct Constants {
    /// `HORIZON` in milliseconds.
    pub horizon_ms: i64,
    /// `FUTURE` in milliseconds; `None` with the event clock.
    pub future_ms: Option<i64>,
    /// `LATENESS` in milliseconds; `None` with the event clock.
    pub lateness_ms: Option<i64>,
    /// `GAP` in milliseconds.
    pub gap_ms: i64,
    /// What can cause what.
    pub rules: Rules,
}

/// One sealed epoch.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Its clock reading.
    pub now: EventTime,
    /// Its arrivals, in order.
    pub arrivals: Vec<Arrival>,
}

/// Rows of every view of every tenant.
pub type Views = BTreeMap<(TenantId, ViewName), BTreeSet<Row>>;

/// The views after the last of the epochs given.
pub fn views(epochs: &[Epoch], constants: &Constants) -> Views {
    let mut all = Views::new();
    let tenants: BTreeSet<TenantId> =
        epochs.iter().flat_map(|epoch| &epoch.arrivals).map(tenant).cloned().collect();
    for tenant in tenants {
        for (view, rows) in tenant_views(&tenant, epochs, constants) {
            all.insert((tenant.clone(), view), rows);
        }
    }
    all
}

fn tenant(arrival: &Arrival) -> &TenantId {
    match arrival {
        Arrival::Event(event) => &event.envelope.tenant_id,
        Arrival::Reject(reject) => &reject.tenant,
    }
}

fn tenant_views(
    tenant: &TenantId,
    epochs: &[Epoch],
    constants: &Constants,
) -> BTreeMap<ViewName, BTreeSet<Row>> {
    let key = tenant.key();
    let now = epochs.last().map_or(EventTime(0), |epoch| epoch.now);
    let admission = admission::run(tenant, epochs, constants);
    let objects = objects::run(&admission.versions, now, constants);
    let findings = objects::findings(&objects.latest);
    let stated = admission.occurrences(key);
    let mut claims = admission.claims();
    claims.extend(objects.claims.iter().cloned());
    claims.extend(findings.claims.iter().cloned());
    let edges = episodes::topology(&claims);
    let mut occurrences = stated.clone();
    occurrences.extend(canary::canary(key, &admission.current, &stated, &edges, constants.gap_ms));
    occurrences.extend(objects.occurrences.iter().cloned());
    occurrences.extend(findings.occurrences.iter().cloned());
    occurrences.extend(measures::baselines(&admission.current));
    occurrences.extend(measures::templates(&admission.current));
    let mut episodes = episodes::fold(key, &occurrences, constants.gap_ms);
    episodes::recover(&mut episodes, &objects.latest);
    let links = links::link(key, &episodes, &edges, constants);
    let mut rows =
        incidents::rows(key, (&episodes, &feedback::factors(&admission.current)), &links, now, constants);
    admission.rows(&mut rows);
    episodes::rows(key, &episodes, &edges, &admission.current, &objects.latest, &mut rows);
    rows
}

/// Adds a row to a view.
fn add(rows: &mut BTreeMap<ViewName, BTreeSet<Row>>, view: ViewName, row: Row) {
    rows.entry(view).or_default().insert(row);
}
