//! The answer of an investigation: the stable contract of `POST /api/v1/investigate`.

use serde::{Deserialize, Serialize};

use crate::ids::{EpisodeId, EventId, IncidentId, TenantId};
use crate::time::{Epoch, EventTime};

/// A question about one tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Whose production.
    #[schema(value_type = String, example = "shop")]
    pub tenant_id: TenantId,
    /// Free text: "why is checkout failing?".
    #[serde(default)]
    pub query: String,
    /// Which stretch of time; the whole readable past when absent.
    #[serde(default)]
    pub time_window: Option<TimeWindow>,
    /// Logical service or workload, by name or `namespace/name`.
    #[serde(default)]
    pub service: Option<String>,
    /// An event to start from.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub pivot_event_id: Option<EventId>,
    /// Trace ids, commits or workflow names to start from.
    #[serde(default)]
    pub correlation_ids: Vec<String>,
    /// Answer as of this epoch instead of the latest.
    #[serde(default)]
    pub as_of: Option<Epoch>,
}

/// Start inclusive, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeWindow {
    /// Start.
    #[schema(value_type = String, format = DateTime)]
    pub from: EventTime,
    /// End.
    #[schema(value_type = String, format = DateTime)]
    pub to: EventTime,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Answer {
    /// Deterministic: hash of question, epoch and evidence.
    pub investigation_id: String,
    /// Whose production.
    #[schema(value_type = String)]
    pub tenant_id: TenantId,
    /// What the question was taken to mean.
    pub scope: Scope,
    /// `answered`, `no_clear_root_cause`, or `no_data`.
    pub status: AnswerStatus,
    /// When this was true.
    pub as_of: AnswerAsOf,
    /// One sentence, best cause first; every name in it stands in the evidence.
    pub summary: String,
    /// Root causes, best first.
    pub hypotheses: Vec<AnswerHypothesis>,
    /// Candidates that were looked at and dismissed.
    pub ruled_out: Vec<RuledOut>,
    /// Sources that said nothing, and why that matters.
    pub missing: Vec<Missing>,
    /// What each agent found.
    pub agent_results: Vec<AgentResult>,
    /// How the agents were chosen.
    pub plan: Plan,
    /// Money spent.
    pub cost: Cost,
    /// Wall-clock milliseconds.
    pub latency_ms: f64,
}

/// Outcome of an investigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// There is a first hypothesis.
    Answered,
    /// There is trouble, and no cause stands out.
    NoClearRootCause,
    /// No trouble was seen in the scope.
    NoData,
}

/// What the question was taken to mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Scope {
    /// Stretch of time.
    pub time_window: Option<TimeWindow>,
    /// Entities the question names, as `kind/namespace/name`.
    pub entities: Vec<String>,
    /// Incidents in scope.
    #[schema(value_type = Vec<String>)]
    pub incident_ids: Vec<IncidentId>,
    /// Event to start from.
    #[schema(value_type = Option<String>)]
    pub pivot_event_id: Option<EventId>,
    /// Ids to start from.
    pub correlation_ids: Vec<String>,
}

/// When an answer was true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AnswerAsOf {
    /// Engine epoch.
    pub epoch: Epoch,
    /// Greatest event time seen.
    #[schema(value_type = String, format = DateTime)]
    pub event_time: EventTime,
    /// Beyond the horizon for late events: will not change.
    pub settled: bool,
    /// Wall-clock milliseconds since the epoch was sealed.
    pub freshness_ms: u64,
}

/// One root cause with its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AnswerHypothesis {
    /// From 1.
    pub rank: u32,
    /// Probability that it is the root cause, 0 to 1.
    pub confidence: f64,
    /// The incident it belongs to.
    #[schema(value_type = String)]
    pub incident_id: IncidentId,
    /// The cause.
    pub root_cause: RootCause,
    /// From the root to the farthest symptom.
    pub chain: Vec<ChainLink>,
    /// Every event cited.
    pub evidence: Vec<EvidenceItem>,
    /// Episodes it explains, as `kind on entity`.
    pub explains: Vec<String>,
}

/// The cause named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RootCause {
    /// Kind id.
    pub kind: String,
    /// `kind/namespace/name`.
    pub entity: String,
    /// What an SRE would say.
    pub summary: String,
    /// Events that prove it.
    #[schema(value_type = Vec<String>)]
    pub event_ids: Vec<EventId>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub onset: EventTime,
}

/// One end of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChainEnd {
    /// Episode.
    #[schema(value_type = String)]
    pub episode_id: EpisodeId,
    /// Kind id.
    pub kind: String,
    /// `kind/namespace/name`.
    pub entity: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub onset: EventTime,
    /// Events that prove it.
    #[schema(value_type = Vec<String>)]
    pub event_ids: Vec<EventId>,
}

/// One link of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChainLink {
    /// Cause.
    pub cause: ChainEnd,
    /// Effect.
    pub effect: ChainEnd,
    /// Rule id and version, `R20@1`.
    pub rule: String,
    /// Way from the effect's entity to the cause's entity.
    pub relation: String,
    /// Effect's onset minus cause's onset.
    pub lag_ms: i64,
    /// 0 to 1000.
    pub strength: u32,
}

/// A cited event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EvidenceItem {
    /// Event id.
    #[schema(value_type = String)]
    pub event_id: EventId,
    /// Source system.
    pub source: String,
    /// Event time.
    #[schema(value_type = String, format = DateTime)]
    pub at: EventTime,
    /// One line.
    pub summary: String,
    /// Where its bytes are: `topic[partition]@offset`.
    pub position: String,
}

/// A dismissed candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RuledOut {
    /// `kind on entity`.
    pub candidate: String,
    /// Why not.
    pub reason: String,
    /// Events that prove the candidate was there.
    #[schema(value_type = Vec<String>)]
    pub event_ids: Vec<EventId>,
}

/// A source that said nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Missing {
    /// Source.
    pub source: String,
    /// Why it matters.
    pub why: String,
}

/// The unified agent result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AgentResult {
    /// `graph`, `metrics`, `logs`, `code`, `context`.
    pub agent: String,
    /// What it found, and what it looked for and did not find.
    pub findings: Vec<Finding>,
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

/// How the agents were chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Plan {
    /// `rules` or `model`.
    pub decided_by: String,
    /// In order.
    pub agents_selected: Vec<String>,
    /// Why.
    pub reasoning: String,
}

/// Money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cost {
    /// Model calls.
    pub llm_usd: f64,
    /// Paid interfaces.
    pub api_usd: f64,
}
