//! One agent at work: what it knows from the views, and what its tools return within its time.

pub(crate) mod code;
pub(crate) mod context;
pub(crate) mod graph;
pub(crate) mod logs;
pub(crate) mod metrics;
mod reading;

use std::collections::BTreeSet;

use futures_util::future::join_all;
use schemas::answer::{AgentResult, Artifact, CallOutcome, Cost, Finding, SimilarCase, Skipped, ToolCall};
use schemas::ids::TenantId;
use serde_json::Value;
use tokio::time::Instant;
use tracing::Instrument;

use crate::caller::Caller;
use crate::evidence::Known;
use crate::plan::calls::PlannedCall;
use crate::plan::roster::AgentSpec;
use crate::redact;
use crate::scope::Resolved;

/// What an agent works with.
pub(crate) struct Case<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) resolved: &'a Resolved,
    pub(crate) known: &'a Known,
    pub(crate) similar: &'a [SimilarCase],
    pub(crate) caller: &'a Caller,
    pub(crate) ends: Instant,
}

/// What an agent is to do, fixed before anything from outside was read.
pub(crate) struct Assignment<'a> {
    pub(crate) spec: &'a AgentSpec,
    pub(crate) calls: Vec<PlannedCall>,
    pub(crate) skipped: Vec<Skipped>,
}

/// What an agent reports, with its calls in the order in which they were planned.
pub(crate) struct Report {
    pub(crate) result: AgentResult,
    pub(crate) calls: Vec<ToolCall>,
}

/// Findings from the views.
#[derive(Default)]
pub(crate) struct Live {
    pub(crate) findings: Vec<Finding>,
    pub(crate) artifacts: Vec<Artifact>,
}

impl Live {
    /// Adds that something was looked for in vain.
    pub(crate) fn nothing(&mut self, what: &str) {
        let detail = format!("looked for {what} in the scope and found none");
        self.findings.push(finding("nothing_found", detail, Vec::new()));
    }
}

/// A finding from the views: what the views hold is certain.
pub(crate) fn finding(kind: &str, detail: String, event_ids: Vec<schemas::ids::EventId>) -> Finding {
    Finding { kind: kind.to_owned(), detail, confidence: 1.0, event_ids, calls: Vec::new() }
}

/// Lets an agent work. It ends within its time, and within that of the investigation: each call does.
pub(crate) async fn work(case: &Case<'_>, assignment: Assignment<'_>) -> Report {
    let started = Instant::now();
    let Assignment { spec, calls, skipped } = assignment;
    let live = match spec.name.as_str() {
        "graph" => graph::look(case.resolved, case.known),
        "metrics" => metrics::look(case.resolved, case.known),
        "logs" => logs::look(case.resolved, case.known),
        "code" => code::look(case.resolved, case.known),
        "context" => context::look(case.resolved, case.known, case.similar),
        _ => Live::default(),
    };
    let allowed: BTreeSet<String> = calls.iter().map(|call| call.tool.clone()).collect();
    let within = spec.timeout.min(case.ends.saturating_duration_since(started));
    let asked = calls.iter().map(|call| case.caller.call(case.tenant, &spec.name, &allowed, call, within));
    let span = tracing::info_span!("agent", tenant = %case.tenant, agent = spec.name);
    let calls = join_all(asked).instrument(span).await;
    let Live { mut findings, artifacts } = live;
    for finding in &mut findings {
        finding.detail = redact::text(&finding.detail);
    }
    for (index, call) in (0..).zip(&calls) {
        findings.extend(read(index, call));
    }
    let mut skipped = skipped;
    skipped.extend(calls.iter().filter(|call| call.outcome != CallOutcome::Answered).map(|call| Skipped {
        what: call.tool.clone(),
        why: call.result.get("problem").and_then(Value::as_str).unwrap_or("no answer").to_owned(),
    }));
    let micros: u64 = calls.iter().map(|call| call.usd_micros).sum();
    // Money is far below what a float counts exactly.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let cost = Cost { llm_usd: 0.0, api_usd: micros as f64 / 1e6 };
    let latency_ms = started.elapsed().as_secs_f64() * 1_000.0;
    let result = AgentResult { agent: spec.name.clone(), findings, skipped, artifacts, cost, latency_ms };
    Report { result, calls }
}

/// What a tool returned, as findings.
fn read(index: u32, call: &ToolCall) -> Vec<Finding> {
    if call.outcome != CallOutcome::Answered {
        return Vec::new();
    }
    let found = |detail: String| Finding {
        kind: call.tool.clone(),
        detail: redact::text(&detail),
        confidence: 1.0,
        event_ids: Vec::new(),
        calls: vec![index],
    };
    reading::sentences(&call.result).into_iter().map(found).collect()
}

/// Gives the calls of all agents their numbers, in order, and tells the findings.
pub(crate) fn number(reports: &mut [Report]) {
    let mut next = 0u32;
    for report in reports {
        for finding in &mut report.result.findings {
            finding.calls.iter_mut().for_each(|call| *call += next);
        }
        for call in &mut report.calls {
            call.number = next;
            next += 1;
        }
    }
}
