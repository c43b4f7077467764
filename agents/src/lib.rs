//! The actors: investigations answered from the live views and from the systems around them.
//!
//! An agent may ask the views, and systems outside through tools; it changes nothing. Every claim cites the events that
//! prove it, and no text from outside decides anything. The path of a question: `understand` (what `scope` says is meant, and what the views hold of it) → `plan` (who is
//! asked what) → `agent` (what each finds; `caller` asks outside) → `synthesize` (one answer). `again` has an investigation
//! again; `memory` compares it with closed ones; `desk` and `watch` are where questions come from.

mod again;
mod agent;
mod caller;
mod desk;
pub mod error;
mod evidence;
mod investigate;
pub mod memory;
pub mod model;
pub mod plan;
pub mod redact;
mod scope;
mod synthesize;
pub mod tool;
mod understand;
pub mod watch;

use schemas::answer::{Answer, Question};
use schemas::read::ViewReader;

use crate::error::InvestigateError;

pub use desk::Desk;
pub use investigate::{DEADLINE, Investigator, Steps};
pub use memory::alike::Embedder;
pub use model::voice::Voice;
pub use plan::router::UNSURE_MILLI;

/// Answers a question from the views alone: without tools, model or memory.
///
/// # Errors
/// As [`Investigator::investigate`].
pub async fn investigate(reader: &ViewReader, question: &Question) -> Result<Answer, InvestigateError> {
    Ok(Investigator::new(reader.clone()).investigate(question, None).await?.answer)
}
