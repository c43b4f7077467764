//! What a model may do, and nothing more: plan whom to ask, word what was found, draft the text of fixed steps.
//!
//! Contract: a model ranks nothing and calls nothing. What it is asked is redacted when the question is made; what it
//! answers is text that must read as exactly the document its role allows, with one repair at most, or its caller
//! falls back to what it would have said without a model. Every answer is recorded with what it cost, used or not.

pub mod check;
pub mod client;
mod guard;
pub(crate) mod measure;
pub mod price;
pub(crate) mod purse;
pub mod record;
pub mod roles;
mod strict;
#[cfg(test)]
mod tests;
pub(crate) mod voice;
pub mod wire;

use std::time::Duration;

use tokio::time::Instant;

use self::client::Client;
use self::record::Record;
pub use self::strict::Unfit;
use self::wire::{ChatRequest, Usage};
use crate::redact;

/// Answers of a model to one question at most: the first, and its repair.
const ANSWERS: usize = 2;

/// Why a model did not help, told as what its caller must do. In any case: fall back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The budget has no room: not before it has.
    #[error("the budget is spent")]
    Spent,
    /// Not with these credentials: a person has to mend something.
    #[error("denied: {0}")]
    Denied(String),
    /// Too many questions: the same may succeed after a while.
    #[error("limited")]
    Limited {
        /// When, if that was said.
        after: Option<Duration>,
    },
    /// Away or failing: the same may succeed later.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is nothing that can be used.
    #[error("not understood: {0}")]
    Garbage(String),
    /// Models are off: do not ask.
    #[error("models are off")]
    Disabled,
}

impl ModelError {
    /// Stable code, for records and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            ModelError::Spent => "spent",
            ModelError::Denied(_) => "denied",
            ModelError::Limited { .. } => "limited",
            ModelError::Unavailable(_) => "unavailable",
            ModelError::TimedOut => "timed_out",
            ModelError::Garbage(_) => "garbage",
            ModelError::Disabled => "disabled",
        }
    }

    /// Whether the model itself does not help, and asking it more would not either.
    pub(crate) fn is_of_the_model(&self) -> bool {
        matches!(
            self,
            ModelError::Denied(_)
                | ModelError::Limited { .. }
                | ModelError::Unavailable(_)
                | ModelError::TimedOut
        )
    }

    /// Whether the question may have been worked on, and so may have to be paid for.
    pub(crate) fn billed(&self) -> bool {
        matches!(self, ModelError::TimedOut | ModelError::Garbage(_))
    }
}

/// What answers questions.
#[derive(Clone, Debug)]
pub enum Model {
    /// A model at a server.
    Live(Client),
    /// What a model answered before.
    Recorded(Vec<Record>),
    /// Nothing.
    Off,
}

/// What was read of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion<T> {
    /// By the role's own reading.
    pub value: T,
    /// The answers it took, in order.
    pub records: Vec<Record>,
    /// All of them, in millionths of a dollar; nothing for a replay.
    pub usd_micros: u64,
}

/// Why nothing was read, and what that cost.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{why}")]
pub struct Failed {
    /// Why.
    pub why: ModelError,
    /// The answers that there were.
    pub records: Vec<Record>,
    /// All of them, in millionths of a dollar; a question that was given up counts as if answered at full length.
    pub usd_micros: u64,
}

impl Model {
    /// Why it is not to be asked at all now, if that is known.
    pub(crate) fn rests(&self) -> Option<ModelError> {
        let Model::Live(client) = self else { return None };
        client.rests()
    }

    /// What a question can cost at most, its repair included, in millionths of a dollar: what is to be reserved.
    pub fn worst_case(&self, request: &ChatRequest) -> u64 {
        let Model::Live(client) = self else { return 0 };
        full_cost(client, request.tokens_at_most())
            .saturating_add(full_cost(client, request.repair_tokens_at_most()))
    }

    /// Asks, reads, and asks once more if that did not read.
    ///
    /// # Errors
    /// Nothing was read in time. What it cost is told.
    pub async fn complete<T>(
        &self,
        request: &ChatRequest,
        read: impl Fn(&str) -> Result<T, Unfit>,
        within: Duration,
    ) -> Result<Completion<T>, Failed> {
        let ends = Instant::now() + within;
        let mut request = request.clone();
        let mut records: Vec<Record> = Vec::new();
        // What is replayed was paid for when it was recorded.
        let live = matches!(self, Model::Live(_));
        let cost = |records: &[Record]| {
            records.iter().filter(|_| live).fold(0_u64, |sum, one| sum.saturating_add(one.usd_micros))
        };
        loop {
            let record = match self.answer(&request, ends).await {
                Ok(record) => record,
                Err((why, lost)) => {
                    let usd_micros = cost(&records).saturating_add(lost);
                    return Err(Failed { why, records, usd_micros });
                }
            };
            records.push(record.clone());
            let problem = match record.unused {
                Some(problem) => problem,
                None => match read(&record.response) {
                    Ok(value) => {
                        let usd_micros = cost(&records);
                        return Ok(Completion { value, records, usd_micros });
                    }
                    Err(problem) => problem.to_string(),
                },
            };
            if ANSWERS <= records.len() {
                let usd_micros = cost(&records);
                return Err(Failed { why: ModelError::Garbage(problem), records, usd_micros });
            }
            request = request.repaired(&record.response, &problem);
        }
    }

    /// One answer, recorded; or why there is none, and what it may have cost.
    async fn answer(&self, request: &ChatRequest, ends: Instant) -> Result<Record, (ModelError, u64)> {
        match self {
            Model::Off => Err((ModelError::Disabled, 0)),
            Model::Recorded(records) => match record::find(records, &request.hash()) {
                Some(record) => Ok(record.clone()),
                None => Err((ModelError::Unavailable("no such record".to_owned()), 0)),
            },
            Model::Live(client) => match client.chat(request, ends).await {
                Ok(reply) => Ok(recorded(client, request, reply)),
                Err(why) => {
                    let lost = if why.billed() { full_cost(client, request.tokens_at_most()) } else { 0 };
                    Err((why, lost))
                }
            },
        }
    }
}

/// As many tokens asked, and an answer of full length.
fn full_cost(client: &Client, input_tokens: u64) -> u64 {
    let settings = client.settings();
    settings.price.cost(Usage { input_tokens, output_tokens: u64::from(settings.max_tokens) })
}

fn recorded(client: &Client, request: &ChatRequest, reply: wire::Reply) -> Record {
    // What is read is what is recorded: a replay must read the same.
    let (response, unused) = match reply.text {
        Ok(text) => (redact::text(&text), None),
        Err(why) => (String::new(), Some(why)),
    };
    // Of an answer that is not seen, full length is the only safe assumption when nothing was reported.
    let unseen = if unused.is_some() { 3 * client.settings().max_tokens as usize } else { 0 };
    let answered = if reply.usage.is_none() { response.len().max(unseen) } else { response.len() };
    let usage = price::counted(reply.usage, request.bytes(), answered);
    Record {
        role: request.role(),
        prompt_version: request.role().version().to_owned(),
        request_hash: request.hash(),
        response,
        unused,
        usage,
        usd_micros: client.settings().price.cost(usage),
        ignored_tool_calls: reply.ignored_tool_calls,
    }
}
