//! THE PAGE TO READ: the whole computation, from sealed arrivals to views.
//!
//! ```text
//! arrivals ─ admit ─┬─ current ─ facts ─┬─ feedback ────────────────────────┐
//!                   │                   ├─ occurrences ─┬─ episodes ─┬─ links ─ incidents ─► chains, incidents, alerts
//!                   │                   ├─ baselines ───┤            │
//!                   │                   ├─ templates ───┤            │
//!                   │                   ├─ canary ──────┘            │
//!                   │                   └─ claims ─┬─ topology ──────┘
//!                   └─ objects ─ checks ───────────┘
//! ```
//!
//! No logic here: every box is an operator with its contract in its own file, and docs/semantics.md says what each
//! view contains. Every view is a function of the live input, so that a retraction at the top corrects everything
//! below it; only what episodes and incidents are known by is remembered while they go on.

use std::sync::Arc;

use differential_dataflow::AsCollection;
use schemas::catalogue::Class;
use schemas::ids::Tenant;
use schemas::time::EventTime;
use schemas::view::{EntityRow, RelationRow, Row, ViewName};

use serde::{Deserialize, Serialize};
use timely::dataflow::operators::core::OkErr;

use crate::config::EngineConfig;
use crate::operators::admit::{Admitted, LiveEvent, Outcome, Sealed, admit};
use crate::operators::baselines::baselines;
use crate::operators::canary::canary;
use crate::operators::checks::findings;
use crate::operators::current::current;
use crate::operators::episodes::{Episodes, episodes};
use crate::operators::facts::{Facts, asserted, derived, facts};
use crate::operators::feedback::feedback;
use crate::operators::incidents::{Incidents, incidents};
use crate::operators::links::links;
use crate::operators::links::ways::Ways;
use crate::operators::maintain::distinct;
use crate::operators::objects::{ObjectRow, objects};
use crate::operators::reached::{Reached, reached};
use crate::operators::templates::templates;
use crate::operators::topology::topology;
use crate::retained::Retained;
use crate::rows::{Edge, Episode, Named};
use crate::types::{Ticks, Updates};

/// A change of a view of one tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Published {
    /// A row of a view.
    Row(Tenant, ViewName, Row),
    /// Deliveries of one source with one outcome, counted by multiplicity. Boxed, for most of what is published is rows.
    Count(Tenant, Box<(String, Outcome)>),
    /// Greatest event time admitted of a source.
    Reached(Tenant, Box<(String, EventTime)>),
}

impl Published {
    /// The view that a row is of.
    pub(crate) fn place(&self) -> Option<(Tenant, ViewName)> {
        match self {
            Published::Row(tenant, view, _) => Some((*tenant, *view)),
            Published::Count(..) | Published::Reached(..) => None,
        }
    }
}

/// What the computation comes to.
pub(crate) struct Built<'scope> {
    /// Everything that the views contain.
    pub(crate) views: Updates<'scope, Published>,
    /// What a snapshot holds, at the epochs that are captured.
    pub(crate) retained: Updates<'scope, Retained>,
}

/// Builds the computation.
pub(crate) fn build<'scope>(
    arrivals: Updates<'scope, Sealed>,
    ticks: Ticks<'scope>,
    config: &EngineConfig,
) -> Built<'scope> {
    let (live, kept, admitted) = apart(admit(arrivals, ticks.clone(), config));
    let versions = admitted.clone().flat_map(|row| match row {
        Admitted::Version(tenant, version) => Some((tenant, version)),
        _ => None,
    });
    let current = current(live, ticks.clone());

    let objects = objects(versions, ticks.clone(), config.horizon_ms);
    let latest = objects.clone().flat_map(|row| match row {
        ObjectRow::Latest(tenant, cite, state) => Some((tenant, (cite, state))),
        _ => None,
    });
    let reached = reached(
        admitted.clone().flat_map(|row| match row {
            Admitted::Reached(tenant, source, at) => Some(((tenant, source), at)),
            _ => None,
        }),
        ticks.clone(),
    );
    let retained = retained(kept, objects.clone(), reached.clone());
    let identities = admitted.clone().flat_map(|row| match row {
        Admitted::Identity(identity) => Some(*identity),
        _ => None,
    });
    let incidents_known = admitted.clone().flat_map(|row| match row {
        Admitted::Incident(tenant, heir, first) => Some((tenant, heir, first)),
        _ => None,
    });
    let known = objects.concat(findings(latest.clone()));

    let Facts { shown, stated, claimed, points, of_pods, lines, said } = facts(current);
    let (deviations, measured) = baselines(points);
    let (novelties, heard) = templates(lines);
    let edges = topology(claimed.concat(asserted(known.clone())));
    let compared = canary(stated.clone(), edges.clone(), of_pods, config.gap_ms);
    let occurrences = stated.concat(derived(known)).concat(deviations).concat(novelties).concat(compared);
    let Episodes { episodes, troubled, retained: of_episodes } =
        episodes(occurrences, latest.clone(), identities, ticks.clone(), config.gap_ms);

    let ways = Arc::new(Ways::of(&config.rules));
    let links = links(episodes.clone(), edges.clone(), &ways, config.horizon_ms);
    let factors = feedback(said);
    let Incidents { rows: incidents, retained: of_incidents } =
        incidents(episodes.clone(), (links, factors), incidents_known, ticks, &ways, config.gap_ms);
    let retained = retained.concat(of_episodes).concat(of_incidents);

    let named = measured
        .concat(heard)
        .concat(latest.map(|(tenant, (_, state))| (tenant, Named::of(tenant, &state.entity))))
        .concat(troubled)
        .concat(edges.clone().flat_map(ends));
    let rows = shown
        .concat(distinct(named.consolidate_stream(), "Entities").map(entity))
        .concat(edges.map(relation))
        .concat(episodes.flat_map(episode))
        .concat(incidents.map(|(tenant, found)| row(tenant, view_of(&found), found)));
    let accounts = admitted.flat_map(|admitted| match admitted {
        Admitted::Reject(tenant, reject) => Some(row(tenant, ViewName::Rejects, Row::from(*reject))),
        Admitted::Count(tenant, source, outcome) => {
            Some(Published::Count(tenant, Box::new((source, outcome))))
        }
        _ => None,
    });
    let reached = reached.flat_map(|reached| match reached {
        Reached::Now(tenant, source, at) => Some(Published::Reached(tenant, Box::new((source, at)))),
        Reached::Retained(_) => None,
    });
    Built { views: rows.concat(accounts).concat(reached), retained }
}

