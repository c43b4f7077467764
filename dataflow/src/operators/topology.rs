//! Topology: edges with valid time.
//!
//! Input   claims that an edge holds in some stretch of time.
//! Output  one edge per (subject, verb, object), over the stretch that covers its claims.
//! Ties    the earliest claim is cited.
//! State   the claims, in slots of a minute; one partial per slot: an edge that every span asserts is folded before
//!         it is looked at.
//! See docs/semantics.md, section 7.

use crate::operators::episodes::SLOT_MS;
use crate::operators::maintain::summarize;
use crate::rows::{Edge, EdgeClaim, EdgeKey};
use crate::types::Updates;
use crate::values::Values;

/// Folds claims into edges.
pub(crate) fn topology<'scope>(claims: Updates<'scope, (EdgeKey, EdgeClaim)>) -> Updates<'scope, Edge> {
    let slotted = claims.map(|(key, claim)| ((key, claim.valid_from.0.div_euclid(SLOT_MS)), claim));
    let partial = summarize(slotted, "TopologySlots", |(key, _), claims| {
        cover(claims).map(|claim| (key.clone(), claim))
    });
    summarize(partial, "Topology", |key, claims| {
        cover(claims).map(|claim| Edge {
            key: key.clone(),
            valid_from: claim.valid_from,
            valid_to: claim.valid_to,
            event: claim.cite.event,
        })
    })
}

/// The claim that covers all; claims order by start, then arrival.
fn cover(claims: &Values<EdgeClaim>) -> Option<EdgeClaim> {
    let first = claims.first()?;
    let mut cover = first.clone();
    for claim in claims.distinct() {
        cover.valid_to = cover.valid_to.zip(claim.valid_to).map(|(left, right)| left.max(right));
    }
    Some(cover)
}
