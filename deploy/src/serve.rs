//! `kgroot run` and the API of the demo: wire the parts, serve, stop in order.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use dataflow::config::EngineConfig;
use dataflow::engine::Engine;
use metrics_exporter_prometheus::PrometheusBuilder;
use query_api::{Api, Searcher, router};
use schemas::state::ProductState;
use sinks::state::Database;

use crate::cli::{RunOptions, ValidateOptions};
use crate::config::{Config, StateConfig, load};
use crate::event_log::Opened;
use crate::exit::{Cause, Failure};
use crate::search::SearchParts;
use crate::stores::{Followed, Stores};
use crate::{cluster, event_log, investigator, product, search, source, watch};

/// Requests that are under way when the process is asked to stop may take so long.
const DRAIN: Duration = Duration::from_secs(5);
/// Processes of a cluster wait so long for each other.
const MEET: Duration = Duration::from_secs(30);
/// The source may take so long to stop; a supervisor waits 30 seconds before it kills.
const STOP: Duration = Duration::from_secs(18);

/// `kgroot validate`.
pub fn validate(options: &ValidateOptions) -> Result<()> {
    load(Some(&options.config), &[])?;
    crate::output::line("the configuration is valid")
}

/// `kgroot run`.
pub async fn run(options: RunOptions) -> Result<()> {
    let config = load(options.config.config.as_deref(), &options.config.set)?;
    let cluster = cluster::of(&options)?;
    if cluster.is_some() && config.kafka.brokers.is_empty() {
        let line = "a cluster reads from Kafka; set kafka.brokers, or run one process";
        return Err(Failure::of(Cause::Config, line));
    }
    cluster::share_fate();
    let engine_config = EngineConfig { cluster, ..config.engine()? };
    let mut stop: Stop = Box::pin(asked_to_stop());
    let product = config.product()?;
    let (database, product) = tokio::select! {
        opened = product::open(&product) => opened?,
        () = &mut stop => return Ok(()),
    };
    if engine_config.leads() {
        let state = config.state()?;
        match open(&config, &engine_config, (&state.shard, database), &mut stop).await? {
            Some(started) => lead(&config, (engine_config, state), (started, product), stop).await,
            None => Ok(()),
        }
    } else {
        follow(&config, engine_config, product, stop).await
    }
}

/// Somebody asks the process to stop: heard from its first poll on.
type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is there before anything is read.
struct Started {
    opened: Opened,
    engine: Engine,
    stores: Stores,
    searcher: Option<Searcher>,
    /// How long a snapshot waits for stores.
    hold_back_ms: i64,
}

/// Opens the event log, starts the engine and follows the stores; nothing if somebody asks the process to stop meanwhile.
/// Nothing is sealed yet: there is nothing to finish.
async fn open(
    config: &Config,
    engine_config: &EngineConfig,
    (shard, database): (&str, Database),
    stop: &mut Stop,
) -> Result<Option<Started>> {
    let (event_log, sinks, of) = (config.event_log()?, config.sinks.checked()?, shard.to_owned());
    let SearchParts { index, searcher } = search::lead(config, shard)?;
    let opening = tokio::task::spawn_blocking(move || event_log::open(event_log, &of));
    let opened = tokio::select! {
        opened = opening => opened??,
        () = &mut *stop => return Ok(None),
    };
    let started = tokio::select! {
        engine = start(engine_config) => engine.map(Some),
        () = stop => Ok(None),
    };
    let started = started.and_then(|engine| {
        let Some(engine) = engine else { return Ok(None) };
        let generation = engine_config.generation().to_string();
        let configured = (&sinks, config.kafka.brokers.as_str());
        let followed = Followed { folder: config.data.join("backlog"), database, index };
        let stores = Stores::start(&engine, (generation, shard), configured, followed)?;
        Ok(Some((engine, stores)))
    });
    match started {
        Ok(Some((engine, stores))) => {
            Ok(Some(Started { opened, engine, stores, searcher, hold_back_ms: sinks.hold_back_ms }))
        }
        other => {
            // Clients of brokers wait when they are closed, which a task must not; nor does it wait for ever for brokers
            // that are away.
            let closing = tokio::task::spawn_blocking(move || drop(opened));
            let _given_up = tokio::time::timeout(STOP, closing).await;
            other.map(|_| None)
        }
    }
}

