//! The whole path in this process: event log, shard, engine and API, put together as `kgroot run` does.
//!
//! What is left out of it are the stores and the embedded index, which follow the views in threads of their own (`--bin stores`
//! measures them), and investigations of alerts that nobody asked for.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use dataflow::config::EngineConfig;
use dataflow::engine::Engine;
use dataflow::ingest::source::Source;
use deploy::config::Config;
use deploy::{event_log, investigator, product, serve, source};
use query_api::{Api, Append, Appender};
use schemas::ids::TenantId;
use schemas::read::ViewReader;
use schemas::time::Epoch;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub mod feed;
pub mod idle;
pub mod late;
pub mod process;
pub mod reads;
pub mod seen;
pub mod soak;
pub mod storm;

/// Topic family of all records here: the format is told by their bytes.
pub const FAMILY: &str = "k8s-events";
/// Whatever takes longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A running process.
pub struct Live {
    engine: Engine,
    source: Source,
    append: Appender,
    config: Config,
}

/// The configuration of a run: that of `kgroot run` with its data in a folder, reading what `tenant` sends.
pub fn config(folder: &Path, tenant: &TenantId, workers: usize, brokers: Option<String>) -> Config {
    let mut config = Config { data: folder.to_owned(), ..Config::default() };
    config.engine.workers = workers;
    config.state.shard = tenant.to_string();
    // Whoever measures asks more than a tenant may.
    config.quota.investigations_per_hour = 0;
    if let Some(brokers) = brokers {
        config.kafka.brokers = brokers;
        config.kafka.tenants = vec![tenant.to_string()];
    }
    config
}

impl Live {
    /// Opens the log and starts engine and shard.
    pub async fn start(config: Config, engine_config: EngineConfig) -> Result<Live> {
        let (log, state) = (config.event_log()?, config.state()?);
        let shard = state.shard.clone();
        let opened = tokio::task::spawn_blocking(move || event_log::open(log, &shard)).await??;
        let mut engine = Engine::start(engine_config.clone())?;
        let (source, append) = source::start(
            &mut engine,
            (opened, &engine_config),
            (&state, config.quota()),
            (Box::new(|| Epoch::MAX), 0),
            || (),
            || (),
        )?;
        Ok(Live { engine, source, append, config })
    }

    /// Reads its views.
    pub fn reader(&self) -> ViewReader {
        self.engine.reader()
    }

    /// Appends records to the log; they are durable when it returns.
    pub async fn append(&self, tenant: &TenantId, records: Vec<Vec<u8>>) -> Result<()> {
        let append = Append { tenant: tenant.clone(), family: FAMILY, records };
        let appended = (self.append)(append).await;
        appended.map(drop).map_err(|problem| anyhow!("{problem:?}"))
    }

    /// Serves the API on loopback.
    pub async fn serve(&self) -> Result<Served> {
        let (_, product) = product::open(&self.config.product()?).await?;
        let desk = self.config.desk(self.reader(), product.clone()).await?;
        let ready = Arc::new(AtomicBool::new(true));
        let append = Some(Arc::clone(&self.append));
        let api = Api::new((self.reader(), product), investigator::of(desk), append, None, ready);
        // A port that was free a moment ago.
        let listen = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let base = format!("http://{listen}");
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = JoinSet::new();
        serving.spawn(async move { serve::serve(api, &listen, async move { drop(stopped.await) }).await });
        Ok(Served { base, _stop: stop, _serving: serving })
    }

    /// Lets everything sealed complete, then stops.
    pub async fn stop(self) -> Result<()> {
        let Live { engine, source, append, .. } = self;
        drop(append);
        let stopped = tokio::task::spawn_blocking(move || {
            source.stop()?;
            engine.shutdown().map_err(anyhow::Error::from)
        });
        stopped.await.context("stop")?
    }
}

/// A server that ends when this is dropped.
pub struct Served {
    /// Such as `http://127.0.0.1:8000`.
    pub base: String,
    _stop: oneshot::Sender<()>,
    _serving: JoinSet<Result<()>>,
}
