//! The agents there are, as data: name, what each is for, which tools it may call, how long it may take.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::time::parse_duration_ms;
use serde::Deserialize;

use crate::tool::{Category, Metadata};

/// Longest time of an agent.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);
/// Agents at most.
const AGENTS_MAX: usize = 20;

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    tools: Vec<String>,
    categories: BTreeSet<Category>,
    /// It may take so long.
    pub timeout: Duration,
}

/// All agents, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster(Vec<AgentSpec>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    agents: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    description: String,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    categories: BTreeSet<Category>,
    timeout: String,
}

impl Roster {
    /// The agents in the program.
    pub fn built_in() -> Self {
        Roster::parse(include_str!("../../data/agents.yaml")).expect("the agents in the program are valid")
    }

    /// Agents as a file says.
    ///
    /// # Errors
    /// A sentence that says which agent and what to change.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document: Document = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if document.agents.is_empty() || AGENTS_MAX < document.agents.len() {
            return Err(format!("agents: name 1 to {AGENTS_MAX} of them"));
        }
        let mut names = BTreeSet::new();
        let mut agents = Vec::with_capacity(document.agents.len());
        for entry in document.agents {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if entry.name.is_empty() || 40 < entry.name.len() || !entry.name.chars().all(plain) {
                return Err(format!("agent {:?}: use small letters, digits and hyphens", entry.name));
            }
            if !names.insert(entry.name.clone()) {
                return Err(format!("agent {}: stands twice", entry.name));
            }
            let timeout = parse_duration_ms(&entry.timeout)
                .map_err(|error| format!("agent {}: timeout: {error}", entry.name))?;
            let timeout = Duration::from_millis(u64::try_from(timeout).unwrap_or(0));
            if timeout.is_zero() || TIMEOUT_MAX < timeout {
                return Err(format!("agent {}: timeout is not 1ms to {TIMEOUT_MAX:?}", entry.name));
            }
            let Entry { name, description, tools, categories, .. } = entry;
            agents.push(AgentSpec { name, description, tools, categories, timeout });
        }
        Ok(Roster(agents))
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &AgentSpec> {
        self.0.iter()
    }

    /// By name.
    pub fn get(&self, name: &str) -> Option<&AgentSpec> {
        self.0.iter().find(|agent| agent.name == name)
    }
}

impl AgentSpec {
    /// Whether the agent may call a tool.
    pub fn may_call(&self, tool: &Metadata) -> bool {
        let named = self.tools.iter().any(|allowed| match allowed.strip_suffix(".*") {
            Some(connection) => {
                tool.name.strip_prefix(connection).is_some_and(|operation| operation.starts_with('.'))
            }
            None => *allowed == tool.name,
        });
        named || self.categories.contains(&tool.category)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_in_the_program_are_valid() {
        let names: Vec<String> = Roster::built_in().iter().map(|agent| agent.name.clone()).collect();
        assert_eq!(names, ["graph", "metrics", "logs", "code", "context"]);
    }

    #[test]
    fn a_bad_file_is_refused_with_the_agent_and_the_place() {
        for (text, said) in [
            ("agents: []", "name 1 to 20"),
            ("agents: [{name: A, description: x, timeout: 5s}]", "agent \"A\""),
            ("agents: [{name: a, description: x, timeout: 5}]", "agent a: timeout"),
            ("agents: [{name: a, description: x, timeout: 2h}]", "agent a: timeout"),
            ("agents: [{name: a, description: x, timeout: 1s, color: red}]", "color"),
            (
                "agents: [{name: a, description: x, timeout: 1s}, {name: a, description: x, timeout: 1s}]",
                "stands twice",
            ),
        ] {
            let error = Roster::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
