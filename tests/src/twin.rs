//! The batch twin: every view of docs/semantics.md from scratch, without dataflow and without the engine's code.
//!
//! Loops over ordered maps; slow and plain on purpose. Where the engine maintains, the twin recomputes everything from
//! all sealed epochs.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::arrival::Arrival;
use schemas::catalogue::Rules;
use schemas::ids::{Tenant, TenantId};
use schemas::time::EventTime;
use schemas::view::{Row, ViewName};

use admission::{Admission, Keeper, Occurrence, Version};
use episodes::{Edge, Episode, Identities};
use incidents::{First, Known};
use links::Link;

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
    views_after(&[epochs.len()], epochs, constants).pop().unwrap_or_default()
}

/// The views after so many of the epochs given, for each of these numbers, which rise.
pub fn views_after(counts: &[usize], epochs: &[Epoch], constants: &Constants) -> Vec<Views> {
    let mut all = vec![Views::new(); counts.len()];
    let tenants: BTreeSet<TenantId> =
        epochs.iter().flat_map(|epoch| &epoch.arrivals).map(tenant).cloned().collect();
    // Tenants have nothing in common, so each has a thread.
    std::thread::scope(|scope| {
        let begin = |tenant| scope.spawn(move || tenant_views(tenant, counts, epochs, constants));
        let begun: Vec<_> = tenants.iter().map(|tenant| (tenant, begin(tenant))).collect();
        for (tenant, of_tenant) in begun {
            let of_tenant = of_tenant.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            for (views, rows) in all.iter_mut().zip(of_tenant) {
                views.extend(rows.into_iter().map(|(view, rows)| ((tenant.clone(), view), rows)));
            }
        }
    });
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
    counts: &[usize],
    epochs: &[Epoch],
    constants: &Constants,
) -> Vec<BTreeMap<ViewName, BTreeSet<Row>>> {
    let key = tenant.key();
    let rules = links::written(key, &constants.rules);
    let mut keeper = Keeper::new(tenant, constants);
    let (mut identities, mut known) = (Identities::default(), Known::default());
    let (mut grouped, mut edges) = (Grouped::default(), Vec::new());
    let mut all = Vec::new();
    for (count, epoch) in (1..).zip(epochs) {
        // What goes on is what it was in the last epoch that was not like the one before.
        let (differs, wanted) = (keeper.take(epoch), counts.contains(&count));
        if !differs && !wanted {
            continue;
        }
        let told = told(key, keeper.admission(), epoch.now, constants);
        let mut episodes = episodes::fold(key, &told.occurrences, &mut identities, constants.gap_ms);
        episodes::recover(&mut episodes, &told.latest);
        // The same episodes in the same topology have the same links, and go on as they were.
        if (&episodes, &told.edges) != (&grouped.episodes, &edges) {
            let links = links::link(&episodes, &told.edges, &rules, constants.horizon_ms);
            let groups = incidents::groups(&episodes, &links);
            let names = known.go_on(&episodes, &groups);
            grouped = Grouped { episodes, links, groups, names };
            edges.clone_from(&told.edges);
        }
        if wanted {
            all.push(rows(key, &told, &grouped, epoch.now, constants));
        }
    }
    all
}

fn rows(
    key: Tenant,
    Told { admission, latest, edges, .. }: &Told<'_>,
    grouped: &Grouped,
    now: EventTime,
    constants: &Constants,
) -> BTreeMap<ViewName, BTreeSet<Row>> {
    let mut rows = incidents::rows(key, grouped, &feedback::factors(&admission.current), now, constants);
    admission.rows(&mut rows);
    episodes::rows(key, &grouped.episodes, edges, &admission.current, latest, &mut rows);
    rows
}

/// What an epoch tells of a tenant.
struct Told<'a> {
    admission: Admission<'a>,
    latest: Vec<Version<'a>>,
    edges: Vec<Edge>,
    occurrences: Vec<Occurrence>,
}

/// What an epoch's occurrences come to.
#[derive(Default)]
struct Grouped {
    episodes: Vec<Episode>,
    links: Vec<Link>,
    groups: Vec<BTreeSet<usize>>,
    /// What each group is known by, if it is an incident.
    names: Vec<Option<First>>,
}

fn told<'a>(key: Tenant, admission: Admission<'a>, now: EventTime, constants: &Constants) -> Told<'a> {
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
    Told { admission, latest: objects.latest, edges, occurrences }
}

/// Adds a row to a view.
fn add(rows: &mut BTreeMap<ViewName, BTreeSet<Row>>, view: ViewName, row: Row) {
    rows.entry(view).or_default().insert(row);
}
