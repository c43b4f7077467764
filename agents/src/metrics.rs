//! The metrics agent: anomalies of values and rates in scope.

use schemas::answer::{AgentResult, Cost};

use crate::evidence::Known;
use crate::logs::report;
use crate::scope::Resolved;

/// What metrics and traces say of the scope.
pub(crate) fn ask(resolved: &Resolved, known: &Known) -> AgentResult {
    let (findings, artifacts) =
        report(resolved, known, &["metric.", "trace."], "anomalies of metrics and traces");
    AgentResult { agent: "metrics".to_owned(), findings, artifacts, cost: Cost::default(), latency_ms: 0.0 }
}
