//! Who answers a planned call: the tools, or the record of an investigation that is had again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use schemas::answer::{CallOutcome, Skipped, ToolCall};
use schemas::ids::TenantId;
use serde_json::{Value, json};

use crate::plan::calls::PlannedCall;
use crate::tool::registry::{Called, Toolbox};
use crate::tool::{Metadata, ToolError};

/// Who answers.
#[derive(Clone)]
pub(crate) enum Caller {
    /// The tools.
    Live(Arc<Toolbox>),
    /// What they answered then.
    Recorded(Arc<Vec<ToolCall>>),
}

impl Caller {
    /// The tools of a tenant, as they are or as they were called.
    pub(crate) fn tools(&self, tenant: &TenantId) -> Vec<Metadata> {
        match self {
            Caller::Live(toolbox) => toolbox.list(tenant),
            Caller::Recorded(_) => Vec::new(),
        }
    }

    /// What a tenant would have if it had been there; told of in a recorded investigation by its agents.
    pub(crate) fn away(&self, tenant: &TenantId) -> Vec<Skipped> {
        let Caller::Live(toolbox) = self else { return Vec::new() };
        let skipped = |connection: &str| Skipped {
            what: connection.to_owned(),
            why: "its server was away when the program started; restart the program once it is there"
                .to_owned(),
        };
        toolbox.away(tenant).map(skipped).collect()
    }

    /// Asks; numbers are given later, when the order of all calls is known.
    pub(crate) async fn call(
        &self,
        tenant: &TenantId,
        agent: &str,
        allowed: &BTreeSet<String>,
        planned: &PlannedCall,
        within: Duration,
    ) -> ToolCall {
        match self {
            Caller::Live(toolbox) => {
                let (tool, arguments) = (&planned.tool, planned.arguments.clone());
                told(agent, toolbox.call(tenant, (agent, allowed), tool, arguments, within).await)
            }
            Caller::Recorded(calls) => {
                let same = |call: &&ToolCall| {
                    call.agent == agent && call.tool == planned.tool && call.arguments == planned.arguments
                };
                calls.iter().find(same).cloned().unwrap_or_else(|| unrecorded(agent, planned))
            }
        }
    }
}

fn told(agent: &str, called: Called) -> ToolCall {
    let (outcome, code, result) = match called.outcome {
        Ok(output) => (CallOutcome::Answered, None, output.content),
        Err(error) => {
            let refused =
                matches!(error, ToolError::Arguments(_) | ToolError::Denied(_) | ToolError::Limited { .. });
            let outcome = if refused { CallOutcome::Refused } else { CallOutcome::Failed };
            (outcome, Some(error.code().to_owned()), json!({ "problem": error.to_string() }))
        }
    };
    ToolCall {
        number: 0,
        agent: agent.to_owned(),
        tool: called.tool,
        arguments: called.arguments,
        outcome,
        code,
        result,
        usd_micros: called.usd_micros,
        latency_ms: called.elapsed.as_secs_f64() * 1_000.0,
    }
}

fn unrecorded(agent: &str, planned: &PlannedCall) -> ToolCall {
    ToolCall {
        number: 0,
        agent: agent.to_owned(),
        tool: planned.tool.clone(),
        arguments: planned.arguments.clone(),
        outcome: CallOutcome::Failed,
        code: Some("unrecorded".to_owned()),
        result: Value::Null,
        usd_micros: 0,
        latency_ms: 0.0,
    }
}
