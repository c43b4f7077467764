//! The actors: investigations answered from the live views.
//!
//! An agent may ask the views and nothing else, and every claim it makes cites the events that prove it. The path of a
//! question: `scope` (what is meant) → `router` (who is asked) → `graph`, `metrics`, `logs` (what they find) →
//! `synthesize` (one answer). No clock but for latency, no randomness: the same views give the same answer.

pub mod budget;
pub mod error;
mod evidence;
mod graph;
mod logs;
mod metrics;
pub mod model;
pub mod redact;
mod router;
mod rule_out;
mod scope;
mod synthesize;
pub mod tool;

use std::time::Instant;

use schemas::answer::{Answer, Question};
use schemas::read::ViewReader;

use crate::error::InvestigateError;

/// Answers a question from the views as of one epoch.
///
/// # Errors
/// The question cannot be answered as it stands: unknown tenant or service, window reversed or absurd, unreadable
/// epoch; or the engine has stopped.
pub async fn investigate(reader: &ViewReader, question: &Question) -> Result<Answer, InvestigateError> {
    let started = Instant::now();
    let known = evidence::gather(reader, question).await?;
    let scope = scope::resolve(question, &known)?;
    let plan = router::plan(question, &scope, &known);
    let mut results = Vec::with_capacity(plan.agents_selected.len());
    for agent in &plan.agents_selected {
        let at = Instant::now();
        let mut result = match agent.as_str() {
            "graph" => graph::ask(&scope, &known),
            "metrics" => metrics::ask(&scope, &known),
            _ => logs::ask(&scope, &known),
        };
        result.latency_ms = at.elapsed().as_secs_f64() * 1_000.0;
        results.push(result);
    }
    let mut answer = synthesize::answer(question, &scope, &known, plan, results);
    answer.latency_ms = started.elapsed().as_secs_f64() * 1_000.0;
    Ok(answer)
}
