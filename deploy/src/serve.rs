//! `kgroot run` and the API of the demo: wire the parts, serve, stop in order.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::http::StatusCode;
use dataflow::engine::Engine;
use dataflow::ingest::source::Source;
use metrics_exporter_prometheus::PrometheusBuilder;
use query_api::{Api, Appender, Investigator, Problem, router};
use schemas::read::ViewReader;

use crate::cli::{RunOptions, ValidateOptions};
use crate::config::load;
use crate::event_log;
use crate::exit::{Cause, Failure};

/// `kgroot validate`.
pub fn validate(options: &ValidateOptions) -> Result<()> {
    load(Some(&options.config), &[])?;
    crate::output::line("the configuration is valid")
}

/// `kgroot run`.
pub async fn run(options: RunOptions) -> Result<()> {
    let config = load(options.config.as_deref(), &options.set)?;
    let opened = event_log::open(config.event_log()?)?;
    let mut engine = Engine::start(config.engine()?).context("start the engine")?;
    let completed = engine.take_completed().context("the engine has no completions")?;
    let source =
        Source::start(opened.log, opened.registry.as_deref(), engine.input(), completed, opened.bury)?;
    eprintln!("serving on http://{}", config.server.listen);
    let served = api(engine, &config.server.listen, Some(opened.append)).await;
    source.stop();
    served
}

/// Serves the API over an engine until the process is asked to stop, then stops the engine.
pub async fn api(engine: Engine, listen: &str, appender: Option<Appender>) -> Result<()> {
    let api = Api::new(engine.reader(), investigator(engine.reader()), appender, recorder());
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|error| {
        Failure::of(
            Cause::Input,
            format!(
                "cannot listen on {listen}: {error}; choose another address with server.listen or --listen"
            ),
        )
    })?;
    axum::serve(listener, router(api))
        .with_graceful_shutdown(asked_to_stop())
        .await
        .context("serve the API")?;
    tokio::task::spawn_blocking(move || engine.shutdown()).await.context("stop the engine")??;
    Ok(())
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
