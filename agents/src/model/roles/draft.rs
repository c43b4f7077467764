//! Titles and texts for the steps of a runbook. The steps, their order and their commands never pass through a model's
//! answer: it only gives words for what is there.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Role, free};
use crate::model::wire::ChatRequest;
use crate::model::{Completion, Failed, Model, Unfit, check, strict};

/// Steps of a runbook that is worded.
const STEPS: usize = 30;
/// Characters of a step that are sent.
const STEP_CHARS: usize = 1_000;
/// Characters of a title.
const TITLE_CHARS: usize = 80;
/// Characters of a text.
const TEXT_CHARS: usize = 300;

/// A step as it is fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Free of secrets.
    text: String,
    command: String,
}

impl Step {
    /// A step, with the command that is shown beside it, if any.
    pub fn new(text: &str, command: &str) -> Self {
        Step { text: free(text, STEP_CHARS), command: free(command, STEP_CHARS) }
    }
}

/// What there is to word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// In their order; a runbook of more than 30 steps is not worded.
    pub steps: Vec<Step>,
    /// Names of things that a text may name only if its step does.
    pub names: BTreeSet<String>,
}

/// Words for one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line.
    pub title: String,
    /// What to do and what to look for.
    pub text: String,
}

/// The question.
pub fn request(facts: &Facts) -> ChatRequest {
    let step = |(number, step): (usize, &Step)| json!({ "step": number, "text": step.text, "command": step.command });
    let steps: Vec<Value> = (1..).zip(facts.steps.iter().take(STEPS)).map(step).collect();
    ChatRequest::new(Role::Draft, &json!({ "steps": steps }), schema(facts))
}

fn schema(facts: &Facts) -> Value {
    let count = facts.steps.len();
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["steps"],
        "properties": {
            "steps": { "type": "array", "minItems": count, "maxItems": count, "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["step", "title", "text"],
                "properties": {
                    "step": { "type": "integer", "minimum": 1, "maximum": count },
                    "title": { "type": "string", "minLength": 1, "maxLength": TITLE_CHARS },
                    "text": { "type": "string", "minLength": 1, "maxLength": TEXT_CHARS },
                },
            } },
        },
    })
}

/// Reads an answer: one item a step, `None` where the words do not keep to their step and its own text stays.
///
/// # Errors
/// It is not of the form, the steps are not these in their order, or no words are left.
pub fn read(text: &str, facts: &Facts) -> Result<Vec<Option<Words>>, Unfit> {
    if STEPS < facts.steps.len() {
        return Err(Unfit::new("too many steps"));
    }
    let value = strict::read(text, &schema(facts))?;
    let written = value.get("steps").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let numbers = written.iter().map(|one| one.get("step").and_then(Value::as_u64));
    if written.len() != facts.steps.len() || !numbers.eq((1..).take(written.len()).map(Some)) {
        return Err(Unfit::new("the steps are not those that were given, in their order"));
    }
    let mut problem = String::from("no step");
    let mut words = |(one, step): (&Value, &Step)| {
        let field = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (title, text) = (field("title"), field("text"));
        let own = [step.text.as_str(), step.command.as_str()];
        let checked =
            [&title, &text].into_iter().try_for_each(|text| check::sentence(text, &own, &facts.names));
        checked.map_err(|fault| problem = fault.to_string()).ok()?;
        Some(Words { title, text })
    };
    let words: Vec<Option<Words>> = written.iter().zip(&facts.steps).map(&mut words).collect();
    if words.iter().all(Option::is_none) { Err(Unfit::new(&problem)) } else { Ok(words) }
}

impl Model {
    /// Words the steps of a runbook.
    ///
    /// # Errors
    /// No words in time.
    pub async fn draft(
        &self,
        facts: &Facts,
        within: Duration,
    ) -> Result<Completion<Vec<Option<Words>>>, Failed> {
        self.complete(&request(facts), |text| read(text, facts), within).await
    }
}
