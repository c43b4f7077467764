//! Placeholder.
/// Placeholder.
pub fn changes(_: &super::ObjectState, _: &super::ObjectState) -> Vec<crate::fact::Signal> { Vec::new() }
