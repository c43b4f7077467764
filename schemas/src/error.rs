//! Data errors: what is wrong with a record. They are rows, not failures; nothing stops because of one.

use serde::{Deserialize, Serialize};

use crate::entity::named_enum;
use crate::ids::TenantId;
use crate::position::SourcePosition;
use crate::time::EventTime;

use std::fmt;
use std::str::FromStr;

named_enum!(
    /// Why a record or one event of it was refused. The name is the stable code in dead letters and the API.
    RejectCode, "reject code" {
        /// Not the format that was expected, or truncated.
        Malformed = "malformed",
        /// No codec knows this format.
        UnknownFormat = "unknown_format",
        /// A field is missing or has the wrong type or range.
        InvalidField = "invalid_field",
        /// The writer schema could not be had or does not match the bytes.
        Schema = "schema",
        /// Larger, deeper or longer than the limit.
        TooLarge = "too_large",
        /// The envelope names another tenant than its topic.
        TenantMismatch = "tenant_mismatch",
        /// The same idempotency key came with other content.
        IdempotencyConflict = "idempotency_conflict",
        /// Later than is allowed, or expired.
        TooLate = "too_late",
        /// Dated later than the clock allows.
        InFuture = "in_future",
    }
);

/// A data error before its position is known: what the pure codecs return.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct DecodeError {
    /// Stable code.
    pub code: RejectCode,
    /// What, where in the record, and what to do; one line, at most 300 bytes.
    pub detail: String,
}

impl DecodeError {
    /// A data error; the detail is cut to a line of bounded length.
    pub fn new(code: RejectCode, detail: impl AsRef<str>) -> Self {
        let line = detail.as_ref().replace(['\n', '\r'], " ");
        DecodeError { code, detail: crate::fact::clip(&line) }
    }

    /// [`RejectCode::Malformed`].
    pub fn malformed(detail: impl AsRef<str>) -> Self {
        DecodeError::new(RejectCode::Malformed, detail)
    }

    /// [`RejectCode::InvalidField`].
    pub fn field(detail: impl AsRef<str>) -> Self {
        DecodeError::new(RejectCode::InvalidField, detail)
    }
}

/// A refused record or event, as it shows up in the `rejects` view and in the dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reject {
    /// Owner of the topic it came on.
    pub tenant: TenantId,
    /// Where it came from.
    pub position: SourcePosition,
    /// Why.
    pub error: DecodeError,
    /// Event time, when it could be read.
    pub at: Option<EventTime>,
}
