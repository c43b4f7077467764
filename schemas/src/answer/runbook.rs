//! What to do about a cause, and what was done about causes like it. Proposed, never executed by itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{EventId, IncidentId};

/// Steps for one root cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Runbook {
    /// One line.
    pub title: String,
    /// In order.
    pub steps: Vec<RunbookStep>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RunbookStep {
    /// What to do.
    pub text: String,
    /// A command to look or to act, for a person to run.
    pub command: Option<String>,
    /// Events that make the step sensible.
    #[schema(value_type = Vec<String>)]
    pub event_ids: Vec<EventId>,
    /// What could be done by a tool after a person has approved exactly this.
    pub proposal: Option<Proposal>,
}

/// An action that waits for an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Proposal {
    /// `rollback`, `restart`, `scale`, `ticket`, `pull_request`.
    pub action: String,
    /// Exactly what.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// Names action and arguments; an approval is bound to it.
    pub digest: String,
    /// What a person approves, written by code.
    pub approval_text: String,
}

/// A closed incident that went alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SimilarCase {
    /// Which.
    #[schema(value_type = String)]
    pub incident_id: IncidentId,
    /// Its title.
    pub title: String,
    /// How alike, 0 to 1000.
    pub similarity_milli: u32,
    /// How much of its chain this incident has gone through already, 0 to 1000.
    pub progress_milli: u32,
    /// What came next then, when it has not come here yet.
    pub next: Option<String>,
    /// What ended it, as a person has written and another has approved.
    pub resolution: Option<String>,
}
