//! Placeholder.
use super::{Decoded, Raw};
pub(crate) fn decode(_raw: &Raw<'_>) -> Decoded {
    Decoded::default()
}
