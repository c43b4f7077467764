//! The answer of an investigation: the stable contract of `POST /api/v1/investigate`.

mod finding;
mod runbook;

use serde::{Deserialize, Serialize};

pub use finding::{AgentResult, Artifact, CallOutcome, Finding, Skipped, SwitchedOff, ToolCall, ToolStatus};
pub use runbook::{Proposal, Runbook, RunbookStep, SimilarCase};

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
    /// Answer without a model, also when one is configured.
    #[serde(default)]
    pub no_llm: bool,
}

impl Question {
    /// A question in words, about everything and as of now.
    pub fn new(tenant_id: TenantId, query: impl Into<String>) -> Self {
        Question {
            tenant_id,
            query: query.into(),
            time_window: None,
            service: None,
            pivot_event_id: None,
            correlation_ids: Vec::new(),
            as_of: None,
            no_llm: false,
        }
    }
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
    /// The statements, in order, as one text.
    pub summary: String,
    /// What the answer says, sentence by sentence, each with what proves it.
    pub statements: Vec<Statement>,
    /// Root causes, best first.
    pub hypotheses: Vec<AnswerHypothesis>,
    /// Candidates that were looked at and dismissed.
    pub ruled_out: Vec<RuledOut>,
    /// Sources that said nothing, and why that matters.
    pub missing: Vec<Missing>,
    /// Closed incidents that went alike, most alike first.
    pub similar: Vec<SimilarCase>,
    /// What to do, each step tied to evidence; absent without a cause.
    pub runbook: Option<Runbook>,
    /// What each agent found.
    pub agent_results: Vec<AgentResult>,
    /// Questions to systems outside, in the order of their numbers.
    pub tool_calls: Vec<ToolCall>,
    /// How the agents were chosen.
    pub plan: Plan,
    /// Money spent.
    pub cost: Cost,
    /// Wall-clock milliseconds.
    pub latency_ms: f64,
}

/// One sentence of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Statement {
    /// The sentence.
    pub text: String,
    /// Events that prove it; all of them stand in the evidence of a hypothesis or of what was ruled out.
    #[schema(value_type = Vec<String>)]
    pub event_ids: Vec<EventId>,
    /// Numbers of the tool calls that it rests on.
    pub calls: Vec<u32>,
    /// Views that were read and held nothing: what proves an absence.
    pub absent_from: Vec<String>,
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
    /// How the words were understood, and what in them was not.
    pub notes: Vec<String>,
}

/// When an answer was true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AnswerAsOf {
    /// Engine epoch.
    pub epoch: Epoch,
    /// Greatest event time seen.
    #[schema(value_type = String, format = DateTime)]
    pub event_time: EventTime,
    /// Over, and beyond what late events may change.
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
    /// What speaks for it against its rivals, 0 to 1: what the confidence is read from.
    pub weight: f64,
    /// The incident it belongs to; `inc_` and zeros when unusual measurements are all there is.
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

/// How the agents were chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Plan {
    /// `rules` or `model`.
    pub decided_by: String,
    /// In order.
    pub agents_selected: Vec<String>,
    /// Why.
    pub reasoning: String,
    /// Routes that selected an agent, in order.
    pub routes: Vec<String>,
    /// How unsure the rules are, 0 to 1000.
    pub ambiguity_milli: u32,
    /// Prompt that planned, when a model did.
    pub prompt: Option<String>,
}

/// An investigation had again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Again {
    /// The answer of now.
    pub answer: Answer,
    /// Places that differ from the answer of then, as JSON pointers, ten at most; none when it is the same. What clocks
    /// measured is not compared.
    pub differences: Vec<String>,
}

/// One step of an investigation under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Step {
    /// `scope`, `plan`, `agent`, `answer`.
    pub step: String,
    /// What was found.
    pub detail: String,
}

/// Money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cost {
    /// Model calls.
    pub llm_usd: f64,
    /// Paid interfaces.
    pub api_usd: f64,
}
