//! Stores that follow the views: a store is used when it is named.

use std::path::PathBuf;

use anyhow::Result;
use schemas::time::parse_duration_ms;
use serde::{Deserialize, Serialize};

use crate::exit::{Cause, Failure};

/// What a store is behind may take so many MiB of disk at least.
const BACKLOG_MIB_MIN: u64 = 16;

/// Stores, and what waits for them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SinksSection {
    /// Folder of the changes that some store does not have yet.
    pub backlog_path: String,
    /// Disk that they may take, in MiB.
    pub backlog_mib: u64,
    /// How long a snapshot waits for a store that is behind, such as `1h`.
    pub hold_back: String,
    /// Events, anomalies and incidents.
    pub opensearch: OpenSearchSection,
}

/// OpenSearch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSearchSection {
    /// Such as `https://opensearch:9200`; empty: not used.
    pub url: String,
    /// Basic authentication; empty: none.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Names of indexes begin with it.
    pub prefix: String,
}

/// Stores and their backlog, checked.
#[derive(Clone, Debug)]
pub struct SinksConfig {
    /// Folder of the backlog.
    pub backlog_path: PathBuf,
    /// Bytes that it may take.
    pub backlog_bytes_max: u64,
    /// How long a snapshot waits for a store that is behind.
    pub hold_back_ms: i64,
    /// OpenSearch, if it is used.
    pub opensearch: Option<OpenSearchSection>,
}

impl Default for SinksSection {
    fn default() -> Self {
        let text = str::to_owned;
        SinksSection {
            backlog_path: text("kgroot-data/backlog"),
            backlog_mib: 4_096,
            hold_back: text("1h"),
            opensearch: OpenSearchSection {
                url: String::new(),
                user: String::new(),
                password: String::new(),
                prefix: text("kgroot"),
            },
        }
    }
}

impl SinksSection {
    /// Checks the section.
    pub fn checked(&self) -> Result<SinksConfig> {
        let bad = |line: String| Failure::of(Cause::Config, line);
        let hold_back_ms =
            parse_duration_ms(&self.hold_back).map_err(|error| bad(format!("sinks.hold_back: {error}")))?;
        if self.backlog_mib < BACKLOG_MIB_MIN {
            let line = format!("sinks.backlog_mib is {}; use at least {BACKLOG_MIB_MIN}", self.backlog_mib);
            return Err(bad(line));
        }
        Ok(SinksConfig {
            backlog_path: PathBuf::from(&self.backlog_path),
            backlog_bytes_max: self.backlog_mib * 1_024 * 1_024,
            hold_back_ms,
            opensearch: Some(self.opensearch.clone()).filter(|section| !section.url.is_empty()),
        })
    }
}
