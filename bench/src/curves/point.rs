//! One point: kgroot's engine fed with a workload as fast as it takes it.

use std::time::Instant;

use anyhow::{Context, Result};
use schemas::view::ViewName;

use super::{Feed, Point, feed};
use crate::peers::engine::Kgroot;
use crate::peers::measure::{Peer, processor_s, resident_bytes};
use crate::peers::workload::{AFTER_MS, HORIZON_MS};

/// Measures a point in this process.
pub fn measure(axis: &str, value: u64) -> Result<Point> {
    let Feed { events, workers, batch } = feed(axis, value).with_context(|| format!("no axis {axis:?}"))?;
    let before = resident_bytes()?;
    let mut engine = Kgroot::start(workers)?;
    let (begun, cpu, making) = (Instant::now(), processor_s()?, engine.making_s());
    let mut now = 0;
    for part in events.chunks(batch) {
        now = part.iter().map(|(_, event)| event.at).fold(now, i64::max);
        engine.feed_of(part, now)?;
    }
    engine.settle()?;
    let making_s = engine.making_s() - making;
    let (wall_s, cpu_s) = (begun.elapsed().as_secs_f64(), processor_s()? - cpu - making_s);
    let end = now + AFTER_MS;
    engine.feed(&[], end)?;
    engine.settle()?;
    let bytes = resident_bytes()?.saturating_sub(before);
    let live = events.iter().filter(|(_, event)| end < event.at + HORIZON_MS).count() as u64;
    let (links, chains) = (engine.count(ViewName::Links)?, engine.count(ViewName::Chains)?);
    engine.stop()?;
    Ok(Point { value, events: events.len() as u64, live, wall_s, cpu_s, bytes, links, chains })
}