/// Reads, seals, computes, answers.
async fn lead(
    config: &Config,
    (engine_config, state): (EngineConfig, StateConfig),
    (started, product): (Started, ProductState),
    stop: Stop,
) -> Result<()> {
    let Started { opened, mut engine, stores, searcher, hold_back_ms } = started;
    let ready = Arc::new(AtomicBool::new(false));
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    let recovered = Arc::clone(&ready);
    let (source, append) = source::start(
        &mut engine,
        (opened, &engine_config),
        (&state, config.quota()),
        (stores.applied_by_all(), hold_back_ms),
        move || recovered.store(true, Ordering::Relaxed),
        // Nobody waits any more when the process is stopping already.
        move || {
            let _told = ended.send(());
        },
    )?;
    let metrics = recorder();
    let desk = config.desk(engine.reader(), product.clone()).await?;
    if config.watches()? {
        let watched = watch::alerts(desk.clone(), engine.reader(), product.clone(), ready.clone());
        #[expect(clippy::disallowed_methods, reason = "tasks are spawned in this crate only")]
        drop(tokio::spawn(watched));
    }
    let views = (engine.reader(), product);
    let api = Api::new(views, investigator::of(desk), Some(append), metrics, ready)
        .with_searcher(searcher)
        .with_senders(config.senders().await?);
    let served = serve(api, &config.server.listen, or_asked_to_stop(stop, has_ended)).await;
    let stopped = tokio::task::spawn_blocking(move || {
        let read = source.stop().map_err(|error| Failure::of(Cause::State, error.to_string()));
        read.and(engine.shutdown().context("stop the engine"))
    });
    let stopped = tokio::time::timeout(STOP, stopped).await.map_err(|_| {
        let detail = "what was sealed is computed again at the next start; is the event log reachable?";
        Failure::of(Cause::State, format!("not stopped within {STOP:?}: {detail}"))
    })?;
    stores.stop().await;
    served.and(stopped.context("stop")?)
}

/// Computes for the process that seals, and answers from all views.
async fn follow(
    config: &Config,
    engine_config: EngineConfig,
    product: ProductState,
    stop: Stop,
) -> Result<()> {
    let (event_log, engine) = (config.event_log()?, start(&engine_config).await?);
    let append = tokio::task::spawn_blocking(move || event_log::appender(event_log)).await??;
    let (reader, ready) = (engine.reader(), Arc::new(AtomicBool::new(false)));
    let investigator = investigator::of(config.desk(engine.reader(), product.clone()).await?);
    let views = (engine.reader(), product);
    let api = Api::new(views, investigator, Some(append), recorder(), ready.clone())
        .with_searcher(search::follow(config, &config.state()?.shard)?)
        .with_senders(config.senders().await?);
    let heard = async move {
        // The first epoch brings back what was sealed before.
        if reader.complete(1).await.is_ok() {
            ready.store(true, Ordering::Relaxed);
        }
        std::future::pending().await
    };
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    let watch = move || {
        let outcome = engine.wait();
        let _told = ended.send(());
        outcome
    };
    let watcher = std::thread::Builder::new().name("kgroot-watch".to_owned()).spawn(watch);
    let watcher = watcher.context("start a thread")?;
    let served = tokio::select! {
        served = serve(api, &config.server.listen, or_asked_to_stop(stop, has_ended)) => served,
        never = heard => never,
    };
    if watcher.is_finished() {
        let outcome = watcher.join().map_err(|_| anyhow::anyhow!("the watcher failed"))?;
        return served.and(outcome.context("the engine"));
    }
    // Asked to stop alone: the others cannot go on without this process, and recover with it.
    served
}

/// Starts the engine; in a cluster that waits for the other processes, not for ever: one that has failed
/// meanwhile does not come, and all are started again.
async fn start(config: &EngineConfig) -> Result<Engine> {
    let config = config.clone();
    let alone = config.cluster.is_none();
    let starting = tokio::task::spawn_blocking(move || Engine::start(config));
    let started = if alone {
        starting.await
    } else {
        tokio::time::timeout(MEET, starting).await.map_err(|_| {
            let line = "the other processes of the cluster did not come";
            let detail = "start all of them again, with the same --hosts";
            Failure::of(Cause::Unreachable, format!("{line} within {MEET:?}; {detail}"))
        })?
    };
    started.context("start")?.context("start the engine")
}

async fn or_asked_to_stop(stop: Stop, ended: tokio::sync::oneshot::Receiver<()>) {
    tokio::select! {
        () = stop => {}
        _ = ended => {}
    }
}

/// Serves the API over a recording until the process is asked to stop, then stops the engine.
pub async fn api(engine: Engine, listen: &str) -> Result<()> {
    let ready = Arc::new(AtomicBool::new(true));
    let product = product::in_memory().await?;
    let investigator = investigator::of(Config::default().desk(engine.reader(), product.clone()).await?);
    let api = Api::new((engine.reader(), product), investigator, None, recorder(), ready);
    let served = serve(api, listen, asked_to_stop()).await;
    let stopped = tokio::task::spawn_blocking(move || engine.shutdown()).await.context("stop the engine")?;
    served.and(stopped.context("stop the engine"))
}

/// Serves until asked to stop; requests that are being answered then have a few seconds, endless streams no longer.
pub async fn serve(api: Api, listen: &str, until: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| {
        Failure::of(
            Cause::Input,
            format!(
                "cannot listen on {listen}: {error}; choose another address with server.listen or --listen"
            ),
        )
    })?;
    eprintln!("serving on http://{listen}");
    let (stopping, stop) = tokio::sync::oneshot::channel::<()>();
    let until = async move {
        until.await;
        drop(stopping);
    };
    let served = axum::serve(listener, router(api)).with_graceful_shutdown(until).into_future();
    // A subscription ends when its reader goes, who may never go.
    let given_up = async {
        let _dropped = stop.await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = served => served.context("serve the API"),
        () = given_up => Ok(()),
    }
}

fn recorder() -> Option<metrics_exporter_prometheus::PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}

async fn asked_to_stop() {
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
