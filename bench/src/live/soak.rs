//! Soak: a modest rate for a long time; memory, rows and handles once the horizon is full.
//!
//! Horizon and gap are as short as can be, and the windows of rules are cut to the horizon, because a kind lives as long as
//! rules look back for it: everything expires after one horizon.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use dataflow::config::EngineConfig;
use deploy::config::Config;
use schemas::catalogue::Rules;
use schemas::ids::TenantId;
use schemas::read::ViewReader;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Live;
use super::feed::Feeder;
use super::process::{allocated_bytes, handles, mib, resident_bytes, tenths, threads};
use super::seen::Observer;
use crate::peers::report::{median, quantile};

/// The horizon, and how the configuration writes it.
const HORIZON: Duration = Duration::from_secs(120);
const HORIZON_TEXT: &str = "2m";
/// The least gap that there is.
const GAP_TEXT: &str = "1m";
/// Records that the log keeps: as long as a restart can need them.
const RETENTION_TEXT: &str = "10m";
/// Between two snapshots: what is known of seals is kept until the next one, and so each sample of a long run has a whole turn.
const SNAPSHOT_TEXT: &str = "1m";
/// After this the horizon is full and the first snapshot written, and the log has twice as much behind it as it keeps.
const FULL: Duration = Duration::from_secs(1_200);
/// Between two samples; shorter in a run of less than twenty minutes.
const SAMPLE: Duration = Duration::from_secs(60);
/// Readings of one sample.
const READINGS: u32 = 10;

/// A sample: medians of its readings.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Duration,
    resident: f64,
    allocated: f64,
    rows: f64,
    handles: f64,
}

/// The configuration of a soak.
pub fn config(mut config: Config) -> Result<(Config, EngineConfig)> {
    config.engine.horizon = HORIZON_TEXT.to_owned();
    config.engine.gap = GAP_TEXT.to_owned();
    config.log.retention = RETENTION_TEXT.to_owned();
    config.state.snapshot_every = SNAPSHOT_TEXT.to_owned();
    let seconds = HORIZON.as_secs();
    let longer = |window_ms: i64| HORIZON.as_millis() < u128::from(window_ms.unsigned_abs());
    let cut: String = Rules::built_in()
        .iter()
        .filter(|(_, rule)| longer(rule.window_ms))
        .map(|(_, rule)| format!("- {{id: {}, window: {seconds}s}}\n", rule.id))
        .collect();
    let engine = EngineConfig { rules: Rules::with_file("windows", &cut)?, ..config.engine()? };
    Ok((config, engine))
}

/// Feeds at a rate for so long, and says what has grown.
pub async fn soak(live: &Live, tenant: &TenantId, per_s: f64, lasting: Duration) -> Result<Value> {
    let mut feeder = Feeder::new(live, tenant);
    feeder.objects().await?;
    let observer = Observer::start(&live.reader(), tenant).await?;
    let reader = live.reader();
    let (p99_ms, samples) =
        tokio::try_join!(fed(&mut feeder, &observer, per_s, lasting), sampled(&reader, lasting))?;
    observer.counted(feeder.sent()).await?;
    let full = samples.iter().filter(|sample| FULL.min(lasting / 2) <= sample.at);
    let full: Vec<Sample> = full.copied().collect();
    let minutes: Vec<Value> = samples.iter().map(shown).collect();
    Ok(json!({"events_per_s": per_s, "seconds": lasting.as_secs(), "horizon_s": HORIZON.as_secs(),
        "freshness_p99_ms": {"median": tenths(median(p99_ms.clone())), "worst": tenths(p99_ms.into_iter().fold(0.0, f64::max))},
        "threads": threads()?,
        "growth_percent": {"resident": growth(&full, |sample| sample.resident),
            "allocated": growth(&full, |sample| sample.allocated),
            "rows": growth(&full, |sample| sample.rows), "handles": growth(&full, |sample| sample.handles)},
        "samples": minutes}))
}

/// Feeds sample by sample, so that what was seen need not be kept: the 99th hundredth of freshness in each.
async fn fed(
    feeder: &mut Feeder<'_>,
    observer: &Observer,
    per_s: f64,
    lasting: Duration,
) -> Result<Vec<f64>> {
    let (begun, mut fed, mut p99_ms) = (Instant::now(), Duration::ZERO, Vec::new());
    while fed < lasting {
        let part = SAMPLE.min(lasting - fed);
        let dues = feeder.open(begun + fed, per_s, part).await?;
        let mut milliseconds = observer.freshness_ms(&dues);
        milliseconds.sort_by(f64::total_cmp);
        p99_ms.push(quantile(&milliseconds, 990));
        observer.forget();
        fed += part;
    }
    Ok(p99_ms)
}

async fn sampled(reader: &ViewReader, lasting: Duration) -> Result<Vec<Sample>> {
    let (begun, every) = (Instant::now(), SAMPLE.min(lasting / 20));
    let mut samples = Vec::new();
    while begun.elapsed() + every <= lasting {
        let (mut resident, mut allocated) = (Vec::new(), Vec::new());
        let (mut rows, mut open) = (Vec::new(), Vec::new());
        for _ in 0..READINGS {
            sleep(every / READINGS).await;
            resident.push(resident_bytes()? as f64);
            allocated.push(allocated_bytes()? as f64);
            rows.push(reader.status().await?.rows.iter().map(|(_, rows)| *rows as f64).sum());
            open.push(handles()? as f64);
        }
        let at = begun.elapsed();
        let (resident, allocated) = (median(resident), median(allocated));
        let sample = Sample { at, resident, allocated, rows: median(rows), handles: median(open) };
        // An hour is long: whoever waits sees how it goes.
        writeln!(std::io::stderr(), "{}", shown(&sample))?;
        samples.push(sample);
    }
    Ok(samples)
}

fn shown(sample: &Sample) -> Value {
    json!({"s": sample.at.as_secs(), "resident_mib": mib(sample.resident as u64),
        "allocated_mib": mib(sample.allocated as u64), "rows": sample.rows as u64, "handles": sample.handles as u64})
}

/// By how many percent the last third is above the first third, by their means: memory swings by some percent within minutes.
/// Nothing if there is too little.
fn growth(full: &[Sample], of: fn(&Sample) -> f64) -> Option<f64> {
    let third = full.len() / 3;
    if third == 0 {
        return None;
    }
    let mean = |part: &[Sample]| part.iter().map(of).sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&full[..third]), mean(&full[full.len() - third..]));
    Some(tenths((last / first - 1.0) * 1_000.0) / 10.0)
}
