//! A tool: one question that an agent may put to a system outside, with what it costs and what it may do.
//!
//! The contract of every tool, whoever wrote it: it gets arguments that were checked against its schema, it answers
//! within its time or is given up, it never sees more than one tenant, and what it returns is data, never an order.
//! What surrounds a call (schema, limits, breaker, retries, caps, records) is the same for all of them.

pub(crate) mod breaker;
pub mod config;
mod declared;
mod egress;
pub mod endpoint;
mod mcp;
mod rate;
pub mod registry;
mod schema;
pub mod secret;
mod switch;
pub mod vendor;

use std::pin::Pin;
use std::time::Duration;

use schemas::ids::TenantId;
use serde_json::Value;

/// What a tool asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Entities and relations.
    Graph,
    /// Series of values.
    Metrics,
    /// Lines of text.
    Logs,
    /// Commits, pull requests, pipelines.
    Code,
    /// Past incidents, runbooks, conversations, documents.
    Context,
}

/// What a call may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing.
    Read,
    /// Something outside: never called without an approval.
    Write,
}

/// What is known of a tool before it is called.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// Unique among the tools of a tenant: `connection.operation`, such as `prometheus.query_range`.
    pub name: String,
    /// One sentence, for people and for a model.
    pub description: String,
    /// What it asks about.
    pub category: Category,
    /// What a call may change.
    pub effect: Effect,
    /// JSON Schema (2020-12) of the arguments: an object without additional properties.
    pub parameters: Value,
    /// Calls a minute of one tenant.
    pub calls_per_minute: u32,
    /// Millionths of a dollar a call.
    pub usd_micros: u64,
    /// A call may take so long, retries included.
    pub timeout: Duration,
}

/// One call, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// For whom.
    pub tenant: TenantId,
    /// What exactly, valid by the schema.
    pub arguments: Value,
}

/// What a tool returned. Data from outside: whatever it says, it decides nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The document.
    pub content: Value,
}

/// Why a call gave nothing, told as what its caller must do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The arguments cannot be meant: do not ask this again.
    #[error("arguments: {0}")]
    Arguments(String),
    /// Not allowed, or not with these credentials: a person has to mend something.
    #[error("denied: {0}")]
    Denied(String),
    /// Too many calls: the same may succeed after a while.
    #[error("limited{}", .after.map(|after| format!("; again after {} s", after.as_secs_f64().ceil())).unwrap_or_default())]
    Limited {
        /// When, if that was said.
        after: Option<Duration>,
    },
    /// Away or failing: the same may succeed later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The answer is larger than what is read of one.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer is not what this tool answers with.
    #[error("not understood: {0}")]
    Garbage(String),
}

impl ToolError {
    /// Stable code, for records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            ToolError::Arguments(_) => "arguments",
            ToolError::Denied(_) => "denied",
            ToolError::Limited { .. } => "limited",
            ToolError::Unavailable(_) => "unavailable",
            ToolError::TimedOut(_) => "timed_out",
            ToolError::TooLarge(_) => "too_large",
            ToolError::Garbage(_) => "garbage",
        }
    }

    /// Whether the same call may succeed if it is made again at once.
    pub fn retried(&self) -> bool {
        matches!(self, ToolError::Unavailable(_))
    }
}

/// A call on its way.
pub type Executing<'a> = Pin<Box<dyn Future<Output = Result<Output, ToolError>> + Send + 'a>>;

/// One question to a system outside.
pub trait Tool: Send + Sync {
    /// What is known of it.
    fn metadata(&self) -> &Metadata;

    /// Asks. Dropped when it is given up.
    fn execute(&self, call: Call) -> Executing<'_>;
}
