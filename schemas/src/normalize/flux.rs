//! Placeholder.
use crate::{envelope::Envelope, error::DecodeError, fact::Normalized};
pub(crate) fn normalize(
    _envelope: &Envelope,
    _payload: &serde_json::Value,
) -> Result<Normalized, DecodeError> {
    Ok(Normalized::default())
}
