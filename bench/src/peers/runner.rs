//! Runs the engines, each in a process of its own, one at a time, in turns.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use schemas::ids::{Digest, hash128};
use serde_json::{Value, json};

use crate::peers::generate::{Size, generate};
use crate::peers::measure::{Run, write_events, write_ways};
use crate::peers::report::{Order, median, quantile};

/// Event time of the check and of a quick measurement, and of a whole one that asks for no other, in milliseconds: more than a horizon.
const DURATIONS_MS: (i64, i64) = (9_000_000, 10_800_000);
const HOUR_MS: i64 = 3_600_000;
/// Services of the check.
const CHECK_SERVICES: u32 = 12;
/// Repetitions of a whole measurement.
const REPETITIONS: usize = 5;
/// Shares of an engine's own capacity at which it is measured, in percent.
const LOADS: [u32; 3] = [50, 80, 100];

/// What a script ends with when something is not installed; its last line says what.
const MISSING: i32 = 3;

/// A workload, and where it lies for engines in other languages.
struct Workload {
    seed: u64,
    size: Size,
    folder: PathBuf,
    events: usize,
}

/// One engine's runs.
#[derive(Debug, Default)]
struct Runs {
    capacity: Vec<Run>,
    loaded: BTreeMap<u32, Vec<[f64; 3]>>,
}

