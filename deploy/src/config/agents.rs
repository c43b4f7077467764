//! Who answers questions: the agents, their tools, and what may be under way at once.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use ::agents::plan::roster::Roster;
use ::agents::tool::config::{Loaded, load};
use ::agents::tool::registry::Toolbox;
use ::agents::tool::vendor::kinds::types;
use ::agents::{Desk, Investigator};
use anyhow::Result;
use schemas::read::ViewReader;
use schemas::state::ProductState;
use serde::{Deserialize, Serialize};

use super::{Config, sinks::switch};
use crate::exit::{Cause, Failure};

/// Who answers questions.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AgentsSection {
    /// Investigations of one tenant under way at once.
    pub at_once: usize,
    /// File with the agents there are; empty: those in the program.
    pub roster: String,
    /// File with the connections to systems outside; empty: none.
    pub tools: String,
    /// `on`: alerts of our own are investigated without anybody asking, and incidents that are over remembered; `off`: not.
    pub on_alert: String,
}

impl Default for AgentsSection {
    fn default() -> Self {
        AgentsSection { at_once: 8, roster: String::new(), tools: String::new(), on_alert: "on".to_owned() }
    }
}

impl Config {
    /// Whether alerts of our own are investigated.
    pub fn watches(&self) -> Result<bool> {
        switch("agents.on_alert", &self.agents.on_alert)
    }

    /// The tools of the file that is named. A server of tools that is away costs its own tools.
    pub async fn tools(&self) -> Result<Loaded> {
        let path = &self.agents.tools;
        let text = read("agents.tools", path)?;
        let loaded = load(&text, &environment, SystemTime::now(), &types()).await;
        loaded.map_err(|problem| Failure::of(Cause::Config, format!("{path}: {problem}")))
    }

    /// Who takes questions, over the views of an engine.
    pub async fn desk(&self, reader: ViewReader, state: ProductState) -> Result<Desk> {
        let AgentsSection { at_once, roster, tools, .. } = &self.agents;
        if !(1..=1_000).contains(at_once) {
            let line = format!("agents.at_once is {at_once}; use 1 to 1000");
            return Err(Failure::of(Cause::Config, line));
        }
        let roster = match roster.as_str() {
            "" => Roster::built_in(),
            path => Roster::parse(&read("agents.roster", path)?)
                .map_err(|problem| Failure::of(Cause::Config, format!("{path}: {problem}")))?,
        };
        let toolbox = match tools.as_str() {
            "" => Toolbox::new(),
            _ => {
                let loaded = self.tools().await?;
                for away in &loaded.away {
                    tracing::error!(%away, "its tools are missing until the next start");
                }
                loaded.toolbox
            }
        };
        let investigator = Investigator::new(reader)
            .with_state(state)
            .with_tools(roster, Arc::new(toolbox))
            .with_voice(self.voice().await?)
            .with_embedder(self.embedder().await?);
        Ok(Desk::new(investigator, *at_once))
    }
}

/// A variable of the environment.
pub(super) fn environment(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the environment is read in this crate only")]
    std::env::var(name).ok()
}

/// The text of a file that a key names.
pub(super) fn read(key: &str, path: &str) -> Result<String> {
    std::fs::read_to_string(Path::new(path))
        .map_err(|error| Failure::of(Cause::Config, format!("{key}: {path}: {error}; check the path")))
}
