//! `load [EVENTS] [WORKERS] [BROKERS]`: events per second of the whole path, and freshness at half of that rate.
//!
//! The whole path: append to the event log (embedded in a temporary folder, or Kafka when brokers are named), read,
//! decode, seal, compute, publish. First as fast as it goes (closed loop), then at half the rate (open loop): freshness
//! is the time from when a batch was due to be appended to when every view counts it. Prints one JSON document.

use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::load::Load;
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use dataflow::ingest::clock::now;
use dataflow::ingest::share::Quota;
use deploy::config::{EventLogConfig, StateConfig};
use deploy::{event_log, source};
use query_api::{Append, Appender};
use schemas::ids::TenantId;
use schemas::read::{Query, ViewReader};
use schemas::time::Epoch;
use schemas::view::{Row, ViewName};

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Records appended at a time.
const BATCH: usize = 1_000;
/// Ticks at half the rate, and the time between them.
const TICKS: usize = 100;
const TICK: Duration = Duration::from_millis(100);
/// Between two looks at the counts: the resolution of freshness.
const LOOK: Duration = Duration::from_millis(5);
/// Longer than any run.
const RETENTION_MS: i64 = 86_400_000;
/// As often as `kgroot run` does by default.
const SNAPSHOT_EVERY_MS: i64 = 300_000;
/// Topic family of the load.
const FAMILY: &str = "k8s-events";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |name: &str, default: usize| {
        arguments
            .next()
            .map_or(Ok(default), |text| text.parse())
            .with_context(|| format!("{name} is a whole number"))
    };
    let (events, workers) = (number("EVENTS", 100_000)?, number("WORKERS", 1)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // A tenant of its own for each run: a broker keeps what earlier runs sent.
    let tenant: TenantId = format!("load-{}", std::process::id()).parse()?;
    let folder = std::env::temp_dir().join(format!("kgroot-{tenant}"));
    let log = match arguments.next() {
        None => EventLogConfig::Embedded { path: folder.join("log"), retention_ms: RETENTION_MS },
        Some(brokers) => EventLogConfig::Kafka { brokers, registry: None, tenants: vec![tenant.clone()] },
    };
    let state = StateConfig {
        path: folder.join("state"),
        shard: tenant.to_string(),
        snapshot_every_ms: SNAPSHOT_EVERY_MS,
    };
    let document = runtime.block_on(measure(log, state, &tenant, events, workers))?;
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    writeln!(std::io::stdout(), "{document}")?;
    Ok(())
}

struct Feed<'a> {
    load: Load,
    append: Appender,
    tenant: &'a TenantId,
    reader: ViewReader,
    sent: u64,
}

impl Feed<'_> {
    async fn append(&mut self, records: Vec<Vec<u8>>) -> Result<()> {
        let append = Append { tenant: self.tenant.clone(), family: FAMILY, records };
        let appended = (self.append)(append).await;
        appended.map(drop).map_err(|problem| anyhow::anyhow!("{problem:?}"))
    }

    async fn append_load(&mut self, count: usize) -> Result<()> {
        let records = (0..count).map(|_| self.load.record(now()).1).collect();
        self.sent += u64::try_from(count)?;
        self.append(records).await
    }

    /// Appends so many records at each tick, whether or not earlier ones are visible yet: the time from when each tick
    /// was due to when the views count its records, in milliseconds.
    async fn open_loop(&mut self, before: u64, per_tick: usize) -> Result<Vec<f64>> {
        let mut ticks = tokio::time::interval(TICK);
        let mut look = tokio::time::interval(LOOK);
        let mut due: VecDeque<(tokio::time::Instant, u64)> = VecDeque::new();
        let (mut appended, mut freshness_ms) = (0, Vec::with_capacity(TICKS));
        while freshness_ms.len() < TICKS {
            tokio::select! {
                at = ticks.tick(), if appended < TICKS => {
                    self.append_load(per_tick).await?;
                    due.push_back((at, before + self.sent));
                    appended += 1;
                }
                _ = look.tick() => {
                    let counted = accepted(&self.reader, self.tenant).await;
                    while let Some((at, _)) = due.pop_front_if(|(_, wanted)| *wanted <= counted) {
                        freshness_ms.push(at.elapsed().as_secs_f64() * 1_000.0);
                    }
                }
            }
        }
        Ok(freshness_ms)
    }

    /// Waits until the views count at least as many events.
    async fn counted(&self, wanted: u64) -> Result<()> {
        let mut look = tokio::time::interval(LOOK);
        while accepted(&self.reader, self.tenant).await < wanted {
            look.tick().await;
        }
        Ok(())
    }
}

/// Events that the views count, copies included: two in one millisecond can be the same Event of Kubernetes. None before
/// the tenant is known.
async fn accepted(reader: &ViewReader, tenant: &TenantId) -> u64 {
    let Ok((rows, ..)) = reader.scan(Query::all(tenant, ViewName::Coverage), 100).await else { return 0 };
    rows.iter().map(|row| if let Row::Coverage(row) = row { row.accepted + row.duplicate } else { 0 }).sum()
}

async fn measure(
    log: EventLogConfig,
    state: StateConfig,
    tenant: &TenantId,
    events: usize,
    workers: usize,
) -> Result<serde_json::Value> {
    let path = if matches!(log, EventLogConfig::Kafka { .. }) { "kafka" } else { "embedded" };
    let config = EngineConfig { workers, clock: Clock::Wall, ..EngineConfig::default() };
    let mut engine = Engine::start(config.clone())?;
    let shard = state.shard.clone();
    let opened = tokio::task::spawn_blocking(move || event_log::open(log, &shard)).await??;
    let quota = Quota { records_per_s: 0 };
    let (source, append) = source::start(
        &mut engine,
        (opened, &config),
        (&state, quota),
        (Box::new(|| Epoch::MAX), 0),
        || (),
        || (),
    )?;
    let mut feed = Feed { load: Load::new(1, tenant), append, tenant, reader: engine.reader(), sent: 0 };
    let objects: Vec<Vec<u8>> = feed.load.objects().into_iter().map(|(_, bytes)| bytes).collect();
    feed.append(objects).await?;
    feed.counted(1).await?;
    let objects = accepted(&feed.reader, tenant).await;

    let begun = Instant::now();
    for _ in 0..events.div_ceil(BATCH) {
        feed.append_load(BATCH).await?;
    }
    let appended = begun.elapsed();
    feed.counted(objects + feed.sent).await?;
    let per_second = feed.sent as f64 / begun.elapsed().as_secs_f64();

    let per_tick = ((per_second / 2.0 / 10.0) as usize).max(1);
    let mut freshness_ms = feed.open_loop(objects, per_tick).await?;
    freshness_ms.sort_by(f64::total_cmp);
    let at = |share: f64| freshness_ms[((freshness_ms.len() - 1) as f64 * share) as usize].round();
    let figures = serde_json::json!({"path": path, "events": events, "workers": workers,
        "events_per_s": per_second.round(), "append_s": appended.as_secs_f64(),
        "freshness_at_half_ms": {"p50": at(0.5), "p99": at(0.99)}});
    tokio::task::spawn_blocking(move || {
        source.stop()?;
        engine.shutdown().map_err(anyhow::Error::from)
    })
    .await??;
    Ok(figures)
}
