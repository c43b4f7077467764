//! Configuration: defaults, then a YAML file, then `KGROOT__SECTION__KEY`, then `--set section.key=value`.
//!
//! Unknown keys are refused with the nearest known one: a typo must not become a default.

use std::path::{Path, PathBuf};

use anyhow::Result;
use dataflow::config::{Clock, EngineConfig};
use dataflow::ingest::share::Quota;
use schemas::ids::TenantId;
use schemas::time::parse_duration_ms;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::exit::{Cause, Failure};

pub mod agents;
pub mod model;
pub mod product;
pub mod search;
pub mod senders;
pub mod sinks;

/// Prefix of environment variables that override keys.
const ENVIRONMENT: &str = "KGROOT__";

/// The whole configuration, as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder of all that must outlive the process, in parts of its own: `state`, `log`, `backlog`, `search`,
    /// `product.sqlite`.
    pub data: PathBuf,
    /// The API.
    pub server: ServerConfig,
    /// The engine.
    pub engine: EngineSection,
    /// A file with rules that are added to the built-in ones, change or remove them; empty: the built-in ones.
    pub rules: String,
    /// What must outlive the process.
    pub state: StateSection,
    /// What a tenant may take.
    pub quota: QuotaSection,
    /// Where events come from when there is no Kafka.
    pub log: LogSection,
    /// Where events come from.
    pub kafka: KafkaSection,
    /// Stores that follow the views.
    pub sinks: sinks::SinksSection,
    /// Full-text search.
    pub search: search::SearchSection,
    /// Who answers questions.
    pub agents: agents::AgentsSection,
    /// The model that may plan and word.
    pub model: model::ModelSection,
}

/// The embedded event log; used when `kafka.brokers` is empty.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    /// How long records are kept, such as `24h`; at least the horizon.
    pub retention: String,
}

/// What must outlive the process.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StateSection {
    /// Name of the shard: its control log in Kafka is the topic `kgroot-control-{shard}`.
    pub shard: String,
    /// Between two snapshots, such as `5m`.
    pub snapshot_every: String,
    /// Product state: a path for SQLite, or `postgres://…`; empty: SQLite in `{data}/product.sqlite`.
    pub database: String,
    /// How long investigations and past incidents are kept, such as `90d`; at least the horizon.
    pub keep: String,
    /// Such as `redis://redis:6379`: sessions and counts are shared by all processes; empty: each has its own.
    pub redis: String,
}

/// What a tenant may take.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaSection {
    /// Records a second of each tenant; 0 for no limit.
    pub records_per_s: u64,
    /// Investigations an hour of each tenant; 0 for no limit.
    pub investigations_per_hour: u32,
}

/// What must outlive the process, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateConfig {
    /// Folder of snapshots.
    pub path: PathBuf,
    /// Name of the shard.
    pub shard: String,
    /// Between two snapshots.
    pub snapshot_every_ms: i64,
}

/// Which event log is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventLogConfig {
    /// One in this process.
    Embedded {
        /// Folder of the log.
        path: PathBuf,
        /// How long records are kept.
        retention_ms: i64,
    },
    /// Topics of a Kafka cluster.
    Kafka {
        /// `host:port`, separated by commas.
        brokers: String,
        /// Confluent-compatible registry.
        registry: Option<String>,
        /// Tenants whose topics are read.
        tenants: Vec<TenantId>,
    },
}

/// The API.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port.
    pub listen: String,
    /// File with the secrets by which senders prove themselves; empty: none has to.
    pub senders: String,
}

/// The engine.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EngineSection {
    /// Worker threads.
    pub workers: usize,
    /// How long events stay live, such as `6h`.
    pub horizon: String,
    /// How late an event may come, such as `3h`; at most the horizon. Empty: half of it.
    pub lateness: String,
    /// Silence that separates two episodes, such as `10m`.
    pub gap: String,
    /// How far in the future an event may be dated, such as `5m`.
    pub future: String,
}

