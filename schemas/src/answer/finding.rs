//! What agents found, what they left out, and what they asked systems outside.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Cost;
use crate::ids::EventId;

/// The unified agent result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentResult {
    /// `graph`, `metrics`, `logs`, `code`, `context`.
    pub agent: String,
    /// What it found, and what it looked for and did not find.
    pub findings: Vec<Finding>,
    /// What it did not look at, and why.
    pub skipped: Vec<Skipped>,
    /// References.
    pub artifacts: Vec<Artifact>,
    /// Money spent.
    pub cost: Cost,
    /// Wall-clock milliseconds.
    pub latency_ms: f64,
}

/// One finding of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// What sort of finding.
    pub kind: String,
    /// One sentence.
    pub detail: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Events that prove it.
    #[schema(value_type = Vec<String>)]
    pub event_ids: Vec<EventId>,
    /// Numbers of the tool calls that it rests on.
    pub calls: Vec<u32>,
}

/// A reference of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Artifact {
    /// `incident`, `event`, `view`.
    #[serde(rename = "type")]
    pub artifact_type: String,
    /// Id or address.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// Something that an agent did not look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Skipped {
    /// What.
    pub what: String,
    /// Why, and what would change that.
    pub why: String,
}

/// How a question to a system outside ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// It answered.
    Answered,
    /// It was not asked: not allowed, not valid, or not now.
    Refused,
    /// It was asked and gave nothing.
    Failed,
}

/// A question to a system outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ToolCall {
    /// Its place among the calls of the investigation, from 0.
    pub number: u32,
    /// Who asked.
    pub agent: String,
    /// `connection.operation`.
    pub tool: String,
    /// What exactly.
    #[schema(value_type = Object)]
    pub arguments: Value,
    /// How it ended.
    pub outcome: CallOutcome,
    /// Stable code of a refusal or failure.
    pub code: Option<String>,
    /// What it returned, or why it returned nothing. Data from outside.
    #[schema(value_type = Object)]
    pub result: Value,
    /// Money spent.
    pub usd_micros: u64,
    /// Wall-clock milliseconds.
    pub latency_ms: f64,
}

/// A tool as it stands for a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ToolStatus {
    /// `connection.operation`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// `graph`, `metrics`, `logs`, `code`, `context`.
    pub category: String,
    /// Whether it changes nothing outside.
    pub reads_only: bool,
    /// `closed`: it is called; `open`: it rests after failures; `half_open`: one call tries it.
    pub breaker: String,
    /// Whether it is switched on.
    pub enabled: bool,
}

/// Something that is switched off for a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SwitchedOff {
    /// `model`, `tools` for all of them, or the name of a tool.
    pub what: String,
    /// Whether it is off for every tenant, and not for this one alone.
    pub everybody: bool,
}