/// Live events, what a snapshot holds of them and of others, and the rest of admission. Moved apart: several readers of one stream
/// would each be given a copy.
fn apart<'scope>(
    admitted: Updates<'scope, Admitted>,
) -> (Updates<'scope, (Tenant, LiveEvent)>, Updates<'scope, Retained>, Updates<'scope, Admitted>) {
    let (rest, live) = admitted.inner.ok_err(|(row, epoch, diff)| match row {
        Admitted::Live(tenant, event) => Err(((tenant, event), epoch, diff)),
        rest => Ok((rest, epoch, diff)),
    });
    let rest: Updates<'scope, Admitted> = rest.as_collection();
    let (rest, kept) = rest.inner.ok_err(|(row, epoch, diff)| match row {
        Admitted::Retained(kept) => Err((*kept, epoch, diff)),
        rest => Ok((rest, epoch, diff)),
    });
    (live.as_collection(), kept.as_collection(), rest.as_collection())
}

/// What admission, objects and sources keep of the past, which no input brings back.
fn retained<'scope>(
    of_admission: Updates<'scope, Retained>,
    objects: Updates<'scope, ObjectRow>,
    reached: Updates<'scope, Reached>,
) -> Updates<'scope, Retained> {
    let of_objects = objects.flat_map(|row| match row {
        ObjectRow::Retained(kept) => Some(kept),
        _ => None,
    });
    let of_sources = reached.flat_map(|row| match row {
        Reached::Retained(kept) => Some(kept),
        Reached::Now(..) => None,
    });
    of_admission.concat(of_objects).concat(of_sources)
}

fn row(tenant: Tenant, view: ViewName, row: Row) -> Published {
    Published::Row(tenant, view, row)
}

fn ends(edge: Edge) -> [(Tenant, Named); 2] {
    [(edge.key.tenant, edge.key.from), (edge.key.tenant, edge.key.to)]
}

fn entity((tenant, Named { id, entity }): (Tenant, Named)) -> Published {
    row(tenant, ViewName::Entities, EntityRow { entity_id: id, entity }.into())
}

fn relation(edge: Edge) -> Published {
    let relation = RelationRow {
        from: edge.key.from.entity,
        relation: edge.key.relation,
        to: edge.key.to.entity,
        valid_from: edge.valid_from,
        valid_to: edge.valid_to,
        event_id: edge.event,
    };
    row(edge.key.tenant, ViewName::Topology, relation.into())
}

/// An episode is in the view of all episodes, and in that of its class where there is one.
fn episode(episode: Arc<Episode>) -> Vec<Published> {
    let of_class = match episode.row.class {
        Class::Change => Some(ViewName::Changes),
        Class::Anomaly => Some(ViewName::Anomalies),
        _ => None,
    };
    let shown = Row::Episode(episode.row.clone());
    let views = [ViewName::Episodes].into_iter().chain(of_class);
    views.map(|view| row(episode.tenant, view, shown.clone())).collect()
}

fn view_of(row: &Row) -> ViewName {
    match row {
        Row::Event(_) => ViewName::Events,
        Row::Entity(_) => ViewName::Entities,
        Row::Relation(_) => ViewName::Topology,
        Row::Episode(_) => ViewName::Episodes,
        Row::Link(_) => ViewName::Links,
        Row::Chain(_) => ViewName::Chains,
        Row::Incident(_) => ViewName::Incidents,
        Row::Alert(_) => ViewName::Alerts,
        Row::Reject(_) => ViewName::Rejects,
        Row::Coverage(_) => ViewName::Coverage,
    }
}
