//! Placeholder.
use super::Format;
/// Placeholder.
pub fn detect(_bytes: &[u8]) -> Option<Format> {
    None
}