/// Kafka and its registry.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaSection {
    /// `host:port`, separated by commas; empty: the embedded log.
    pub brokers: String,
    /// Confluent-compatible registry; empty: the built-in schema is assumed.
    pub registry: String,
    /// Tenants whose topics are read.
    pub tenants: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        let text = str::to_owned;
        Config {
            data: PathBuf::from("kgroot-data"),
            server: ServerConfig { listen: text("127.0.0.1:8000"), senders: String::new() },
            engine: EngineSection {
                workers: 1,
                horizon: text("6h"),
                lateness: String::new(),
                gap: text("10m"),
                future: text("5m"),
            },
            rules: String::new(),
            state: StateSection {
                shard: text("main"),
                snapshot_every: text("5m"),
                database: String::new(),
                keep: text("90d"),
                redis: String::new(),
            },
            quota: QuotaSection { records_per_s: 0, investigations_per_hour: 1_000 },
            log: LogSection { retention: text("24h") },
            kafka: KafkaSection { brokers: String::new(), registry: String::new(), tenants: Vec::new() },
            sinks: sinks::SinksSection::default(),
            search: search::SearchSection::default(),
            agents: agents::AgentsSection::default(),
            model: model::ModelSection::default(),
        }
    }
}

/// Reads and checks a configuration.
pub fn load(file: Option<&Path>, set: &[String]) -> Result<Config> {
    let bad = |line: String| Failure::of(Cause::Config, line);
    let mut merged = serde_json::to_value(Config::default())?;
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| bad(format!("{}: {error}; check the path", path.display())))?;
        let value: Value =
            serde_saphyr::from_str(&text).map_err(|error| bad(format!("{}: {error}", path.display())))?;
        overlay(&mut merged, value, "").map_err(|problem| bad(format!("{}: {problem}", path.display())))?;
    }
    let mut variables: Vec<(String, String)> =
        std::env::vars().filter(|(name, _)| name.starts_with(ENVIRONMENT)).collect();
    variables.sort();
    for (name, value) in variables {
        let key = name[ENVIRONMENT.len()..].to_ascii_lowercase().replace("__", ".");
        assign(&mut merged, &key, &value).map_err(|problem| bad(format!("{name}: {problem}")))?;
    }
    for pair in set {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| bad(format!("--set {pair}: write section.key=value")))?;
        assign(&mut merged, key, value).map_err(|problem| bad(format!("--set {pair}: {problem}")))?;
    }
    let config: Config =
        serde_json::from_value(merged).map_err(|error| bad(format!("configuration: {error}")))?;
    config.event_log()?;
    config.state()?;
    config.product()?;
    config.model.check()?;
    let (sinks, engine) = (config.sinks.checked()?, config.engine()?);
    let kept_ms = sinks.parquet.and_then(|parquet| parquet.retention_ms);
    if kept_ms.is_some_and(|kept_ms| kept_ms < engine.horizon_ms) {
        let (kept, horizon) = (&config.sinks.parquet.retention, &config.engine.horizon);
        let line = format!("sinks.parquet.retention is {kept}, shorter than engine.horizon of {horizon}");
        return Err(bad(format!("{line}; keep rows at least as long as they count")));
    }
    let to_kafka = [("alerts", sinks.alerts), ("audit", sinks.audit)];
    if let Some((name, _)) = to_kafka.iter().find(|(_, on)| *on && config.kafka.brokers.is_empty()) {
        return Err(bad(format!("sinks.{name} is on without kafka.brokers; set them, or switch it off")));
    }
    if config.search.checked()? == search::SearchConfig::OpenSearch && config.sinks.opensearch.url.is_empty()
    {
        let line = "search.engine is opensearch without sinks.opensearch.url; set it, or use embedded";
        return Err(bad(line.to_owned()));
    }
    Ok(config)
}

impl Config {
    /// What the engine is told.
    pub fn engine(&self) -> Result<EngineConfig> {
        let ms = |key: &str, text: &str| {
            parse_duration_ms(text)
                .map_err(|error| Failure::of(Cause::Config, format!("engine.{key}: {error}")))
        };
        let horizon_ms = ms("horizon", &self.engine.horizon)?;
        let lateness_ms = match self.engine.lateness.as_str() {
            "" => horizon_ms / 2,
            text => ms("lateness", text)?,
        };
        Ok(EngineConfig {
            workers: self.engine.workers,
            clock: Clock::Wall,
            horizon_ms,
            lateness_ms,
            gap_ms: ms("gap", &self.engine.gap)?,
            future_ms: ms("future", &self.engine.future)?,
            rules: crate::rules::configured(&self.rules)?,
            ..EngineConfig::default()
        })
    }

    /// What a tenant may take.
    pub fn quota(&self) -> Quota {
        Quota { records_per_s: self.quota.records_per_s }
    }

