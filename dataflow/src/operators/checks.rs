//! Checks: what the objects of a namespace say together that none says alone.
//!
//! Input   latest object states.
//! Output  occurrences and edges, as `schemas::object::checks` finds them among the objects of one namespace and the
//!         nodes and volumes of the tenant.
//! Ties    objects order by (entity, uid); a finding cites the newest arrival among the states of its entity.
//! State   the latest states of each namespace, nodes and volumes included.
//! See docs/semantics.md, section 3.

use std::sync::Arc;

use schemas::entity::{Entity, EntityKind};
use schemas::ids::Tenant;
use schemas::object::ObjectState;
use schemas::object::checks::checks;
use schemas::time::Diff;

use crate::operators::maintain::maintain;
use crate::operators::objects::{ObjectRow, occurrence};
use crate::rows::{Cite, EdgeClaim};
use crate::types::Updates;
use crate::values::Values;

/// Maintains the findings of each namespace.
pub(crate) fn findings<'scope>(
    latest: Updates<'scope, (Tenant, (Cite, Arc<ObjectState>))>,
) -> Updates<'scope, ObjectRow> {
    let shared = latest.clone().filter(|(_, (_, state))| is_shared(&state.entity));
    let local = latest.flat_map(|(tenant, (cite, state))| {
        namespace(&state.entity).map(|namespace| ((tenant, namespace), (cite, state)))
    });
    let namespaces = local.clone().map(|(key, _)| key).distinct_core::<Diff>();
    let everywhere =
        namespaces.join_map(shared, |tenant, namespace, state| ((*tenant, namespace.clone()), state.clone()));
    maintain(local.concat(everywhere), "Checks", |(tenant, _), states| judge(*tenant, states))
}

/// Nodes and volumes serve all namespaces.
fn is_shared(entity: &Entity) -> bool {
    matches!(entity.kind, EntityKind::Node | EntityKind::Volume)
}

/// The namespace whose checks an object takes part in by itself.
fn namespace(entity: &Entity) -> Option<String> {
    match entity.kind {
        EntityKind::Namespace => Some(entity.name.clone()),
        _ if entity.namespace.is_empty() => None,
        _ => Some(entity.namespace.clone()),
    }
}

fn judge(tenant: Tenant, states: &Values<(Cite, Arc<ObjectState>)>) -> Vec<ObjectRow> {
    let mut ordered: Vec<(&Cite, &ObjectState)> =
        states.distinct().map(|(cite, state)| (cite, state.as_ref())).collect();
    ordered.sort_by(|left, right| (&left.1.entity, &left.1.uid).cmp(&(&right.1.entity, &right.1.uid)));
    let newest = ordered.iter().map(|(cite, _)| **cite).max();
    let valid_from = ordered.iter().map(|(_, state)| state.at).min();
    let (Some(newest), Some(valid_from)) = (newest, valid_from) else { return Vec::new() };
    let objects: Vec<&ObjectState> = ordered.iter().map(|(_, state)| *state).collect();
    let (signals, relations) = checks(&objects);
    let cited = |entity: &Entity| {
        ordered
            .iter()
            .filter(|(_, state)| state.entity == *entity)
            .map(|(cite, _)| **cite)
            .max()
            .unwrap_or(newest)
    };
    let mut output = Vec::with_capacity(signals.len() + relations.len());
    for signal in signals {
        let mut row = occurrence(&signal, cited(&signal.entity), signal.detail.as_str().into());
        row.standing = row.ended.is_none();
        output.push(ObjectRow::Occurrence(tenant, signal.entity, signal.kind, Arc::new(row)));
    }
    for edge in relations {
        output.push(ObjectRow::Edge(tenant, edge, EdgeClaim { valid_from, cite: newest, valid_to: None }));
    }
    output
}
