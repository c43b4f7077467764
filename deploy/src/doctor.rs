//! `kgroot doctor`: whether everything that a configuration names can be used, one line each, with what to do.
//!
//! Takes nothing over: a shard that runs meanwhile is not disturbed. Stores are prepared as at a start (constraints,
//! templates), which is how permissions are tried.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use dataflow::ingest::clock::now;
use dataflow::ingest::kafka::KafkaLog;
use dataflow::ingest::log::EventLog;
use schemas::state::StateError;
use schemas::time::EventTime;
use sinks::state::Database;
use sinks::store::Store;

use crate::cli::ConfigOptions;
use crate::config::{Config, EventLogConfig, load};
use crate::exit::{Cause, Failure};
use crate::{output, product, stores};

/// How long one check may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// Clocks that differ by more make fresh records late, or future.
const SKEW_MS: i64 = 5_000;

/// What a check came to: what is there, or what is wrong and what to do.
type Found = std::result::Result<String, String>;

/// Runs the command.
pub async fn run(options: ConfigOptions) -> Result<()> {
    let config = load(options.config.as_deref(), &options.set)?;
    let mut wrong = 0;
    for (name, found) in checks(&config).await? {
        let (mark, text) = match found {
            Ok(text) => ("✓", text),
            Err(text) => {
                wrong += 1;
                ("✗", text)
            }
        };
        output::line(&format!("{mark} {name}: {text}"))?;
    }
    if wrong == 0 {
        Ok(())
    } else {
        Err(Failure::of(Cause::Input, format!("{wrong} of the above cannot be used")))
    }
}

async fn checks(config: &Config) -> Result<Vec<(&'static str, Found)>> {
    let (state, sinks) = (config.state()?, config.sinks.checked()?);
    let mut found = vec![("configuration", Ok("valid".to_owned())), ("data", writable(&config.data))];
    match config.event_log()? {
        EventLogConfig::Embedded { .. } => {}
        EventLogConfig::Kafka { brokers, registry, tenants } => {
            let listed = tokio::task::spawn_blocking(move || {
                let mut log = KafkaLog::connect(&brokers, &tenants).map_err(|error| error.to_string())?;
                let partitions = log.partitions().map_err(|error| error.to_string())?;
                // A client of Kafka is not to be dropped where others wait.
                drop(log);
                match partitions.len() {
                    0 => Err("no topic {family}-{tenant} of kafka.tenants exists; create them".to_owned()),
                    count => Ok(format!("{count} partitions of {} tenants", tenants.len())),
                }
            });
            found.push(("kafka.brokers", listed.await?));
            if let Some(url) = registry {
                found.push(("kafka.registry", answers(&format!("{url}/subjects")).await));
            }
        }
    }
    let product = config.product()?;
    let opened = async { Database::open(&product.database, product.keep_ms).await?.ready().await };
    let is_ready = format!("{:?} is ready", product.database);
    found.push(("state.database", told(opened.await.map(|()| is_ready))));
    if product.redis.is_some() {
        let pinged = async { product::cache(&product)?.ping().await };
        found.push(("state.redis", told(pinged.await.map(|()| "answers".to_owned()))));
    }
    let shard = state.shard.as_str();
    if let Some(section) = &sinks.neo4j {
        found.push(("sinks.neo4j", opens(Ok(stores::neo4j(section, shard))).await));
    }
    if let Some(section) = &sinks.opensearch {
        found.push(("sinks.opensearch", opens(stores::opensearch(section, shard)).await));
    }
    if let Some(section) = &sinks.parquet {
        found.push(("sinks.parquet", opens(stores::parquet(section, shard)).await));
    }
    if !config.server.senders.is_empty() {
        let read = config.senders().await.map(|_| "every secret is there".to_owned());
        found.push(("server.senders", read.map_err(|error| format!("{error:#}"))));
    }
    if !config.agents.tools.is_empty() {
        found.push(("agents.tools", tools(config).await));
    }
    if !config.model.url.is_empty() {
        let read = async { config.voice().await.and(config.embedder().await) };
        let read = read.await.map_err(|error| format!("{error:#}"));
        let names = [config.model.name.as_str(), &config.model.embedding];
        let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
        found.push((
            "model",
            read.map(|_| format!("{} is configured; it is not asked here", names.join(", "))),
        ));
    }
    Ok(found)
}

/// Connections that can be configured, and servers of tools that answer. What a tool asks is tried when it is asked.
async fn tools(config: &Config) -> Found {
    let loaded = config.tools().await.map_err(|error| format!("{error:#}"))?;
    match loaded.away.first() {
        Some(away) => Err(away.to_string()),
        None => Ok("every connection is configured well".to_owned()),
    }
}

/// What product state said; the line names the key already.
fn told(found: std::result::Result<String, StateError>) -> Found {
    found.map_err(|error| error.to_string().trim_start_matches("state.database: ").to_owned())
}

/// A folder in which a file can be made.
fn writable(folder: &Path) -> Found {
    let probe = folder.join(".kgroot-doctor");
    let tried = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, ""))
        .and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) => Ok(format!("{} can be written", folder.display())),
        Err(error) => {
            Err(format!("{}: {error}; choose another folder, or give this user the right", folder.display()))
        }
    }
}

/// A store that can be opened, and how far it is.
async fn opens(store: Result<impl Store>) -> Found {
    let mut store = store.map_err(|error| error.to_string())?;
    match tokio::time::timeout(PATIENCE, store.open()).await {
        Ok(Ok(Some(progress))) => Ok(format!("has epoch {}", progress.epoch)),
        Ok(Ok(None)) => Ok("is ready, and empty".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}; is it running?")),
    }
}

/// A server that answers by HTTP, and whose clock agrees with ours.
async fn answers(url: &str) -> Found {
    let asked = reqwest::Client::builder().timeout(PATIENCE).build();
    let answer = match asked {
        Ok(client) => client.get(url).send().await,
        Err(error) => Err(error),
    };
    let answer = answer.map_err(|error| format!("{url}: {error}; check the address"))?;
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
    let Some(theirs) = theirs else { return Ok(format!("answers {}", answer.status())) };
    // Dates have whole seconds.
    let skew_ms = now().ms_since(EventTime(theirs.timestamp_millis()));
    if SKEW_MS < skew_ms.abs() {
        return Err(format!(
            "{url}: its clock differs from ours by {skew_ms} ms; check the time servers of both"
        ));
    }
    Ok(format!("answers {}, clocks agree within {SKEW_MS} ms", answer.status()))
}
