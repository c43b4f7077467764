//! Who answers questions: the agents, their tools, and what they may spend.

use std::path::Path;
use std::sync::Arc;

use ::agents::roster::Roster;
use ::agents::{Desk, Investigator};
use anyhow::Result;
use schemas::read::ViewReader;
use schemas::state::ProductState;
use serde::{Deserialize, Serialize};

use super::Config;
use crate::exit::{Cause, Failure};

/// Who answers questions.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AgentsSection {
    /// Investigations of one tenant under way at once.
    pub at_once: usize,
    /// File with the agents there are; empty: those in the program.
    pub roster: String,
}

impl Default for AgentsSection {
    fn default() -> Self {
        AgentsSection { at_once: 8, roster: String::new() }
    }
}

impl Config {
    /// Who takes questions, over the views of an engine.
    pub fn desk(&self, reader: ViewReader, state: Option<ProductState>) -> Result<Desk> {
        let AgentsSection { at_once, roster } = &self.agents;
        if !(1..=1_000).contains(at_once) {
            let line = format!("agents.at_once is {at_once}; use 1 to 1000");
            return Err(Failure::of(Cause::Config, line));
        }
        let roster = match roster.as_str() {
            "" => Roster::built_in(),
            path => Roster::parse(&read("agents.roster", path)?)
                .map_err(|problem| Failure::of(Cause::Config, format!("{path}: {problem}")))?,
        };
        let mut investigator = Investigator::new(reader).with_tools(roster, Arc::default());
        if let Some(state) = state {
            investigator = investigator.with_state(state);
        }
        Ok(Desk::new(investigator, *at_once))
    }
}

/// The text of a file that a key names.
fn read(key: &str, path: &str) -> Result<String> {
    std::fs::read_to_string(Path::new(path))
        .map_err(|error| Failure::of(Cause::Config, format!("{key}: {path}: {error}; check the path")))
}
