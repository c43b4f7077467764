//! Facts: what current events state, each on its own stream.
//!
//! Input   current events; what objects and checks come to.
//! Output  the events as rows, occurrences, edge claims, metric points, log lines, what people say of incidents.
//! Ties    none. State  none: each row maps to rows, made of what the event keeps.

use std::sync::Arc;

use differential_dataflow::AsCollection;
use schemas::entity::{Entity, EntityKind, RelationKind};
use schemas::fact::Feedback;
use schemas::ids::Tenant;
use schemas::view::{Row, ViewName};
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

use crate::graph::Published;
use crate::named_fact::NamedFact;
use crate::names::Names;
use crate::operators::admit::LiveEvent;
use crate::operators::baselines::{Point, Series};
use crate::operators::objects::ObjectRow;
use crate::operators::templates::{Line, Logger};
use crate::rows::{EdgeClaim, EdgeKey, Occurrence, Subject};
use crate::types::Updates;

/// What current events state.
pub(crate) struct Facts<'scope> {
    /// The events themselves, as they are shown.
    pub(crate) shown: Updates<'scope, Published>,
    /// Occurrences.
    pub(crate) stated: Updates<'scope, (Subject, Arc<Occurrence>)>,
    /// Edges.
    pub(crate) claimed: Updates<'scope, (EdgeKey, EdgeClaim)>,
    /// Metric points.
    pub(crate) points: Updates<'scope, (Series, Point)>,
    /// Those on pods, which are compared with each other too.
    pub(crate) of_pods: Updates<'scope, (Series, Point)>,
    /// Log lines. Below error only their time counts, so that templates need not be told apart.
    pub(crate) lines: Updates<'scope, ((Logger, Arc<str>), Line)>,
    /// What people say of incidents.
    pub(crate) said: Updates<'scope, (Tenant, Feedback)>,
}

/// Takes current events apart: every event is looked at once, whatever it states.
pub(crate) fn facts<'scope>(current: Updates<'scope, (Tenant, LiveEvent)>) -> Facts<'scope> {
    let mut builder = OperatorBuilder::new("Facts".to_owned(), current.inner.scope());
    let mut input = builder.new_input(current.inner, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (to_shown, shown) = builder.new_output();
    let (to_stated, stated) = builder.new_output();
    let (to_claimed, claimed) = builder.new_output();
    let (to_points, points) = builder.new_output();
    let (to_of_pods, of_pods) = builder.new_output();
    let (to_lines, lines) = builder.new_output();
    let (to_said, said) = builder.new_output();
    let (mut to_shown, mut to_stated) = (OutputBuilder::from(to_shown), OutputBuilder::from(to_stated));
    let (mut to_claimed, mut to_points) = (OutputBuilder::from(to_claimed), OutputBuilder::from(to_points));
    let (mut to_of_pods, mut to_lines) = (OutputBuilder::from(to_of_pods), OutputBuilder::from(to_lines));
    let mut to_said = OutputBuilder::from(to_said);
    builder.build(move |_capabilities| {
        move |_frontiers| {
            let (mut to_shown, mut to_stated) = (to_shown.activate(), to_stated.activate());
            let (mut to_claimed, mut to_points) = (to_claimed.activate(), to_points.activate());
            let (mut to_of_pods, mut to_lines) = (to_of_pods.activate(), to_lines.activate());
            let mut to_said = to_said.activate();
            input.for_each_stamp(|stamp, batches| {
                let (mut shown, mut stated) = (to_shown.session(&stamp), to_stated.session(&stamp));
                let (mut claimed, mut points) = (to_claimed.session(&stamp), to_points.session(&stamp));
                let (mut of_pods, mut lines) = (to_of_pods.session(&stamp), to_lines.session(&stamp));
                let mut said = to_said.session(&stamp);
                for ((tenant, event), epoch, diff) in batches.flat_map(|rows| rows.drain(..)) {
                    let (cite, LiveEvent(delivery)) = (event.cite(), event);
                    let row = Row::Event(Arc::clone(&delivery.row));
                    shown.give((Published::Row(tenant, ViewName::Events, row), epoch, diff));
                    for fact in delivery.stated.facts() {
                        match fact.clone() {
                            NamedFact::Occurrence { on, kind, row } => {
                                stated.give(((Subject { tenant, on, kind }, row), epoch, diff))
                            }
                            NamedFact::Edge { from, relation, to, valid_from, valid_to } => {
                                let claim = EdgeClaim { valid_from, cite, valid_to };
                                claimed.give(((EdgeKey { tenant, from, relation, to }, claim), epoch, diff))
                            }
                            NamedFact::Sample { on, metric, at, value_micro } => {
                                let of_pod = on.entity.kind == EntityKind::Pod;
                                let point = Point { at, cite, value_micro };
                                let row = ((Series { tenant, on, metric }, point), epoch, diff);
                                if of_pod {
                                    of_pods.give(row.clone());
                                }
                                points.give(row);
                            }
                            NamedFact::Line { on, template, detail, at } => {
                                let line = Line { at, cite, detail };
                                lines.give((((Logger { tenant, on }, template), line), epoch, diff))
                            }
                            NamedFact::Feedback(feedback) => said.give(((tenant, *feedback), epoch, diff)),
                        }
                    }
                }
            });
        }
    });
    let (shown, stated) = (shown.as_collection(), stated.as_collection());
    let (claimed, points) = (claimed.as_collection(), points.as_collection());
    let (of_pods, lines) = (of_pods.as_collection(), lines.as_collection());
    Facts { shown, stated, claimed, points, of_pods, lines, said: said.as_collection() }
}

/// Occurrences that objects come to.
pub(crate) fn derived<'scope>(
    objects: Updates<'scope, ObjectRow>,
) -> Updates<'scope, (Subject, Arc<Occurrence>)> {
    let mut names = Names::default();
    objects.flat_map(move |row| match row {
        ObjectRow::Occurrence(tenant, entity, kind, row) => {
            Some((Subject { tenant, on: names.of(tenant, &entity), kind }, row))
        }
        ObjectRow::Edge(..) | ObjectRow::Latest(..) | ObjectRow::Retained(_) => None,
    })
}

/// Edges that objects come to.
pub(crate) fn asserted<'scope>(objects: Updates<'scope, ObjectRow>) -> Updates<'scope, (EdgeKey, EdgeClaim)> {
    let mut names = Names::default();
    objects.flat_map(move |row| match row {
        ObjectRow::Edge(tenant, (from, relation, to), claim) => {
            Some((edge_key(&mut names, tenant, (&from, relation, &to)), claim))
        }
        ObjectRow::Occurrence(..) | ObjectRow::Latest(..) | ObjectRow::Retained(_) => None,
    })
}

fn edge_key(
    names: &mut Names,
    tenant: Tenant,
    (from, relation, to): (&Entity, RelationKind, &Entity),
) -> EdgeKey {
    EdgeKey { tenant, from: names.of(tenant, from), relation, to: names.of(tenant, to) }
}
