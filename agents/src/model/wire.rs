//! What is sent to a model and what is understood of its answers. Pure.
//!
//! The shapes are those of "Create chat completion" and "Create embeddings" in the OpenAI API reference, which other
//! servers imitate with small differences: what is not needed is not required. The text of an answer is read by
//! [`super::strict`]; nothing else in it has an effect, and calls of tools, which nobody asks for, are only counted.

use schemas::ids::hash128;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ModelError;
use super::client::Settings;
use super::roles::Role;
use crate::redact;

/// What a repair tells of the text that was not understood, in characters.
const PREVIOUS_CHARS: usize = 2_000;
/// Tokens that a server may add around two messages.
const FRAME_TOKENS: u64 = 200;

/// One question to a model, free of secrets: it is made only by redaction.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatRequest {
    role: Role,
    data: String,
    schema: Value,
    repair: Option<(String, String)>,
}

impl ChatRequest {
    /// The question of a role about data from outside, answered by a schema.
    pub(crate) fn new(role: Role, data: &Value, schema: Value) -> Self {
        ChatRequest { role, data: redact::value(data).to_string(), schema, repair: None }
    }

    /// The same question once more, with what was wrong.
    pub(crate) fn repaired(&self, previous: &str, problem: &str) -> Self {
        let previous: String = previous.chars().take(PREVIOUS_CHARS).collect();
        ChatRequest { repair: Some((redact::text(&previous), problem.to_owned())), ..self.clone() }
    }

    /// Who asks.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Identifies what is asked, whichever model is asked.
    pub fn hash(&self) -> String {
        let schema = self.schema.to_string();
        let user = self.user();
        let parts = [self.role.version(), self.role.prompt(), &user, &schema];
        format!("req_{:032x}", hash128(&parts.map(str::as_bytes)))
    }

    /// What the user message says. Text from outside is inside of a string inside of an object.
    pub fn user(&self) -> String {
        match &self.repair {
            None => json!({ "data": self.data }).to_string(),
            Some((previous, problem)) => {
                json!({ "data": self.data, "previous_answer": previous, "problem": problem }).to_string()
            }
        }
    }

    /// Bytes that become tokens.
    pub(crate) fn bytes(&self) -> usize {
        self.role.prompt().len() + self.user().len() + self.schema.to_string().len()
    }

    /// More tokens than this the question cannot come to: no token is shorter than a byte.
    pub(crate) fn tokens_at_most(&self) -> u64 {
        FRAME_TOKENS + self.bytes() as u64
    }

    /// More tokens than this its repair cannot come to: what was answered, escaped, and what was wrong come on top.
    pub(crate) fn repair_tokens_at_most(&self) -> u64 {
        self.tokens_at_most() + 6 * (PREVIOUS_CHARS + super::strict::PROBLEM_CHARS) as u64
    }

    /// The document that is sent.
    pub(crate) fn body(&self, settings: &Settings) -> Value {
        let limit = if settings.reasoning { "max_completion_tokens" } else { "max_tokens" };
        let mut body = json!({
            "model": settings.model,
            "messages": [
                { "role": "system", "content": self.role.prompt() },
                { "role": "user", "content": self.user() },
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": { "name": self.role.as_str(), "strict": true, "schema": sent(&self.schema) },
            },
            limit: settings.max_tokens,
        });
        if !settings.reasoning {
            body["temperature"] = json!(0);
            body["seed"] = json!(settings.seed);
        }
        body
    }
}

/// A schema without the keywords that servers refuse ("Structured outputs", supported schemas): what they say is checked
/// when the answer is read.
fn sent(schema: &Value) -> Value {
    const REFUSED: [&str; 5] = ["uniqueItems", "minLength", "maxLength", "minItems", "maxItems"];
    match schema {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| !REFUSED.contains(&key.as_str()));
            Value::Object(kept.map(|(key, value)| (key.clone(), sent(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sent).collect()),
        other => other.clone(),
    }
}

/// Tokens, as reported by the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Of the question.
    pub input_tokens: u64,
    /// Of the answer.
    pub output_tokens: u64,
}

