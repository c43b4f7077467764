//! Facts: what current events state, each on its own stream.
//!
//! Input   current events; what objects and checks come to.
//! Output  occurrences, edge claims, metric points, log lines, and the entities that samples and lines name.
//! Ties    none. State  none: each row maps to rows.

use std::sync::Arc;

use schemas::catalogue::{Class, Kind};
use schemas::entity::{Entity, RelationKind};
use schemas::envelope::Severity;
use schemas::fact::{Fact, Signal};
use schemas::ids::Tenant;

use crate::operators::admit::LiveEvent;
use crate::operators::baselines::{Point, Series};
use crate::operators::objects::{ObjectRow, occurrence};
use crate::operators::templates::{Line, Logger};
use crate::rows::{EdgeClaim, EdgeKey, Occurrence, Subject};
use crate::types::Updates;

/// Current events of all tenants.
pub(crate) type Current<'scope> = Updates<'scope, (Tenant, LiveEvent)>;

/// Occurrences that events state.
pub(crate) fn stated<'scope>(current: Current<'scope>) -> Updates<'scope, (Subject, Occurrence)> {
    current.flat_map(|(tenant, event)| {
        let signals = event.body.facts.iter().filter_map(|fact| match fact {
            Fact::Signal(signal) => Some(state(tenant, &event, signal)),
            _ => None,
        });
        signals.collect::<Vec<_>>()
    })
}

fn state(tenant: Tenant, event: &LiveEvent, signal: &Signal) -> (Subject, Occurrence) {
    let mut row = occurrence(signal, event.cite);
    // A monitoring system takes an alert back explicitly; until then it stands.
    row.standing = signal.kind.spec().class == Class::Alert && row.ended.is_none();
    (subject(tenant, &signal.entity, signal.kind), row)
}

/// Occurrences that objects come to.
pub(crate) fn derived<'scope>(objects: Updates<'scope, ObjectRow>) -> Updates<'scope, (Subject, Occurrence)> {
    objects.flat_map(|row| match row {
        ObjectRow::Occurrence(tenant, entity, kind, row) => Some((subject(tenant, &entity, kind), row)),
        ObjectRow::Edge(..) | ObjectRow::Latest(..) | ObjectRow::Retained(_) => None,
    })
}

/// Edges that events claim.
pub(crate) fn claimed<'scope>(current: Current<'scope>) -> Updates<'scope, (EdgeKey, EdgeClaim)> {
    current.flat_map(|(tenant, event)| {
        let edges = event.body.facts.iter().filter_map(|fact| match fact {
            Fact::Relation(edge) => {
                let claim =
                    EdgeClaim { valid_from: edge.valid_from, cite: event.cite, valid_to: edge.valid_to };
                Some((edge_key(tenant, &edge.from, edge.kind, &edge.to), claim))
            }
            _ => None,
        });
        edges.collect::<Vec<_>>()
    })
}

/// Edges that objects come to.
pub(crate) fn asserted<'scope>(objects: Updates<'scope, ObjectRow>) -> Updates<'scope, (EdgeKey, EdgeClaim)> {
    objects.flat_map(|row| match row {
        ObjectRow::Edge(tenant, (from, relation, to), claim) => {
            Some((edge_key(tenant, &from, relation, &to), claim))
        }
        ObjectRow::Occurrence(..) | ObjectRow::Latest(..) | ObjectRow::Retained(_) => None,
    })
}

/// Metric points.
pub(crate) fn points<'scope>(current: Current<'scope>) -> Updates<'scope, (Series, Point)> {
    current.flat_map(|(tenant, event)| {
        let points = event.body.facts.iter().filter_map(|fact| match fact {
            Fact::Sample(sample) => {
                let id = sample.entity.id(tenant);
                let entity = Arc::new(sample.entity.clone());
                let series = Series { tenant, id, metric: sample.metric.clone(), entity };
                Some((series, Point { at: sample.at, cite: event.cite, value_micro: sample.value_micro }))
            }
            _ => None,
        });
        points.collect::<Vec<_>>()
    })
}

/// Log lines. Below error only their time counts, so that templates need not be told apart.
pub(crate) fn lines<'scope>(current: Current<'scope>) -> Updates<'scope, ((Logger, String), Line)> {
    current.flat_map(|(tenant, event)| {
        let lines = event.body.facts.iter().filter_map(|fact| match fact {
            Fact::LogLine(line) => {
                let id = line.entity.id(tenant);
                let logger = Logger { tenant, id, entity: Arc::new(line.entity.clone()) };
                let failed = Severity::Error <= line.severity;
                let template = if failed { line.template.clone() } else { String::new() };
                let detail = if failed { line.detail.clone() } else { String::new() };
                Some(((logger, template), Line { at: line.at, cite: event.cite, detail }))
            }
            _ => None,
        });
        lines.collect::<Vec<_>>()
    })
}

/// Entities that samples and log lines name.
pub(crate) fn measured<'scope>(current: Current<'scope>) -> Updates<'scope, (Tenant, Entity)> {
    current.flat_map(|(tenant, event)| {
        let entities = event.body.facts.iter().filter_map(|fact| match fact {
            Fact::Sample(sample) => Some((tenant, sample.entity.clone())),
            Fact::LogLine(line) => Some((tenant, line.entity.clone())),
            _ => None,
        });
        entities.collect::<Vec<_>>()
    })
}

fn subject(tenant: Tenant, entity: &Entity, kind: Kind) -> Subject {
    Subject { tenant, id: entity.id(tenant), kind, entity: Arc::new(entity.clone()) }
}

fn edge_key(tenant: Tenant, from: &Entity, relation: RelationKind, to: &Entity) -> EdgeKey {
    EdgeKey {
        tenant,
        from_id: from.id(tenant),
        relation,
        to_id: to.id(tenant),
        from: Arc::new(from.clone()),
        to: Arc::new(to.clone()),
    }
}
