//! Placeholder.
use super::{Decoded, Raw};
pub(crate) fn decode_built_in(_raw: &Raw<'_>) -> Decoded {
    Decoded::default()
}
