//! An approval: a person's word for exactly one action with exactly these arguments by exactly one tool, once, until it expires.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::hash128;
use crate::time::{Epoch, EventTime};

/// One approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Approval {
    /// Names it.
    pub approval_id: String,
    /// The investigation that proposed the action.
    pub investigation_id: String,
    /// Epoch of that investigation.
    pub as_of: Epoch,
    /// Digest of what is approved: of action, arguments and tool.
    pub digest: String,
    /// `rollback`, `restart`, `scale`, `ticket`, `pull_request`.
    pub action: String,
    /// The tool that carries it out, and no other. An approval from before there was this is worth nothing.
    #[serde(default)]
    pub tool: String,
    /// Exactly what.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// Who approved it.
    pub approved_by: String,
    /// After that it is worth nothing.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: EventTime,
    /// When it was used; it can be used once.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<EventTime>,
}

impl Approval {
    /// Names what is approved: a proposal, by its digest, and who carries it out.
    pub fn bound(proposal: &str, tool: &str) -> String {
        format!("apd_{:032x}", hash128(&[proposal.as_bytes(), tool.as_bytes()]))
    }
}

/// What became of an approval that somebody wants to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Used {
    /// It is used by this request, and by no other.
    Now(Approval),
    /// Nobody gave it.
    Unknown,
    /// It is too old.
    Expired(EventTime),
    /// It was used before.
    Already(EventTime),
}
