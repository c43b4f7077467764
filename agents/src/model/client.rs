//! The thin part: asks an OpenAI-compatible server within a deadline, again when that may help and costs little, and not at
//! all while its breaker is open.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::ModelError;
use super::guard::{Guard, IN_DOUBT};
use super::price::{Price, estimate};
use super::wire::{self, ChatRequest, Reply, Usage};
use crate::redact;
use crate::tool::ToolError;
use crate::tool::endpoint::Endpoint;

/// Times that a question is asked again.
const RETRIES: u32 = 2;
/// Before the first of them, unless the server says when; doubled each time.
const PAUSE: Duration = Duration::from_millis(200);

/// How a model is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name at the server.
    pub model: String,
    /// What it costs.
    pub price: Price,
    /// Tokens of an answer at most.
    pub max_tokens: u32,
    /// Asked with, for answers that repeat as far as the server keeps to it.
    pub seed: u64,
    /// Whether it is a reasoning model, which accepts neither a temperature nor a seed and counts its limit otherwise.
    pub reasoning: bool,
}

/// A model at a server.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
    settings: Settings,
    guard: Guard,
}

/// Vectors of texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// One a text, all of one length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of the texts, as counted.
    pub tokens: u64,
    /// Millionths of a dollar.
    pub usd_micros: u64,
}

impl Client {
    /// A model at a server; the endpoint's path is what comes before `/chat/completions`, such as `/v1`.
    pub fn new(endpoint: Endpoint, settings: Settings) -> Self {
        let guard = Guard::new(&settings.model);
        Client { endpoint, settings, guard }
    }

    /// How it is asked.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Why it is not asked now, if that is so.
    pub(crate) fn rests(&self) -> Option<ModelError> {
        self.guard.rests()
    }

    /// Answers a question.
    pub(crate) async fn chat(&self, request: &ChatRequest, ends: Instant) -> Result<Reply, ModelError> {
        let body = request.body(&self.settings);
        self.guarded(&["chat", "completions"], &body, ends, wire::reply).await
    }

    /// Vectors of texts, by the model of the settings. Secrets in them are not sent.
    ///
    /// # Errors
    /// No vectors in time.
    pub async fn embed(&self, texts: &[String], within: Duration) -> Result<Embedded, ModelError> {
        if texts.is_empty() {
            return Ok(Embedded { vectors: Vec::new(), tokens: 0, usd_micros: 0 });
        }
        let texts: Vec<String> = texts.iter().map(|text| redact::text(text)).collect();
        let body = json!({ "model": self.settings.model, "input": texts, "encoding_format": "float" });
        let ends = Instant::now() + within;
        let read = |answer: &Value| wire::vectors(answer, texts.len());
        let (vectors, usage) = self.guarded(&["embeddings"], &body, ends, read).await?;
        let reported = usage.unwrap_or_default().input_tokens;
        let counted = reported.max(estimate(texts.iter().map(String::len).sum()));
        let usd_micros = self.settings.price.cost(Usage { input_tokens: counted, output_tokens: 0 });
        Ok(Embedded { vectors, tokens: counted, usd_micros })
    }

    /// What vectors of texts can cost at most, in millionths of a dollar: no token is shorter than a byte.
    pub(crate) fn embedding_cost_at_most(&self, texts: &[String]) -> u64 {
        let bytes: usize = texts.iter().map(String::len).sum();
        self.settings.price.cost(Usage { input_tokens: bytes as u64, output_tokens: 0 })
    }

    /// Asks unless the breaker is open, and tells it what came of that.
    async fn guarded<T>(
        &self,
        path: &[&str],
        body: &Value,
        ends: Instant,
        read: impl Fn(&Value) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        tracing::Span::current().record("model", self.settings.model.as_str());
        let mut leave = self.guard.admit()?;
        let answered = self.send(path, body, leave.until(ends)).await;
        let outcome = answered.and_then(|answer| read(&answer));
        leave.ended(&outcome);
        outcome
    }

    async fn send(&self, path: &[&str], body: &Value, ends: Instant) -> Result<Value, ModelError> {
        let mut pause = PAUSE;
        // Who says no is asked again only for a short while; who says nothing is waited for.
        let again_until = ends.min(Instant::now() + IN_DOUBT);
        for retries_left in (0..=RETRIES).rev() {
            let answered = timeout_at(ends, self.endpoint.post(path, body)).await;
            let error = match answered {
                Err(_) => return Err(ModelError::TimedOut),
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => ModelError::from(error),
            };
            let wait = match &error {
                ModelError::Unavailable(_) => pause,
                ModelError::Limited { after } => after.unwrap_or(pause),
                _ => return Err(error),
            };
            // Waiting beyond that would only make the fallback later.
            let in_time = Instant::now().checked_add(wait).is_some_and(|at| at < again_until);
            if retries_left == 0 || !in_time {
                return Err(error);
            }
            sleep(wait).await;
            pause *= 2;
        }
        Err(ModelError::TimedOut)
    }
}

impl From<ToolError> for ModelError {
    fn from(error: ToolError) -> Self {
        match error {
            ToolError::Denied(why) => ModelError::Denied(why),
            ToolError::Limited { after } => ModelError::Limited { after },
            ToolError::Unavailable(why) => ModelError::Unavailable(why),
            ToolError::TimedOut(_) => ModelError::TimedOut,
            ToolError::Arguments(why) | ToolError::Garbage(why) => ModelError::Garbage(why),
            ToolError::TooLarge(bytes) => ModelError::Garbage(format!("more than {bytes} bytes")),
        }
    }
}
