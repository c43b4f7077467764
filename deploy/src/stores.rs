//! The stores of a configuration, and the history of incidents: a thread that fills the backlog, and a task for each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use dataflow::engine::Engine;
use schemas::time::Epoch;
use sinks::alerts::KafkaAlerts;
use sinks::audit;
use sinks::backlog::Backlog;
use sinks::follow::{Following, follow};
use sinks::index::Index;
use sinks::neo4j::{self, Neo4j};
use sinks::opensearch::{self, OpenSearch};
use sinks::parquet::{self, Parquet};
use sinks::state::Database;
use sinks::state::history::History;
use sinks::store::{Refusal, Store, StoreError};
use tokio::sync::watch;

use crate::config::sinks::{Neo4jSection, OpenSearchConfig, OpenSearchSection, ParquetConfig, SinksConfig};
use crate::exit::{Cause, Failure};
use crate::source;

/// Tells the epoch that every store has.
pub type AppliedByAll = Box<dyn Fn() -> Epoch + Send>;

/// Stores that are being followed.
pub struct Stores {
    applied: Vec<Arc<AtomicU64>>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    filler: Option<JoinHandle<()>>,
}

/// What follows the views beside the stores of a configuration.
pub struct Followed {
    /// Folder of the backlog.
    pub folder: PathBuf,
    /// Where the history of incidents is kept, if it is.
    pub database: Database,
    /// The embedded index.
    pub index: Option<Index>,
}

/// What every store is followed with.
struct Common {
    backlog: Backlog,
    generation: String,
    folder: PathBuf,
}

impl Stores {
    /// Follows the stores of a configuration; before the engine is given its first epoch.
    pub fn start(
        engine: &Engine,
        (generation, shard): (String, &str),
        (config, brokers): (&SinksConfig, &str),
        followed: Followed,
    ) -> Result<Stores> {
        let (stop, _) = watch::channel(false);
        let mut stores = Stores { applied: Vec::new(), stop, tasks: Vec::new(), filler: None };
        if config.audit {
            stores.tell(followed.database.clone(), brokers);
        }
        if !any(config) && followed.index.is_none() {
            return Ok(stores);
        }
        let Followed { folder, database, index } = followed;
        let process = process();
        let backlog = Backlog::begin(&folder, &process, config.backlog_bytes_max)?;
        let common = Common { backlog: backlog.clone(), generation, folder };
        if config.history {
            stores.add("history", History::new(database, shard, &process), &common);
        }
        if config.alerts {
            stores.add("alerts", KafkaAlerts::new(brokers, shard), &common);
        }
        if let Some(section) = &config.neo4j {
            stores.add("neo4j", neo4j(section, shard), &common);
        }
        if let Some(section) = &config.opensearch {
            stores.add("opensearch", opensearch(section, shard)?, &common);
        }
        if let Some(section) = &config.parquet {
            stores.add("parquet", parquet(section, shard)?, &common);
        }
        if let Some(index) = index {
            stores.add("search", index, &common);
        }
        stores.fill(engine, backlog)?;
        Ok(stores)
    }

    /// Tells the epoch that every store has; [`Epoch::MAX`] without stores.
    pub fn applied_by_all(&self) -> AppliedByAll {
        let applied = self.applied.clone();
        Box::new(move || least(&applied))
    }

