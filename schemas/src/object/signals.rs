//! Placeholder.
/// Placeholder.
pub fn signals(_: &super::ObjectState) -> Vec<crate::fact::Signal> { Vec::new() }
