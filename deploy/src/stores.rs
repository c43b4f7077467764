//! The stores of a configuration: a thread that fills the backlog, and a task for each store.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use dataflow::engine::Engine;
use schemas::time::Epoch;
use sinks::alerts::KafkaAlerts;
use sinks::backlog::Backlog;
use sinks::follow::{Following, follow};
use sinks::neo4j::{self, Neo4j};
use sinks::opensearch::{self, OpenSearch};
use sinks::parquet::{self, Parquet};
use sinks::store::{Refusal, Store, StoreError};
use tokio::sync::watch;

use crate::config::sinks::{Neo4jSection, OpenSearchSection, SinksConfig};
use crate::exit::{Cause, Failure};

/// Tells the epoch that every store has.
pub type AppliedByAll = Box<dyn Fn() -> Epoch + Send>;

/// Stores that are being followed.
pub struct Stores {
    applied: Vec<Arc<AtomicU64>>,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    filler: Option<JoinHandle<()>>,
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
    ) -> Result<Stores> {
        let (stop, _) = watch::channel(false);
        let mut stores = Stores { applied: Vec::new(), stop, tasks: Vec::new(), filler: None };
        let SinksConfig { alerts, neo4j, opensearch, parquet, .. } = config.clone();
        if !alerts && neo4j.is_none() && opensearch.is_none() && parquet.is_none() {
            return Ok(stores);
        }
        let backlog = Backlog::begin(&config.backlog_path, config.backlog_bytes_max)?;
        let common = Common { backlog: backlog.clone(), generation, folder: config.backlog_path.clone() };
        let shard = shard.to_owned();
        if alerts {
            stores.add("alerts", KafkaAlerts::new(brokers, &shard), &common);
        }
        if let Some(Neo4jSection { uri, user, password }) = neo4j {
            let settings = neo4j::Settings { uri, user, password, shard: shard.clone() };
            stores.add("neo4j", Neo4j::new(settings), &common);
        }
        if let Some((url, options, every)) = parquet {
            let every = Duration::from_millis(every);
            let settings = parquet::Settings { url, options, every, shard: shard.clone() };
            stores.add("parquet", Parquet::new(settings).map_err(refused("sinks.parquet"))?, &common);
        }
        if let Some(OpenSearchSection { url, user, password, prefix }) = opensearch {
            let credentials = Some((user, password)).filter(|(user, _)| !user.is_empty());
            let settings = opensearch::Settings { url, credentials, prefix, shard };
            stores.add(
                "opensearch",
                OpenSearch::new(settings).map_err(refused("sinks.opensearch"))?,
                &common,
            );
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
        let refused = refusals(common.folder.with_extension(format!("{name}-refused.ndjson")), name);
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

    /// A thread that moves what the engine changed into the backlog, until the engine ends.
    fn fill(&mut self, engine: &Engine, backlog: Backlog) -> Result<()> {
        let (mut changes, applied) = (engine.follow(), self.applied.clone());
        let run = move || {
            while let Some(epoch) = changes.blocking_recv() {
                let kept = backlog.append(&epoch).and_then(|()| backlog.forget(least(&applied)));
                if let Err(error) = kept {
                    tracing::error!(%error, "stores get nothing more until a restart");
                    return;
                }
                metrics::gauge!("kgroot_sink_backlog_bytes").set(backlog.bytes() as f64);
            }
        };
        let filler = std::thread::Builder::new().name("kgroot-backlog".to_owned()).spawn(run);
        self.filler = Some(filler.context("start a thread")?);
        Ok(())
    }
}

/// Settings that cannot work.
fn refused(section: &str) -> impl Fn(StoreError) -> anyhow::Error {
    move |error| Failure::of(Cause::Config, format!("{section}: {error}"))
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
