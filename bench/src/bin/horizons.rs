//! `horizons [ROUNDS] [EVENTS] [BURST]`: resident memory after each of some horizons of a steady stream.
//!
//! Memory must not grow once the first horizon is full. With BURST, a node is lost in the third horizon and so many alerts
//! fire for its pods, which are removed an epoch later; memory must return when the horizon has passed. Prints one JSON document per horizon.

use std::io::Write;

use anyhow::{Context, Result};
use bench::load::Load;
use dataflow::arrival::arrivals;
use dataflow::config::{Clock, EngineConfig};
use dataflow::engine::Engine;
use schemas::codec::{Format, Raw};
use schemas::ids::TenantId;
use schemas::position::SourcePosition;
use schemas::read::{Query, ViewReader};
use schemas::time::EventTime;
use schemas::view::ViewName;

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const HORIZON_MS: i64 = 3_600_000;
const START: EventTime = EventTime(1_790_000_000_000);
const BATCH: i64 = 500;
/// The horizon at whose beginning the burst comes.
const BURST_ROUND: i64 = 3;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: i64 =
        arguments.next().map_or(Ok(10), |text| text.parse()).context("ROUNDS is a whole number")?;
    let events: i64 =
        arguments.next().map_or(Ok(10_000), |text| text.parse()).context("EVENTS is a whole number")?;
    let burst: u64 =
        arguments.next().map_or(Ok(0), |text| text.parse()).context("BURST is a whole number")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(rounds, events, burst))
}

async fn measure(rounds: i64, events: i64, burst: u64) -> Result<()> {
    let config = EngineConfig {
        clock: Clock::Event,
        horizon_ms: HORIZON_MS,
        lateness_ms: HORIZON_MS,
        epochs_readable: 10,
        ..EngineConfig::default()
    };
    let engine = Engine::start(config)?;
    let (input, reader) = (engine.input(), engine.reader());
    let tenant: TenantId = "load".parse()?;
    let mut load = Load::new(1, &tenant);
    let step_ms = HORIZON_MS / events.max(1);
    let mut sent = 0;
    let mut place = 0;
    let mut decode = |(format, bytes): (Format, Vec<u8>), at: EventTime| {
        place += 1;
        let position = SourcePosition { topic: "load".into(), partition: 0, offset: place, item: 0 };
        arrivals(&Raw { tenant: &tenant, position: &position, arrived: at, bytes: &bytes }, format)
    };
    for round in 1..=rounds {
        if round == BURST_ROUND && 0 < burst {
            let at = START.plus_ms(sent * step_ms);
            for records in [load.burst(burst, at), load.aftermath(burst)] {
                let batch = records.into_iter().flat_map(|record| decode(record, at)).collect();
                let epoch = input.seal(batch, EventTime(0)).await?;
                reader.complete(epoch).await?;
                let alerts = reader.scan(Query::all(&tenant, ViewName::Alerts), 100_000).await?.0.len();
                let incidents = reader.scan(Query::all(&tenant, ViewName::Incidents), 100_000).await?.0.len();
                let figures = serde_json::json!({"burst": burst, "incidents": incidents, "alerts": alerts,
                    "rows": rows(&reader).await?, "resident_mib": resident_mib()?});
                writeln!(std::io::stdout(), "{figures}")?;
            }
        }
        for _ in 0..events / BATCH {
            let mut batch = Vec::new();
            for _ in 0..BATCH {
                sent += 1;
                let at = START.plus_ms(sent * step_ms);
                let record = load.record(at);
                batch.extend(decode(record, at));
            }
            let epoch = input.seal(batch, EventTime(0)).await?;
            reader.complete(epoch).await?;
        }
        let rows = rows(&reader).await?;
        let figures = serde_json::json!({"horizon": round, "events": sent, "rows": rows, "resident_mib": resident_mib()?});
        writeln!(std::io::stdout(), "{figures}")?;
    }
    tokio::task::spawn_blocking(move || engine.shutdown()).await??;
    Ok(())
}

async fn rows(reader: &ViewReader) -> Result<u64> {
    Ok(reader.status().await?.rows.iter().map(|(_, rows)| rows).sum())
}

/// Resident pages of this process, in MiB (pages of 4 KiB).
fn resident_mib() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").context("read /proc/self/statm")?;
    let pages: u64 = text.split_whitespace().nth(1).context("statm has two fields")?.parse()?;
    Ok(pages * 4 / 1_024)
}
