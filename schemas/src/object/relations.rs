//! Placeholder.
use crate::entity::{Entity, RelationKind};
/// Placeholder.
pub fn relations(_: &super::ObjectState) -> Vec<(Entity, RelationKind, Entity)> { Vec::new() }