/// What is understood of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What the model says; or why that is not used.
    pub(crate) text: Result<String, String>,
    /// If it was reported.
    pub(crate) usage: Option<Usage>,
    /// Calls of tools, without effect.
    pub(crate) ignored_tool_calls: u64,
}

/// Understands an answer.
///
/// # Errors
/// There is no message in it.
pub(crate) fn reply(answer: &Value) -> Result<Reply, ModelError> {
    let choice = answer.pointer("/choices/0").ok_or_else(|| ModelError::Garbage("no choice".to_owned()))?;
    let message = choice.get("message").filter(|message| message.is_object());
    let message = message.ok_or_else(|| ModelError::Garbage("no message".to_owned()))?;
    let calls = message.get("tool_calls").and_then(Value::as_array).map_or(0, Vec::len);
    let call = message.get("function_call").is_some_and(Value::is_object);
    Ok(Reply {
        text: text(choice, message),
        usage: answer.get("usage").and_then(usage),
        ignored_tool_calls: calls as u64 + u64::from(call),
    })
}

fn text(choice: &Value, message: &Value) -> Result<String, String> {
    let refusal = message.get("refusal").and_then(Value::as_str).unwrap_or_default();
    if !refusal.is_empty() {
        return Err("refused".to_owned());
    }
    match choice.get("finish_reason").and_then(Value::as_str) {
        Some("length") => return Err("cut off at the limit of tokens".to_owned()),
        Some("content_filter") => return Err("withheld by a filter".to_owned()),
        _ => {}
    }
    match message.get("content") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) if parts.iter().any(|part| part.get("refusal").is_some()) => {
            Err("refused".to_owned())
        }
        Some(Value::Array(parts)) => {
            Ok(parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect())
        }
        _ => Err("no text".to_owned()),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let tokens = |names: [&str; 2]| names.iter().find_map(|name| usage.get(name).and_then(Value::as_u64));
    Some(Usage {
        input_tokens: tokens(["prompt_tokens", "input_tokens"])?,
        output_tokens: tokens(["completion_tokens", "output_tokens"]).unwrap_or_default(),
    })
}

/// The vectors of an answer in the order of the texts.
///
/// # Errors
/// Not one vector a text, not all of one length, or something in them that is no finite number.
pub(crate) fn vectors(answer: &Value, texts: usize) -> Result<(Vec<Vec<f32>>, Option<Usage>), ModelError> {
    let garbage = |why: &str| ModelError::Garbage(why.to_owned());
    let rows = answer.get("data").and_then(Value::as_array).ok_or_else(|| garbage("no data"))?;
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
    for (position, row) in rows.iter().enumerate() {
        let index =
            row.get("index").and_then(Value::as_u64).map_or(Some(position), |at| usize::try_from(at).ok());
        let slot =
            index.and_then(|index| vectors.get_mut(index)).ok_or_else(|| garbage("a vector of no text"))?;
        let numbers = row.get("embedding").and_then(Value::as_array).ok_or_else(|| garbage("no vector"))?;
        let numbers = numbers.iter().map(|number| number.as_f64().map(|number| number as f32));
        let vector: Vec<f32> = numbers
            .collect::<Option<_>>()
            .filter(|vector: &Vec<f32>| vector.iter().all(|x| x.is_finite()))
            .ok_or_else(|| garbage("not a number"))?;
        if slot.replace(vector).is_some() {
            return Err(garbage("two vectors of one text"));
        }
    }
    let vectors: Vec<Vec<f32>> =
        vectors.into_iter().collect::<Option<_>>().ok_or_else(|| garbage("a text without a vector"))?;
    let length = vectors.first().map(Vec::len);
    if length == Some(0) || vectors.iter().any(|vector| Some(vector.len()) != length) {
        return Err(garbage("vectors of several lengths"));
    }
    Ok((vectors, answer.get("usage").and_then(usage)))
}
