//! The actors: investigations answered from the live views and from the systems around them.
//!
//! An agent may ask the views, and systems outside through tools; it changes nothing. Every claim cites the events that
//! prove it, and no text from outside decides anything. The path of a question: `scope` (what is meant) → `router` (who is
//! asked) → `agent` (what each finds; `calls` fixes what it asks outside, `caller` asks) → `synthesize` (one answer).
//! `again` has an investigation again; `memory` compares it with closed ones; `runbook` says what to do.

mod again;
mod agent;
mod alike;
mod caller;
mod calls;
mod desk;
pub mod error;
mod evidence;
mod investigate;
pub mod memory;
pub mod model;
mod purse;
pub mod redact;
pub mod roster;
mod router;
mod rule_out;
pub mod runbook;
mod scope;
mod slots;
mod statements;
mod suspects;
mod synthesize;
pub mod tool;
mod voice;
pub mod watch;

use schemas::answer::{Answer, Question};
use schemas::read::ViewReader;

use crate::error::InvestigateError;

pub use alike::Embedder;
pub use desk::Desk;
pub use investigate::{Investigator, Steps};
pub use router::UNSURE_MILLI;
pub use voice::Voice;

/// Answers a question from the views alone: without tools, model or memory.
///
/// # Errors
/// As [`Investigator::investigate`].
pub async fn investigate(reader: &ViewReader, question: &Question) -> Result<Answer, InvestigateError> {
    Ok(Investigator::new(reader.clone()).investigate(question, None).await?.answer)
}
