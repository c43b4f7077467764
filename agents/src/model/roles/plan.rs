//! Which agents look, when the rules are unsure.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Role, free};
use crate::model::wire::ChatRequest;
use crate::model::{Completion, Failed, Model, Unfit, check, strict};

/// Characters of a question that are sent.
const QUESTION_CHARS: usize = 2_000;
/// Characters of a reason.
const REASON_CHARS: usize = 200;

/// An agent that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// One line on what it looks at.
    pub description: String,
    /// Whether its sources have spoken.
    pub has_data: bool,
}

/// What there is to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// As a person asked.
    pub question: String,
    /// In the order in which they are asked.
    pub agents: Vec<Agent>,
    /// What the question may be after.
    pub intents: Vec<String>,
}

/// Who looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Some of the agents, in the order of the facts.
    pub agents: Vec<String>,
    /// Why; empty if what the model gave is nothing to show.
    pub reason: String,
}

/// The question.
pub fn request(facts: &Facts) -> ChatRequest {
    let agent = |agent: &Agent| json!({ "name": agent.name, "description": agent.description, "has_data": agent.has_data });
    let data = json!({
        "question": free(&facts.question, QUESTION_CHARS),
        "agents": facts.agents.iter().map(agent).collect::<Vec<Value>>(),
        "intents": facts.intents,
    });
    ChatRequest::new(Role::Plan, &data, schema(facts))
}

fn schema(facts: &Facts) -> Value {
    let names: Vec<&str> = facts.agents.iter().map(|agent| agent.name.as_str()).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["agents", "reason"],
        "properties": {
            "agents": { "type": "array", "minItems": 1, "maxItems": names.len(), "uniqueItems": true,
                        "items": { "type": "string", "enum": names } },
            "reason": { "type": "string", "maxLength": REASON_CHARS },
        },
    })
}

/// Reads an answer.
///
/// # Errors
/// It is not a choice among these agents.
pub fn read(text: &str, facts: &Facts) -> Result<Chosen, Unfit> {
    let value = strict::read(text, &schema(facts))?;
    let named = value.get("agents").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let chosen = |name: &&String| named.iter().any(|one| one.as_str() == Some(name.as_str()));
    let agents: Vec<String> = facts.agents.iter().map(|agent| &agent.name).filter(chosen).cloned().collect();
    let reason = value.get("reason").and_then(Value::as_str).unwrap_or_default();
    // The reason decides nothing, so it costs no repair: it is shown if it is made of what was asked about.
    let mut known = format!("{} {}", free(&facts.question, QUESTION_CHARS), facts.intents.join(" "));
    for agent in &facts.agents {
        known.push_str(&format!(" {} {}", agent.name, agent.description));
    }
    let shown = check::sentence(reason, &[&known], &Default::default()).is_ok();
    Ok(Chosen { agents, reason: if shown { reason.to_owned() } else { String::new() } })
}

impl Model {
    /// Chooses agents.
    ///
    /// # Errors
    /// No choice in time.
    pub async fn plan(&self, facts: &Facts, within: Duration) -> Result<Completion<Chosen>, Failed> {
        self.complete(&request(facts), |text| read(text, facts), within).await
    }
}
