//! What one process measures of one engine: as many events as it can take, then a fixed rate, and what that cost.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::peers::bare::Bare;
use crate::peers::ways::{WAYS, hop};
use crate::peers::workload::{Event, HORIZON_MS, Output, end};

/// An engine that is fed in this process.
pub trait Peer {
    /// Takes the next events.
    fn feed(&mut self, events: &[Event], now: i64) -> Result<()>;

    /// Processor seconds so far of making its records of the workload's events, which is the benchmark's own work.
    fn making_s(&self) -> f64 {
        0.0
    }

    /// Waits until everything fed is visible.
    fn settle(&mut self) -> Result<()>;

    /// The compared part of what is known.
    fn output(&mut self, end: i64) -> Result<Output>;
}

impl Peer for Bare {
    fn feed(&mut self, events: &[Event], now: i64) -> Result<()> {
        for event in events {
            self.push(event);
        }
        self.advance(now);
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn output(&mut self, _end: i64) -> Result<Output> {
        Ok(Bare::output(self))
    }
}

/// What one run of one engine came to. Engines in other languages print the same.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Run {
    /// Events fed.
    pub events: u64,
    /// Wall-clock seconds of feeding at capacity.
    pub wall_s: f64,
    /// Processor seconds, of all threads, in that time; without the making of records.
    pub cpu_s: f64,
    /// Processor seconds of making the peer's records of the workload's events: of peers that are given events as they are, none.
    #[serde(default)]
    pub making_s: f64,
    /// Seconds from the start of the process until the engine takes events.
    pub start_s: f64,
    /// Memory that the fed engine has beyond what the process had before, in bytes.
    pub bytes: u64,
    /// Events that count at the end.
    pub live: u64,
    /// Milliseconds from when an event was due until what it comes to was visible, at the asked rate: of every event.
    #[serde(default)]
    pub latencies_ms: Vec<f64>,
    /// Of what is not built with this program.
    #[serde(default)]
    pub version: Option<String>,
}

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Most events handed over at once.
    pub batch: usize,
    /// Events per second; 0 for as many as it takes.
    pub rate: f64,
}

/// Feeds an engine all events and says what that took.
pub fn run(
    peer: &mut dyn Peer,
    events: &[Event],
    pace: Pace,
    began: Instant,
    before: u64,
) -> Result<(Run, Output)> {
    let start_s = began.elapsed().as_secs_f64();
    let end = end(events);
    let (cpu, making, begun) = (processor_s()?, peer.making_s(), Instant::now());
    let latencies_ms =
        if 0.0 < pace.rate { open_loop(peer, events, pace)? } else { closed_loop(peer, events, pace)? };
    peer.settle()?;
    let (wall_s, making_s) = (begun.elapsed().as_secs_f64(), peer.making_s() - making);
    let cpu_s = processor_s()? - cpu - making_s;
    peer.feed(&[], end)?;
    peer.settle()?;
    let bytes = resident_bytes()?.saturating_sub(before);
    let live = events.iter().filter(|event| end < event.at + HORIZON_MS).count() as u64;
    let output = peer.output(end)?.compared(end);
    let events = events.len() as u64;
    let version = None;
    Ok((Run { events, wall_s, cpu_s, making_s, start_s, bytes, live, latencies_ms, version }, output))
}

fn closed_loop(peer: &mut dyn Peer, events: &[Event], pace: Pace) -> Result<Vec<f64>> {
    for part in events.chunks(pace.batch.max(1)) {
        peer.feed(part, part.last().map_or(0, |event| event.at))?;
    }
    Ok(Vec::new())
}

/// Events are due at a fixed rate, whatever the engine does; whatever is due is handed over.
fn open_loop(peer: &mut dyn Peer, events: &[Event], pace: Pace) -> Result<Vec<f64>> {
    let begun = Instant::now();
    let due = |index: usize| index as f64 / pace.rate;
    let mut latencies = Vec::with_capacity(events.len());
    let mut next = 0;
    while next < events.len() {
        let now = begun.elapsed().as_secs_f64();
        if now < due(next) {
            std::thread::park_timeout(Duration::from_secs_f64((due(next) - now).min(0.001)));
            continue;
        }
        let most = events.len().min(next + pace.batch.max(1));
        let until = (next..most).find(|index| now < due(*index)).unwrap_or(most);
        let part = &events[next..until];
        peer.feed(part, part.last().map_or(0, |event| event.at))?;
        peer.settle()?;
        let visible = begun.elapsed().as_secs_f64();
        latencies.extend((next..until).map(|index| (visible - due(index)) * 1_000.0));
        next = until;
    }
    Ok(latencies)
}

/// Processor seconds of this process so far, of all its threads.
pub fn processor_s() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    // User and system time, in hundredths of a second on every Linux.
    Ok((ticks(11) + ticks(12)) / 100.0)
}

/// Resident memory of this process, in bytes.
pub fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    let kilobytes = line.split_whitespace().next().and_then(|text| text.parse::<u64>().ok());
    Ok(kilobytes.unwrap_or(0) * 1_024)
}

/// Memory that programs can still have without swapping, in bytes.
pub fn available_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or("0");
    let kilobytes: u64 = line.split_whitespace().next().unwrap_or("0").parse().context("MemAvailable")?;
    Ok(kilobytes * 1_024)
}

/// Writes the events, a line each, for engines in other languages.
pub fn write_events(file: &Path, events: &[Event]) -> Result<()> {
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(file, lines).with_context(|| format!("write {}", file.display()))
}

/// Writes the ways, a line each: rule, kinds, steps with -1 at the end, window, weight, weight of the hops, prior, layers.
pub fn write_ways(file: &Path) -> Result<()> {
    let mut lines = String::new();
    for way in WAYS {
        let mut steps: Vec<String> = way.steps.iter().map(|step| (*step as usize).to_string()).collect();
        let (cause, effect) = (way.cause.spec(), way.effect.spec());
        let numbers = [way.window_ms, way.strength, hop(steps.len()), cause.prior, cause.layer, effect.layer];
        let numbers = numbers.map(|number| number.to_string()).join(",");
        steps.push("-1".to_owned());
        let (rule, steps) = (way.rule, steps.join(" "));
        lines += &format!("{rule},{},{},{steps},{numbers}\n", way.cause.number(), way.effect.number());
    }
    std::fs::write(file, lines).with_context(|| format!("write {}", file.display()))
}