    /// What must outlive the process.
    pub fn state(&self) -> Result<StateConfig> {
        let bad = |line: String| Failure::of(Cause::Config, line);
        // The rules of a tenant's name are those of a part of a topic's name.
        let shard: TenantId = self.state.shard.parse().map_err(|_| {
            bad(format!("state.shard is {:?}; use 1 to 64 of a-z, 0-9 and '-'", self.state.shard))
        })?;
        let snapshot_every_ms = parse_duration_ms(&self.state.snapshot_every)
            .map_err(|error| bad(format!("state.snapshot_every: {error}")))?;
        if snapshot_every_ms < 1_000 {
            let every = &self.state.snapshot_every;
            return Err(bad(format!("state.snapshot_every is {every}; use at least 1s")));
        }
        let path = self.data.join("state");
        Ok(StateConfig { path, shard: shard.to_string(), snapshot_every_ms })
    }

    /// Which event log is read.
    pub fn event_log(&self) -> Result<EventLogConfig> {
        if self.kafka.brokers.is_empty() {
            return self.embedded();
        }
        let tenants: Result<Vec<TenantId>, _> =
            self.kafka.tenants.iter().map(|tenant| tenant.parse()).collect();
        let tenants =
            tenants.map_err(|error| Failure::of(Cause::Config, format!("kafka.tenants: {error}")))?;
        if tenants.is_empty() {
            return Err(Failure::of(
                Cause::Config,
                "kafka.tenants is empty; list the tenants whose topics are read",
            ));
        }
        let registry = Some(self.kafka.registry.clone()).filter(|url| !url.is_empty());
        Ok(EventLogConfig::Kafka { brokers: self.kafka.brokers.clone(), registry, tenants })
    }

    fn embedded(&self) -> Result<EventLogConfig> {
        let bad = |line: String| Failure::of(Cause::Config, line);
        let retention_ms =
            parse_duration_ms(&self.log.retention).map_err(|error| bad(format!("log.retention: {error}")))?;
        if retention_ms < self.engine()?.horizon_ms {
            return Err(bad(format!(
                "log.retention is {}, shorter than engine.horizon of {}; keep records at least as long as they count",
                self.log.retention, self.engine.horizon
            )));
        }
        Ok(EventLogConfig::Embedded { path: self.data.join("log"), retention_ms })
    }
}

/// Lays a value over another; every key must exist below.
fn overlay(below: &mut Value, above: Value, path: &str) -> Result<(), String> {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let Some(slot) = below.get_mut(&key) else {
                    return Err(unknown(&full, below.keys().map(String::as_str)));
                };
                overlay(slot, value, &full)?;
            }
            Ok(())
        }
        (_, Value::Null) => Ok(()),
        (below @ Value::Object(_), _) => {
            Err(format!("{path} is a section; indent its keys below it, such as {}", first_key(below)))
        }
        (below, above) => {
            *below = above;
            Ok(())
        }
    }
}

fn first_key(section: &Value) -> String {
    section.as_object().and_then(|map| map.keys().next().cloned()).unwrap_or_default()
}

fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let nearest = known.min_by_key(|candidate| strsim::damerau_levenshtein(candidate, last));
    let hint = nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default();
    format!("unknown key {key}{hint}")
}

/// Sets one key from text: numbers, lists (by commas), switches and text by what the default is.
fn assign(config: &mut Value, key: &str, text: &str) -> Result<(), String> {
    let mut slot = config;
    for part in key.split('.') {
        let Some(map) = slot.as_object_mut() else {
            return Err(format!("{key} goes deeper than the configuration"));
        };
        let names: Vec<String> = map.keys().cloned().collect();
        slot = map.get_mut(part).ok_or_else(|| unknown(key, names.iter().map(String::as_str)))?;
    }
    *slot = match slot {
        Value::Number(whole) if whole.is_u64() => text
            .parse::<u64>()
            .map(Value::from)
            .map_err(|_| format!("{key}: {text:?} is not a whole number"))?,
        // What is absent unless it is set is a number.
        Value::Number(_) | Value::Null => {
            text.parse::<f64>().map(Value::from).map_err(|_| format!("{key}: {text:?} is not a number"))?
        }
        Value::Bool(_) => text
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| format!("{key}: {text:?} is neither true nor false"))?,
        Value::Array(_) => text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect(),
        Value::Object(_) => return Err(format!("{key} is a section; name one of its keys")),
        _ => Value::from(text),
    };
    Ok(())
}

#[cfg(test)]
mod tests;
