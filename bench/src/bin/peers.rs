//! `peers [--engines a,b] [--quick] [--services N] [--hours N] [--seed N] --output table|json`: one workload on many engines.
//!
//! What they compute, and where each stands: `bench/peers/README.md`. Every run of an engine is a process of its own, one at a
//! time; the engines take turns. First all must give the same output, then they are measured.

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bench::peers::bare::Bare;
use bench::peers::engine::Kgroot;
use bench::peers::generate::{Size, generate};
use bench::peers::measure::{Pace, Peer, Run, resident_bytes, run};
use bench::peers::report::{self, Order};
use bench::peers::workload::{Event, Output};
use bench::peers::{plain, runner};

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const USAGE: &str =
    "usage: peers [--engines a,b] [--quick] [--services N] [--hours N] [--seed N] --output table|json";

fn main() -> Result<()> {
    let began = Instant::now();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("--child", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return child(rest, began);
    }
    let order = Order::parse(&arguments).context(USAGE)?;
    let found = runner::measure(&order)?;
    let text = if order.json { found.to_string() } else { report::table(&found) };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// `--child ENGINE SEED SERVICES DURATION_MS BATCH RATE OUTPUT`: one run of one engine of this process.
fn child(arguments: &[String], began: Instant) -> Result<()> {
    let [engine, seed, services, duration_ms, batch, rate, output] = arguments else {
        bail!("--child is internal")
    };
    let size = Size { services: services.parse()?, duration_ms: duration_ms.parse()? };
    let generating = Instant::now();
    let events = generate(seed.parse()?, size);
    // The making of the workload is no part of anybody's start.
    let began = began + generating.elapsed();
    let pace = Pace { batch: batch.parse()?, rate: rate.parse()? };
    let before = resident_bytes()?;
    let (run, found) = match engine.as_str() {
        "bare" => measured(&mut Bare::default(), &events, pace, began, before)?,
        "kgroot" => {
            let mut engine = Kgroot::start(1)?;
            let measured = measured(&mut engine, &events, pace, began, before)?;
            engine.stop()?;
            measured
        }
        "plain-differential" => plain::with(move |peer| measured(peer, &events, pace, began, before))?,
        other => bail!("engine {other:?} does not run in this process"),
    };
    let lines: String = found.lines().iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(output, lines).with_context(|| format!("write {output}"))?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&run)?)?;
    Ok(())
}

fn measured(
    peer: &mut dyn Peer,
    events: &[Event],
    pace: Pace,
    began: Instant,
    before: u64,
) -> Result<(Run, Output)> {
    run(peer, events, pace, began, before)
}
