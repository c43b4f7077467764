//! A guard against getting slower: the engine by the measure of plain differential and of the bare program, all within one
//! run, so that neither the machine nor what else it does counts.
//!
//! Repetitions take turns; of each the median counts. A ratio is what one core takes of events, over what it takes of the other's.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::peers::bare::Bare;
use crate::peers::engine::Kgroot;
use crate::peers::generate::{Size, generate};
use crate::peers::measure::{Pace, Peer, Run, resident_bytes, run};
use crate::peers::plain;
use crate::peers::report::median;
use crate::peers::workload::{Event, Output};

/// Events handed over at once.
const BATCH: usize = 2_000;
/// Event time of the workload, in milliseconds: more than a horizon.
const DURATION_MS: i64 = 9_000_000;

/// Processor time is counted in these: whoever takes less has taken one.
const TICK_S: f64 = 0.01;

/// The engine's throughput per core, in thousandths of others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ratios {
    /// Of plain differential's.
    pub to_plain_milli: u64,
    /// Of the bare program's.
    pub to_bare_milli: u64,
}

/// The workload of a whole cluster.
pub fn cluster(services: u32) -> Vec<Event> {
    generate(1, Size { services, duration_ms: DURATION_MS })
}

/// Measures the ratios.
///
/// # Errors
/// An engine failed, or the three do not give the same output.
pub fn ratios(events: &[Event], repetitions: usize) -> Result<Ratios> {
    let (mut engine, mut plain, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..repetitions {
        let (by_bare, expected) = taken(&mut Bare::default(), events)?;
        let mut kgroot = Kgroot::start(1)?;
        let (by_engine, found) = taken(&mut kgroot, events)?;
        kgroot.stop()?;
        ensure!(found == expected, "the engine's output is not that of the bare program");
        let same = events.to_vec();
        let (by_plain, found) = plain::with(move |peer| taken(peer, &same))?;
        ensure!(found == expected, "plain differential's output is not that of the bare program");
        engine.push(by_engine);
        plain.push(by_plain);
        bare.push(by_bare);
    }
    let (engine, plain, bare) = (median(engine), median(plain), median(bare));
    Ok(Ratios { to_plain_milli: milli(plain, engine), to_bare_milli: milli(bare, engine) })
}

/// Processor seconds that the events take, and what they come to.
fn taken(peer: &mut dyn Peer, events: &[Event]) -> Result<(f64, Output)> {
    let pace = Pace { batch: BATCH, rate: 0.0 };
    let (Run { cpu_s, .. }, output) = run(peer, events, pace, Instant::now(), resident_bytes()?)?;
    Ok((cpu_s.max(TICK_S), output))
}

/// Thousandths. A measured ratio is small.
fn milli(others: f64, own: f64) -> u64 {
    (others / own * 1_000.0).round() as u64
}
