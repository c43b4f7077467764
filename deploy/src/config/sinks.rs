//! Stores that follow the views: a store is used when it is named.

use std::time::Duration;

use anyhow::Result;
use schemas::time::parse_duration_ms;
use serde::{Deserialize, Serialize};

use crate::exit::{Cause, Failure};

/// What a store is behind may take so many MiB of disk at least.
const BACKLOG_MIB_MIN: u64 = 16;
/// Between two commits of Parquet files at least.
const EVERY_MS_MIN: u64 = 1_000;
/// Rows are removed by date.
const RETENTION_MS_MIN: i64 = 86_400_000;

/// Stores, and what waits for them.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SinksSection {
    /// Disk that changes may take which some store does not have yet, in MiB.
    pub backlog_mib: u64,
    /// How long a snapshot waits for a store that is behind, such as `1h`.
    pub hold_back: String,
    /// `on`: alerts go to the Kafka topics `kgroot-alerts-{tenant}` of `kafka.brokers`; `off`: they do not.
    pub alerts: String,
    /// `on`: decisions go to the Kafka topic `audit-orchestrator` of `kafka.brokers`; `off`: they stay in the database.
    pub audit: String,
    /// `on`: incidents outlive the views in the database of `state.database`; `off`: they do not.
    pub history: String,
    /// The causal graph.
    pub neo4j: Neo4jSection,
    /// Events, anomalies and incidents.
    pub opensearch: OpenSearchSection,
    /// All views, for analyses elsewhere.
    pub parquet: ParquetSection,
}

/// Neo4j.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Neo4jSection {
    /// Such as `bolt://neo4j:7687`; empty: not used.
    pub uri: String,
    /// Its user.
    pub user: String,
    /// The user's password.
    pub password: String,
}

/// Parquet files.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ParquetSection {
    /// A folder or `s3://bucket/prefix`; empty: not used.
    pub url: String,
    /// Options of the bucket, such as `aws_endpoint=https://minio:9000`.
    pub options: Vec<String>,
    /// Between two commits, such as `1m`.
    pub every: String,
    /// How long rows are kept, by their date, such as `90d`; empty: for ever.
    pub retention: String,
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
    /// How long after their end rows are kept, such as `90d`; empty: for ever.
    pub retention: String,
}

/// Parquet files, checked.
#[derive(Clone, Debug)]
pub struct ParquetConfig {
    /// A folder or `s3://bucket/prefix`.
    pub url: String,
    /// Options of the bucket.
    pub options: Vec<(String, String)>,
    /// Between two commits.
    pub every: Duration,
    /// How long rows are kept, if not for ever.
    pub retention_ms: Option<i64>,
}

/// Stores and their backlog, checked.
#[derive(Clone, Debug)]
pub struct SinksConfig {
    /// Bytes that it may take.
    pub backlog_bytes_max: u64,
    /// How long a snapshot waits for a store that is behind.
    pub hold_back_ms: i64,
    /// Whether alerts go to Kafka.
    pub alerts: bool,
    /// Whether decisions go to Kafka.
    pub audit: bool,
    /// Whether incidents outlive the views.
    pub history: bool,
    /// Neo4j, if it is used.
    pub neo4j: Option<Neo4jSection>,
    /// Parquet files, if they are written.
    pub parquet: Option<ParquetConfig>,
    /// OpenSearch, if it is used.
    pub opensearch: Option<OpenSearchConfig>,
}

/// OpenSearch, checked.
#[derive(Clone, Debug)]
pub struct OpenSearchConfig {
    /// Where it is and what it is called.
    pub section: OpenSearchSection,
    /// How long after their end rows are kept.
    pub retention_ms: Option<i64>,
}

impl Default for SinksSection {
    fn default() -> Self {
        let text = str::to_owned;
        SinksSection {
            backlog_mib: 4_096,
            hold_back: text("1h"),
            alerts: text("off"),
            audit: text("off"),
            history: text("off"),
            neo4j: Neo4jSection { uri: String::new(), user: text("neo4j"), password: String::new() },
            opensearch: OpenSearchSection {
                url: String::new(),
                user: String::new(),
                password: String::new(),
                prefix: text("kgroot"),
                retention: String::new(),
            },
            parquet: ParquetSection {
                url: String::new(),
                options: Vec::new(),
                every: text("1m"),
                retention: String::new(),
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
            backlog_bytes_max: self.backlog_mib * 1_024 * 1_024,
            hold_back_ms,
            alerts: switch("sinks.alerts", &self.alerts)?,
            audit: switch("sinks.audit", &self.audit)?,
            history: switch("sinks.history", &self.history)?,
            neo4j: Some(self.neo4j.clone()).filter(|section| !section.uri.is_empty()),
            parquet: self.parquet.checked()?,
            opensearch: self.opensearch.checked()?,
        })
    }
}

/// What a key with two values says.
pub(super) fn switch(key: &str, text: &str) -> Result<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Failure::of(Cause::Config, format!("{key} is {other:?}; use on or off"))),
    }
}

impl OpenSearchSection {
    fn checked(&self) -> Result<Option<OpenSearchConfig>> {
        let bad = |error| Failure::of(Cause::Config, format!("sinks.opensearch.retention: {error}"));
        let retention = Some(self.retention.as_str()).filter(|text| !text.is_empty());
        let retention_ms = retention.map(parse_duration_ms).transpose().map_err(bad)?;
        let section = self.clone();
        Ok((!self.url.is_empty()).then_some(OpenSearchConfig { section, retention_ms }))
    }
}

impl ParquetSection {
    fn checked(&self) -> Result<Option<ParquetConfig>> {
        let bad = |line: String| Failure::of(Cause::Config, line);
        let every = parse_duration_ms(&self.every).ok().and_then(|ms| u64::try_from(ms).ok());
        let every = every.filter(|ms| EVERY_MS_MIN <= *ms).ok_or_else(|| {
            bad(format!("sinks.parquet.every is {:?}; use at least 1s, such as 1m", self.every))
        })?;
        let options = self.options.iter().map(|option| {
            let pair = option.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
            pair.ok_or_else(|| bad(format!("sinks.parquet.options: {option:?}; write name=value")))
        });
        let options = options.collect::<Result<_>>()?;
        let (url, every, retention_ms) =
            (self.url.clone(), Duration::from_millis(every), self.retention_ms()?);
        let config = ParquetConfig { url, options, every, retention_ms };
        Ok(Some(config).filter(|config| !config.url.is_empty()))
    }

    fn retention_ms(&self) -> Result<Option<i64>> {
        if self.retention.is_empty() {
            return Ok(None);
        }
        let parsed = parse_duration_ms(&self.retention).ok().filter(|ms| RETENTION_MS_MIN <= *ms);
        let line = || {
            let written = &self.retention;
            format!(
                "sinks.parquet.retention is {written:?}; use whole days, such as 90d, or nothing to keep all"
            )
        };
        parsed.map(Some).ok_or_else(|| Failure::of(Cause::Config, line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retention_is_a_day_at_least_or_for_ever() {
        let retention = |text: &str| {
            let section = ParquetSection {
                url: "p".to_owned(),
                options: Vec::new(),
                every: "1m".to_owned(),
                retention: text.to_owned(),
            };
            section.checked().map(|checked| checked.unwrap().retention_ms).map_err(|error| error.to_string())
        };
        assert_eq!(retention(""), Ok(None));
        assert_eq!(retention("90d"), Ok(Some(90 * 86_400_000)));
        assert!(retention("23h").unwrap_err().contains("such as 90d"));
        assert!(retention("forever").is_err());
    }
}
