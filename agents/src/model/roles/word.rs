//! A summary in sentences, made of statements that were already ranked and cite their events.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Role, free};
use crate::model::wire::ChatRequest;
use crate::model::{Completion, Failed, Model, Unfit, check, strict};

/// Statements that are sent.
const STATEMENTS: usize = 40;
/// Characters of a statement that are sent.
const STATEMENT_CHARS: usize = 600;
/// Sentences of a summary.
const SENTENCES: usize = 3;
/// Characters of a sentence.
const SENTENCE_CHARS: usize = 400;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Free of secrets.
    text: String,
    cites: Vec<String>,
}

impl Statement {
    /// A statement and the ids it rests on.
    pub fn new(text: &str, cites: Vec<String>) -> Self {
        Statement { text: free(text, STATEMENT_CHARS), cites }
    }
}

/// What there is to word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Most important first; those beyond 40 are not sent.
    pub statements: Vec<Statement>,
    /// Names of things that a sentence may name only if its statements do.
    pub names: BTreeSet<String>,
}

/// One sentence that keeps to its statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// What it says.
    pub text: String,
    /// The statements it is made of, by number from 1.
    pub cites: BTreeSet<usize>,
}

impl Sentence {
    /// The ids that its statements rest on.
    pub fn ids<'a>(&self, facts: &'a Facts) -> BTreeSet<&'a str> {
        let cited = self.cites.iter().filter_map(|number| facts.statements.get(number.checked_sub(1)?));
        cited.flat_map(|statement| statement.cites.iter().map(String::as_str)).collect()
    }
}

/// The question.
pub fn request(facts: &Facts) -> ChatRequest {
    let numbered = (1..).zip(facts.statements.iter().take(STATEMENTS));
    let statement = |(number, statement): (usize, &Statement)| json!({ "number": number, "text": statement.text, "ids": statement.cites });
    let data = json!({ "statements": numbered.map(statement).collect::<Vec<Value>>() });
    ChatRequest::new(Role::Word, &data, schema(facts))
}

fn schema(facts: &Facts) -> Value {
    let number =
        json!({ "type": "integer", "minimum": 1, "maximum": facts.statements.len().min(STATEMENTS) });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["sentences"],
        "properties": {
            "sentences": { "type": "array", "minItems": 1, "maxItems": SENTENCES, "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["text", "cites"],
                "properties": {
                    "text": { "type": "string", "minLength": 1, "maxLength": SENTENCE_CHARS },
                    "cites": { "type": "array", "minItems": 1, "maxItems": STATEMENTS, "items": number },
                },
            } },
        },
    })
}

/// Reads an answer: its sentences that keep to what they cite, in their order. The others are dropped.
///
/// # Errors
/// It is not of the form, or no sentence is left.
pub fn read(text: &str, facts: &Facts) -> Result<Vec<Sentence>, Unfit> {
    let value = strict::read(text, &schema(facts))?;
    let written = value.get("sentences").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut kept = Vec::new();
    let mut problem = String::from("no sentence");
    for one in written {
        match sentence(one, facts) {
            Ok(sentence) => kept.push(sentence),
            Err(fault) => problem = fault,
        }
    }
    if kept.is_empty() { Err(Unfit::new(&problem)) } else { Ok(kept) }
}

fn sentence(written: &Value, facts: &Facts) -> Result<Sentence, String> {
    let text = written.get("text").and_then(Value::as_str).unwrap_or_default();
    let cites = written.get("cites").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let number = |cite: &Value| cite.as_u64().and_then(|number| usize::try_from(number).ok());
    let cites: BTreeSet<usize> = cites.iter().filter_map(number).collect();
    let mut cited = Vec::new();
    for number in &cites {
        let statement = number.checked_sub(1).and_then(|index| facts.statements.get(index));
        cited.push(statement.ok_or("a statement that does not exist is cited")?.text.as_str());
    }
    check::sentence(text, &cited, &facts.names).map_err(|fault| fault.to_string())?;
    Ok(Sentence { text: text.to_owned(), cites })
}

impl Model {
    /// Words a summary.
    ///
    /// # Errors
    /// No sentence in time.
    pub async fn word(&self, facts: &Facts, within: Duration) -> Result<Completion<Vec<Sentence>>, Failed> {
        self.complete(&request(facts), |text| read(text, facts), within).await
    }
}
