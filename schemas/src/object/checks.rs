//! Placeholder.
use crate::entity::{Entity, RelationKind};
/// Placeholder.
pub fn checks(_: &[&super::ObjectState]) -> (Vec<crate::fact::Signal>, Vec<(Entity, RelationKind, Entity)>) { (Vec::new(), Vec::new()) }