    /// Stops following: what stores lack is computed again at the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a store was not stopped in order");
            }
        }
        if let Some(filler) = self.filler
            && tokio::task::spawn_blocking(move || filler.join()).await.is_err()
        {
            tracing::error!("the backlog was not stopped in order");
        }
    }

    fn add(&mut self, name: &'static str, store: impl Store + 'static, common: &Common) {
        let applied = Arc::new(AtomicU64::new(0));
        self.applied.push(Arc::clone(&applied));
        let refused = refusals(common.folder.join(format!("{name}-refused.ndjson")), name);
        let following = Following {
            name,
            generation: common.generation.clone(),
            applied,
            stop: self.stop.subscribe(),
            refused,
        };
        #[expect(clippy::disallowed_methods, reason = "tasks are spawned here and only here")]
        self.tasks.push(tokio::spawn(follow(store, common.backlog.clone(), following)));
    }

    /// A task that tells decisions as they are kept.
    fn tell(&mut self, database: Database, brokers: &str) {
        let told = audit::tell(database, brokers.to_owned(), self.stop.subscribe());
        #[expect(clippy::disallowed_methods, reason = "tasks are spawned here and only here")]
        self.tasks.push(tokio::spawn(told));
    }

    /// A thread that moves what the engine changed into the backlog, until the engine ends.
    fn fill(&mut self, engine: &Engine, backlog: Backlog) -> Result<()> {
        let (mut changes, applied) = (engine.follow(), self.applied.clone());
        let run = move || {
            let mut failed = false;
            while let Some(epoch) = changes.blocking_next() {
                backlog.append(epoch);
                backlog.forget(least(&applied));
                let spilled = backlog.spill();
                if let Err(error) = &spilled
                    && !failed
                {
                    tracing::error!(%error, "what stores lack stays in memory while there is room");
                }
                failed = spilled.is_err();
                metrics::gauge!("kgroot_sink_backlog_bytes").set(backlog.bytes() as f64);
                metrics::gauge!("kgroot_sink_backlog_changes").set(backlog.changes() as f64);
            }
        };
        let filler = std::thread::Builder::new().name("kgroot-backlog".to_owned()).spawn(run);
        self.filler = Some(filler.context("start a thread")?);
        Ok(())
    }
}

/// Whether anything follows the views, the embedded index aside.
pub fn any(config: &SinksConfig) -> bool {
    let stores = config.neo4j.is_some() || config.opensearch.is_some() || config.parquet.is_some();
    config.history || config.alerts || stores
}

/// The graph of a configuration.
pub fn neo4j(section: &Neo4jSection, shard: &str) -> Neo4j {
    let Neo4jSection { uri, user, password } = section.clone();
    Neo4j::new(neo4j::Settings { uri, user, password, shard: shard.to_owned() })
}

/// The index of a configuration.
pub fn opensearch(config: &OpenSearchConfig, shard: &str) -> Result<OpenSearch> {
    OpenSearch::new(opensearch_settings(config, shard)).map_err(refused("sinks.opensearch"))
}

/// Where it is.
pub fn opensearch_settings(config: &OpenSearchConfig, shard: &str) -> opensearch::Settings {
    let OpenSearchConfig { section, retention_ms } = config.clone();
    let OpenSearchSection { url, user, password, prefix, .. } = section;
    let credentials = Some((user, password)).filter(|(user, _)| !user.is_empty());
    opensearch::Settings { url, credentials, prefix, shard: shard.to_owned(), retention_ms }
}

/// The files of a configuration.
pub fn parquet(section: &ParquetConfig, shard: &str) -> Result<Parquet> {
    let ParquetConfig { url, options, every, retention_ms } = section.clone();
    let settings = parquet::Settings { url, options, every, retention_ms, shard: shard.to_owned() };
    Parquet::new(settings).map_err(refused("sinks.parquet"))
}

/// Settings that cannot work.
pub fn refused(section: &str) -> impl Fn(StoreError) -> anyhow::Error {
    move |error| Failure::of(Cause::Config, format!("{section}: {error}"))
}

/// A name that no other process has.
fn process() -> String {
    source::owner().replace('/', "-")
}

fn least(applied: &[Arc<AtomicU64>]) -> Epoch {
    applied.iter().map(|applied| applied.load(Ordering::Relaxed)).min().unwrap_or(Epoch::MAX)
}

/// Appends refused rows to a file, one JSON document a line.
fn refusals(path: PathBuf, name: &'static str) -> Box<dyn FnMut(&Refusal) + Send + Sync> {
    Box::new(move |refusal| {
        let Refusal { epoch, change, reason } = refusal;
        let (tenant, view, key) = (&change.tenant, change.view, &change.key);
        tracing::error!(sink = name, %tenant, %view, key, reason, "the store refused a row");
        let line = serde_json::json!({"epoch": epoch, "tenant_id": tenant, "view": view, "key": key,
            "live": change.live, "reason": reason, "row": change.row});
        let appended = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let written = appended
            .and_then(|mut file| std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            tracing::error!(%error, path = %path.display(), "a refused row was not filed");
        }
    })
}
