//! Full-text search: which index answers, and how long the embedded one keeps rows.

use anyhow::Result;
use schemas::time::parse_duration_ms;
use serde::{Deserialize, Serialize};

use crate::exit::{Cause, Failure};

/// Full-text search.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSection {
    /// `embedded`: an index in a folder; `opensearch`: that of `sinks.opensearch`; `off`: no search.
    pub engine: String,
    /// How long after their end rows stay in the embedded index, such as `7d`.
    pub retention: String,
}

/// Full-text search, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchConfig {
    /// An index in a folder.
    Embedded {
        /// How long after their end rows stay.
        retention_ms: i64,
    },
    /// That of `sinks.opensearch`.
    OpenSearch,
    /// No search.
    Off,
}

impl Default for SearchSection {
    fn default() -> Self {
        let text = str::to_owned;
        SearchSection { engine: text("embedded"), retention: text("7d") }
    }
}

impl SearchSection {
    /// Checks the section.
    pub fn checked(&self) -> Result<SearchConfig> {
        let bad = |line: String| Failure::of(Cause::Config, line);
        match self.engine.as_str() {
            "embedded" => {
                let retention_ms = parse_duration_ms(&self.retention)
                    .map_err(|error| bad(format!("search.retention: {error}")))?;
                Ok(SearchConfig::Embedded { retention_ms })
            }
            "opensearch" => Ok(SearchConfig::OpenSearch),
            "off" => Ok(SearchConfig::Off),
            other => Err(bad(format!("search.engine is {other:?}; use embedded, opensearch or off"))),
        }
    }
}
