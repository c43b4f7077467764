//! What the kernel says of this process.

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

pub use crate::peers::measure::{processor_s, resident_bytes};

/// Threads of this process.
pub fn threads() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap_or("0");
    line.trim().parse().context("a number of threads")
}

/// Open file handles of this process.
pub fn handles() -> Result<u64> {
    Ok(std::fs::read_dir("/proc/self/fd").context("read /proc/self/fd")?.count() as u64)
}

/// Bytes that the program holds of the allocator: what is resident beyond them is free, between what is not.
pub fn allocated_bytes() -> Result<u64> {
    // The allocator counts by itself, but shows what it had counted when it was told to.
    tikv_jemalloc_ctl::epoch::advance().map_err(|error| anyhow!("allocator: {error}"))?;
    let bytes = tikv_jemalloc_ctl::stats::allocated::read().map_err(|error| anyhow!("allocator: {error}"))?;
    Ok(bytes as u64)
}

/// Bytes in MiB.
pub fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Quantiles of some durations, in milliseconds with one digit.
pub fn quantiles(mut milliseconds: Vec<f64>) -> Value {
    milliseconds.sort_by(f64::total_cmp);
    let at = |thousandths| tenths(crate::peers::report::quantile(&milliseconds, thousandths));
    json!({"n": milliseconds.len(), "p50": at(500), "p99": at(990), "p99_9": at(999), "max": at(1_000)})
}

/// A figure with one digit after the point.
pub fn tenths(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}
