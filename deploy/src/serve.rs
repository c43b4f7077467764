//! `kgroot run` and the API of the demo: wire the parts, serve, stop in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use axum::http::StatusCode;
use dataflow::engine::Engine;
use metrics_exporter_prometheus::PrometheusBuilder;
use query_api::{Api, Investigator, Problem, router};
use schemas::read::ViewReader;

use crate::cli::{RunOptions, ValidateOptions};
use crate::config::load;
use crate::exit::{Cause, Failure};
use crate::{event_log, source};

/// `kgroot validate`.
pub fn validate(options: &ValidateOptions) -> Result<()> {
    load(Some(&options.config), &[])?;
    crate::output::line("the configuration is valid")
}

/// `kgroot run`.
pub async fn run(options: RunOptions) -> Result<()> {
    let config = load(options.config.as_deref(), &options.set)?;
    let (engine_config, state) = (config.engine()?, config.state()?);
    let (event_log, shard) = (config.event_log()?, state.shard.clone());
    let opened = tokio::task::spawn_blocking(move || event_log::open(event_log, &shard)).await??;
    let mut engine = Engine::start(engine_config.clone()).context("start the engine")?;
    let ready = Arc::new(AtomicBool::new(false));
    let (ended, has_ended) = tokio::sync::oneshot::channel();
    let recovered = Arc::clone(&ready);
    let (source, append) = source::start(
        &mut engine,
        (opened, &engine_config),
        (&state, config.quota()),
        move || recovered.store(true, Ordering::Relaxed),
        // Nobody waits any more when the process is stopping already.
        move || {
            let _told = ended.send(());
        },
    )?;
    eprintln!("serving on http://{}", config.server.listen);
    let until = async {
        tokio::select! {
            () = asked_to_stop() => {}
            _ = has_ended => {}
        }
    };
    let api = Api::new(engine.reader(), investigator(engine.reader()), Some(append), recorder(), ready);
    let served = serve(api, &config.server.listen, until).await;
    let stopped = tokio::task::spawn_blocking(move || {
        let read = source.stop().map_err(|error| Failure::of(Cause::State, error.to_string()));
        read.and(engine.shutdown().context("stop the engine"))
    });
    served.and(stopped.await.context("stop")?)
}

/// Serves the API over a recording until the process is asked to stop, then stops the engine.
pub async fn api(engine: Engine, listen: &str) -> Result<()> {
    let ready = Arc::new(AtomicBool::new(true));
    let api = Api::new(engine.reader(), investigator(engine.reader()), None, recorder(), ready);
    let served = serve(api, listen, asked_to_stop()).await;
    let stopped = tokio::task::spawn_blocking(move || engine.shutdown()).await.context("stop the engine")?;
    served.and(stopped.context("stop the engine"))
}

async fn serve(api: Api, listen: &str, until: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| {
        Failure::of(
            Cause::Input,
            format!(
                "cannot listen on {listen}: {error}; choose another address with server.listen or --listen"
            ),
        )
    })?;
    axum::serve(listener, router(api)).with_graceful_shutdown(until).await.context("serve the API")
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

/// The agents behind the one function that the API knows.
fn investigator(reader: ViewReader) -> Investigator {
    Arc::new(move |question| {
        let reader = reader.clone();
        Box::pin(async move { agents::investigate(&reader, &question).await.map_err(problem) })
    })
}

fn problem(error: agents::error::InvestigateError) -> Problem {
    use agents::error::InvestigateError as E;
    let detail = error.to_string();
    match error {
        E::Window(_) => Problem::unprocessable("window_invalid", detail).at("/time_window", "invalid"),
        E::UnknownService { .. } => {
            Problem::new(StatusCode::NOT_FOUND, "service_unknown", detail).at("/service", "unknown")
        }
        E::Read(read) => read.into(),
    }
}