/// Checks that all engines come to the same, then measures them.
pub fn measure(order: &Order) -> Result<Value> {
    let folder = std::env::temp_dir().join(format!("kgroot-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = measure_in(order, &folder);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn measure_in(order: &Order, folder: &Path) -> Result<Value> {
    let mut digests = BTreeMap::new();
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    let check = Workload::new(order.seed, CHECK_SERVICES, DURATIONS_MS.0, &folder.join("check"))?;
    let (_, expected) = check.run("bare", 0.0)?;
    for engine in &order.engines {
        match check.run(engine, 0.0) {
            Ok((_, digest)) if digest == expected => drop(digests.insert(engine.clone(), digest)),
            Ok((_, digest)) => {
                drop(failed.insert(engine.clone(), format!("its output is {digest}, not {expected}")))
            }
            Err(error) => drop(failed.insert(engine.clone(), format!("{error:#}"))),
        }
    }
    let usual_ms = if order.quick { DURATIONS_MS.0 } else { DURATIONS_MS.1 };
    let duration_ms = order.hours.map_or(usual_ms, |hours| i64::from(hours) * HOUR_MS);
    let workload = Workload::new(order.seed, order.services, duration_ms, &folder.join("measured"))?;
    let (_, expected) = workload.run("bare", 0.0)?;
    let mut runs: BTreeMap<String, Runs> = BTreeMap::new();
    for _ in 0..if order.quick { 1 } else { REPETITIONS } {
        for engine in &order.engines {
            if failed.contains_key(engine) {
                continue;
            }
            if let Err(error) = workload.repeat(engine, expected, runs.entry(engine.clone()).or_default()) {
                failed.insert(engine.clone(), format!("{error:#}"));
            }
        }
    }
    let live = runs.values().find_map(|runs| runs.capacity.first()).map_or(0, |run| run.live);
    let engines: Vec<Value> = order
        .engines
        .iter()
        .filter_map(|engine| Some((engine, runs.get(engine)?, digests.get(engine)?)))
        .map(|(engine, runs, digest)| shown(engine, runs, digest))
        .collect();
    let failed: Vec<Value> =
        failed.iter().map(|(engine, why)| json!({"engine": engine, "why": why})).collect();
    Ok(json!({
        "engines": engines,
        "failed": failed,
        "workload": {
            "seed": order.seed, "services": order.services, "events": workload.events, "live_events": live,
            "output": expected.to_string(),
        },
        "repetitions": if order.quick { 1 } else { REPETITIONS },
        "commit": said("git", &["rev-parse", "HEAD"]),
        "machine": machine(),
    }))
}

fn shown(engine: &str, runs: &Runs, digest: &Digest) -> Value {
    let of = |number: fn(&Run) -> f64| runs.capacity.iter().map(number).collect::<Vec<f64>>();
    let per_core = of(per_core);
    let middle = median(per_core.clone());
    let (least, most) =
        (per_core.iter().copied().fold(f64::MAX, f64::min), per_core.iter().copied().fold(0.0, f64::max));
    let loads: BTreeMap<String, Value> = runs
        .loaded
        .iter()
        .map(|(load, found)| {
            let at = |index: usize| median(found.iter().map(|quantiles| quantiles[index]).collect());
            (load.to_string(), json!({"p50_ms": at(0), "p99_ms": at(1), "p99_9_ms": at(2)}))
        })
        .collect();
    let at_80 = loads.get("80").cloned().unwrap_or_default();
    json!({
        "engine": engine,
        "events_per_s_per_core": middle,
        "events_per_s_per_core_least": least,
        "events_per_s_per_core_most": most,
        "spread_percent": if 0.0 < middle { (most - least) / middle * 100.0 } else { 0.0 },
        "events_per_s": median(of(|run| run.events as f64 / run.wall_s.max(1e-9))),
        "events_per_processor_s": median(of(|run| run.events as f64 / run.cpu_s.max(0.01))),
        "processor_s": median(of(|run| run.cpu_s)),
        "making_processor_s": median(of(|run| run.making_s)),
        "p50_ms": at_80["p50_ms"],
        "p99_ms": at_80["p99_ms"],
        "p99_9_ms": at_80["p99_9_ms"],
        "load": loads,
        "bytes_per_live_event": median(of(|run| run.bytes as f64 / run.live.max(1) as f64)),
        "start_s": median(of(|run| run.start_s)),
        "batch": batch(engine),
        "digest": digest.to_string(),
        "version": runs.capacity.first().and_then(|run| run.version.clone()).unwrap_or_else(|| built_in(engine)),
    })
}

/// Folder of an engine's script, and what else it is told; `None` if it runs in this program.
fn script(engine: &str) -> Option<(&str, Option<&str>)> {
    match engine {
        "flink-heap" => Some(("flink", Some("heap"))),
        "flink-rocksdb" => Some(("flink", Some("rocksdb"))),
        "dbsp" | "duckdb" | "kafka-streams" => Some((engine, None)),
        _ => None,
    }
}

/// What an engine takes by one core: neither idle time nor a second core flatters.
fn per_core(run: &Run) -> f64 {
    run.events as f64 / run.wall_s.max(run.cpu_s).max(1e-9)
}

fn built_in(engine: &str) -> String {
    match engine {
        "plain-differential" => "timely 0.32.0, differential-dataflow 0.26.0".to_owned(),
        _ => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Most events handed over at once: what suits each engine.
fn batch(engine: &str) -> usize {
    match engine {
        "duckdb" => 20_000,
        "kgroot" | "plain-differential" | "dbsp" => 10_000,
        _ => 500,
    }
}

impl Workload {
    fn new(seed: u64, services: u32, duration_ms: i64, folder: &Path) -> Result<Workload> {
        std::fs::create_dir_all(folder)?;
        let size = Size { services, duration_ms };
        let events = generate(seed, size);
        write_events(&folder.join("events"), &events)?;
        write_ways(&folder.join("ways"))?;
        Ok(Workload { seed, size, folder: folder.to_owned(), events: events.len() })
    }

    /// One run at capacity, then one at each share of what that run came to.
    fn repeat(&self, engine: &str, expected: Digest, runs: &mut Runs) -> Result<()> {
        let checked = |rate: f64| -> Result<Run> {
            let (run, digest) = self.run(engine, rate)?;
            ensure!(digest == expected, "its output is {digest}, not {expected}");
            Ok(run)
        };
        let run = checked(0.0)?;
        let capacity = run.events as f64 / run.wall_s.max(1e-9);
        runs.capacity.push(run);
        for load in LOADS {
            let mut latencies = checked(capacity * f64::from(load) / 100.0)?.latencies_ms;
            latencies.sort_by(f64::total_cmp);
            let found = [500, 990, 999].map(|thousandths| quantile(&latencies, thousandths));
            runs.loaded.entry(load).or_default().push(found);
        }
        Ok(())
    }

    fn run(&self, engine: &str, rate: f64) -> Result<(Run, Digest)> {
        let output = self.folder.join("output");
        let (events, ways) = (self.folder.join("events"), self.folder.join("ways"));
        let (batch, rate) = (batch(engine).to_string(), rate.to_string());
        let mut command = match script(engine) {
            Some((folder, more)) => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(folder).join("run.sh");
                let mut command = Command::new("bash");
                command.arg(script).args([&events, &ways]).args([&batch, &rate]).arg(&output).args(more);
                command
            }
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["--child", engine, &self.seed.to_string(), &self.size.services.to_string()]);
                command.args([&self.size.duration_ms.to_string(), &batch, &rate]).arg(&output);
                command
            }
        };
        let ran = command.output().with_context(|| format!("start {engine}"))?;
        let (told, complaint) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        if ran.status.code() == Some(MISSING) {
            bail!("{}", complaint.lines().last().unwrap_or("something is not installed"));
        }
        if !ran.status.success() {
            let last: Vec<&str> = complaint.lines().rev().take(6).collect();
            bail!("it ended with {}: {}", ran.status, last.into_iter().rev().collect::<Vec<_>>().join(" | "));
        }
        let document = told.lines().last().context("it printed nothing")?;
        let run: Run =
            serde_json::from_str(document).with_context(|| format!("it printed {document:.80}"))?;
        let text = std::fs::read_to_string(&output).context("its output")?;
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        ensure!(!lines.is_empty(), "its output is empty");
        let parts: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        Ok((run, Digest(hash128(&parts))))
    }
}

/// What was measured on.
pub fn machine() -> Value {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = about
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_matches(['\t', ':', ' ']);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory =
        memory.lines().next().and_then(|line| line.split_whitespace().nth(1)).unwrap_or("").to_owned();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("").to_owned();
    json!({"processor": model, "cores": cores, "memory_kb": memory, "load_average_at_end": load,
        "kernel": said("uname", &["-r"]), "rustc": said("rustc", &["--version"])})
}

/// What a program prints; nothing if it fails.
pub fn said(program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).output();
    ran.map(|ran| String::from_utf8_lossy(&ran.stdout).trim().to_owned()).unwrap_or_default()
}
