//! The three things a model may be asked, each with a fixed prompt in a file of its own.
//!
//! A prompt's version is in its file's name and in every record: a prompt that is changed gets a new file. Nothing in a
//! prompt is secret.

pub mod draft;
pub mod plan;
#[cfg(test)]
mod tests;
pub mod word;

use serde::{Deserialize, Serialize};

use crate::redact;

/// Times the characters that are kept, as many are looked at.
const LOOKED_AT: usize = 8;

/// What a model is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Choose agents.
    Plan,
    /// Word a summary.
    Word,
    /// Word the steps of a runbook.
    Draft,
}

impl Role {
    /// As in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Plan => "plan",
            Role::Word => "word",
            Role::Draft => "draft",
        }
    }

    /// Its prompt and that prompt's version.
    pub fn version(self) -> &'static str {
        match self {
            Role::Plan => "plan.v1",
            Role::Word => "word.v1",
            Role::Draft => "draft.v1",
        }
    }

    /// What it is told, whoever asks about whatever.
    pub fn prompt(self) -> &'static str {
        match self {
            Role::Plan => include_str!("../../data/prompts/plan.v1.md"),
            Role::Word => include_str!("../../data/prompts/word.v1.md"),
            Role::Draft => include_str!("../../data/prompts/draft.v1.md"),
        }
    }
}

/// So many characters of a text, free of secrets. Of a long text only a beginning is looked at, which ends between two
/// words: half of a secret would not be recognized.
fn free(text: &str, chars: usize) -> String {
    let looked_at = match text.char_indices().nth(LOOKED_AT * chars) {
        None => text,
        Some((end, _)) => {
            let beginning = text.get(..end).unwrap_or_default();
            beginning.rfind(char::is_whitespace).and_then(|end| beginning.get(..end)).unwrap_or_default()
        }
    };
    redact::text(looked_at).chars().take(chars).collect()
}
