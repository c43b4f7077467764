//! `curves [AXIS...] [--quick]`: what an event costs the engine as tenants, live events, fan-out, chains, a hot key, late events
//! or workers grow.
//!
//! Every point is a process of its own, three times (`--quick`: once); the median by processor time counts. What would not fit in
//! memory, by what the point before took, is left out and named. Prints one JSON document, and draws each whole curve into
//! `docs/curves`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use bench::curves::{AXES, Axis, Point, point, svg};
use bench::peers::measure::available_bytes;
use bench::peers::runner::{machine, said};
use serde_json::{Value, json};

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Repetitions of a whole measurement.
const REPETITIONS: usize = 3;
/// A point may come to so many percent of the memory that is available.
const MEMORY_PERCENT: f64 = 80.0;
/// What an event takes while the workload is made and held beside the engine, in bytes.
const WORKLOAD_BYTES: f64 = 160.0;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, axis, value] = arguments.as_slice()
        && first == "--child"
    {
        let measured = point::measure(axis, value.parse()?)?;
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&measured)?)?;
        return Ok(());
    }
    let (options, names): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with('-'));
    let known = names.iter().all(|name| AXES.iter().any(|axis| axis.name == name.as_str()));
    let quick = match options.as_slice() {
        [] => false,
        [option] if option.as_str() == "--quick" => true,
        _ => bail!("usage: curves [AXIS...] [--quick]"),
    };
    let axes: Vec<&str> = AXES.iter().map(|axis| axis.name).collect();
    ensure!(known, "an axis is one of {}", axes.join(", "));
    let wanted =
        AXES.iter().filter(|axis| names.is_empty() || names.iter().any(|name| name.as_str() == axis.name));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/curves");
    std::fs::create_dir_all(&folder)?;
    let mut curves = BTreeMap::new();
    for axis in wanted {
        curves.insert(axis.name, curve(axis, if quick { 1 } else { REPETITIONS }, &folder)?);
    }
    let found = json!({"curves": curves, "repetitions": if quick { 1 } else { REPETITIONS },
        "commit": said("git", &["rev-parse", "--short=12", "HEAD"]), "machine": machine()});
    writeln!(std::io::stdout(), "{found}")?;
    Ok(())
}

fn curve(axis: &Axis, repetitions: usize, folder: &Path) -> Result<Value> {
    let (mut points, mut left_out): (Vec<Point>, Vec<Value>) = (Vec::new(), Vec::new());
    for value in axis.values {
        if let Some(why) = points.last().and_then(|before| too_large(axis, before, *value)) {
            left_out.push(json!({"value": value, "why": why}));
            break;
        }
        let mut runs: Vec<Point> =
            (0..repetitions).map(|_| measured(axis.name, *value)).collect::<Result<_>>()?;
        runs.sort_by(|left, right| left.cpu_s.total_cmp(&right.cpu_s));
        points.push(runs.swap_remove(runs.len() / 2));
    }
    let file = folder.join(format!("{}.svg", axis.name));
    std::fs::write(&file, svg(axis, &points)).with_context(|| format!("write {}", file.display()))?;
    let shown = |point: &Point| {
        json!({"value": point.value, "events_per_processor_s": point.per_processor_s().round(),
            "bytes_per_live_event": point.bytes_per_live().round(), "run": point})
    };
    Ok(json!({"points": points.iter().map(shown).collect::<Vec<_>>(), "left_out": left_out}))
}

/// Only the number of live events makes a workload grow.
fn too_large(axis: &Axis, before: &Point, value: u64) -> Option<String> {
    let growth = if axis.name == "live" { value as f64 / before.value.max(1) as f64 } else { 1.0 };
    let needed = growth * (before.bytes as f64 + before.events as f64 * WORKLOAD_BYTES);
    let available = available_bytes().ok()? as f64 * MEMORY_PERCENT / 100.0;
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    (available < needed)
        .then(|| format!("it would take {:.0} GiB; {:.0} GiB are to be had", gib(needed), gib(available)))
}

fn measured(axis: &str, value: u64) -> Result<Point> {
    let ran = Command::new(std::env::current_exe()?)
        .args(["--child", axis, &value.to_string()])
        .output()
        .context("start the child")?;
    let complaint = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{axis} {value} ended with {}: {complaint}", ran.status);
    serde_json::from_slice(&ran.stdout).context("it printed no point")
}
