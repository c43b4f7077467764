//! Telemetry of the program itself: logs to stderr, as text, the level by `KGROOT_LOG`; spans of investigations, agents, tools
//! and model calls to the OpenTelemetry collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names, if any.

use std::io::IsTerminal;

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that OpenTelemetry gives the address of a collector, such as `http://collector:4318`.
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What is told of the program; spans that were not sent yet are when it is dropped.
#[must_use]
#[derive(Debug)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.0.take().map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Starts logging, and sending spans where there is a collector. To be called outside of an async runtime.
pub fn start() -> Telemetry {
    let filter = EnvFilter::try_from_env("KGROOT_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let text = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(filter);
    let named = std::env::vars().any(|(name, value)| name == COLLECTOR && !value.is_empty());
    let collector = named.then(|| SpanExporter::builder().with_http().build());
    let (provider, refused) = match collector {
        None => (None, None),
        Some(Ok(exporter)) => {
            let resource = Resource::builder().with_service_name("kgroot").build();
            let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
            (Some(provider.build()), None)
        }
        Some(Err(error)) => (None, Some(error)),
    };
    let spans = provider.as_ref().map(|provider| {
        let investigations = Targets::new().with_target("agents", LevelFilter::INFO);
        tracing_opentelemetry::layer().with_tracer(provider.tracer("kgroot")).with_filter(investigations)
    });
    // A second start, as in tests, keeps the first.
    let _started = tracing_subscriber::registry().with(text).with(spans).try_init();
    if let Some(error) = refused {
        tracing::warn!(%error, "no spans are sent: {COLLECTOR} names no collector");
    }
    Telemetry(provider)
}
