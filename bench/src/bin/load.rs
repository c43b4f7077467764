//! `load [EVENTS] [WORKERS]`: events per second of the whole path, and freshness at half of that rate.
//!
//! First as fast as it goes (closed loop), then at half the rate (open loop): freshness is the time from when a record
//! was due to when every view shows it. Prints one JSON document.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::load::Load;
use dataflow::arrival::{Arrival, arrivals};
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::codec::{Format, Raw};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::time::EventTime;

const BATCH: usize = 1_000;
const START: EventTime = EventTime(1_790_000_000_000);
/// Recorded time between two records: a thousand a second.
const STEP_MS: i64 = 1;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let events: usize =
        arguments.next().map_or(Ok(100_000), |text| text.parse()).context("EVENTS is a whole number")?;
    let workers: usize =
        arguments.next().map_or(Ok(1), |text| text.parse()).context("WORKERS is a whole number")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = runtime.block_on(measure(events, workers))?;
    writeln!(std::io::stdout(), "{document}")?;
    Ok(())
}

struct Feed {
    load: Load,
    tenant: TenantId,
    sent: i64,
}

impl Feed {
    fn decode(&self, (format, bytes): (Format, Vec<u8>), at: EventTime) -> Vec<Arrival> {
        let position = SourcePosition { topic: "load".to_owned(), partition: 0, offset: self.sent, item: 0 };
        arrivals(&Raw { tenant: &self.tenant, position: &position, arrived: at, bytes: &bytes }, format)
    }

    fn batch(&mut self, count: usize) -> Vec<Arrival> {
        let mut batch = Vec::with_capacity(count);
        for _ in 0..count {
            self.sent += 1;
            let at = START.plus_ms(self.sent * STEP_MS);
            let record = self.load.record(at);
            batch.extend(self.decode(record, at));
        }
        batch
    }
}

async fn measure(events: usize, workers: usize) -> Result<serde_json::Value> {
    let engine = Engine::start(EngineConfig { workers, clock: Clock::Event, ..EngineConfig::default() })?;
    let (input, reader) = (engine.input(), engine.reader());
    let mut feed = Feed { load: Load::new(1), tenant: "load".parse()?, sent: 0 };
    let objects = feed.load.objects().into_iter().flat_map(|record| feed.decode(record, START)).collect();
    let ready = input.seal(objects, EventTime(0)).await?;
    reader.complete(ready).await?;

    let begun = Instant::now();
    let mut last = ready;
    for _ in 0..events.div_ceil(BATCH) {
        let batch = feed.batch(BATCH);
        last = input.seal(batch, EventTime(0)).await?;
    }
    reader.complete(last).await?;
    let per_second = events as f64 / begun.elapsed().as_secs_f64();

    let per_tick = ((per_second / 2.0 / 10.0) as usize).max(1);
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut freshness_ms: Vec<f64> = Vec::new();
    for _ in 0..100 {
        let due = ticks.tick().await;
        let batch = feed.batch(per_tick);
        let epoch = input.seal(batch, EventTime(0)).await?;
        reader.complete(epoch).await?;
        // The first record of the tick was due a tick ago.
        freshness_ms.push(due.elapsed().as_secs_f64() * 1_000.0 + 100.0);
    }
    freshness_ms.sort_by(f64::total_cmp);
    let at = |share: f64| freshness_ms[((freshness_ms.len() - 1) as f64 * share) as usize];
    let figures = serde_json::json!({"path": "embedded", "events": events, "workers": workers, "events_per_s": per_second.round(),
        "freshness_at_half_ms": {"p50": at(0.5), "p99": at(0.99)}});
    tokio::task::spawn_blocking(move || engine.shutdown()).await??;
    Ok(figures)
}
