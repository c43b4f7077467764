//! What a model answered, kept: for the audit, and to answer the same question again without a model.

use serde::{Deserialize, Serialize};

use super::roles::Role;
use super::wire::Usage;

/// One answer of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who asked.
    pub role: Role,
    /// With which prompt, such as `word.v1`.
    pub prompt_version: String,
    /// What was asked, as a hash.
    pub request_hash: String,
    /// What was answered, free of secrets; empty if that was not used.
    pub response: String,
    /// Why the answer was not used, if it was not: it was paid for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unused: Option<String>,
    /// Tokens that were counted.
    pub usage: Usage,
    /// What they cost when they were answered, in millionths of a dollar; a replay costs nothing.
    pub usd_micros: u64,
    /// Calls of tools in the answer; they had no effect.
    #[serde(default)]
    pub ignored_tool_calls: u64,
}

/// The record of a question.
pub(crate) fn find<'a>(records: &'a [Record], request_hash: &str) -> Option<&'a Record> {
    records.iter().find(|record| record.request_hash == request_hash)
}
