//! `recovery [EVENTS] [WORKERS]`: how long a process needs, after it was killed with so many events live, until its views are
//! where they were.
//!
//! A child process appends events to an embedded log and seals them, until a snapshot holds them; it is then killed (SIGKILL).
//! The time is that of this process from the start of engine and shard to the end of recovery: log opened, snapshot read,
//! fed, computed, and what was sealed after it replayed. Prints one JSON document.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bench::load::Load;
use dataflow::config::EngineConfig;
use dataflow::engine::Engine;
use dataflow::ingest::clock::now;
use dataflow::ingest::share::Quota;
use dataflow::ingest::source::Source;
use deploy::config::{EventLogConfig, StateConfig};
use deploy::{event_log, source};
use query_api::{Append, Appender};
use schemas::ids::TenantId;
use schemas::read::ViewReader;
use schemas::time::Epoch;
use schemas::view::ViewName;

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const TENANT: &str = "load";
const BATCH: usize = 5_000;
const SNAPSHOT_EVERY_MS: i64 = 5_000;
const RETENTION_MS: i64 = 86_400_000;
/// Between two looks at the counts.
const LOOK: Duration = Duration::from_millis(20);

/// Until a snapshot that is there is also named.
const NAMED: Duration = Duration::from_secs(5);
/// A child that fills a folder says so with this, and then waits for its end.
const FILLED: &str = "filled";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |name: &str, default: usize| {
        let text = arguments.next();
        text.map_or(Ok(default), |text| text.parse()).with_context(|| format!("{name} is a whole number"))
    };
    let (events, workers) = (number("EVENTS", 1_000_000)?, number("WORKERS", 2)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if let Some(folder) = arguments.next() {
        return runtime.block_on(fill(Path::new(&folder), events, workers));
    }
    let folder = std::env::temp_dir().join(format!("kgroot-recovery-{}", std::process::id()));
    let live = filled(&folder, events, workers)?;
    let document = runtime.block_on(measure(&folder, live, workers))?;
    std::fs::remove_dir_all(&folder)?;
    writeln!(std::io::stdout(), "{document}")?;
    Ok(())
}

/// Lets a child fill a folder, and kills it; gives the events that were live.
fn filled(folder: &Path, events: usize, workers: usize) -> Result<u64> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([events.to_string(), workers.to_string()])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .context("start the child")?;
    let mut line = String::new();
    let output = child.stdout.take().context("the child's output")?;
    BufReader::new(output).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    let live = line.trim().strip_prefix(FILLED).context("the child failed")?;
    live.trim().parse().context("the child's count")
}

/// One process's worth.
struct Running {
    engine: Engine,
    source: Source,
    append: Appender,
    recovered: Receiver<Instant>,
}

async fn start(folder: &Path, workers: usize) -> Result<Running> {
    let config = EngineConfig { workers, ..EngineConfig::default() };
    let mut engine = Engine::start(config.clone())?;
    let log = EventLogConfig::Embedded { path: folder.join("log"), retention_ms: RETENTION_MS };
    let opened = tokio::task::spawn_blocking(move || event_log::open(log, "main")).await??;
    let state = StateConfig {
        path: PathBuf::from(folder).join("state"),
        shard: "main".to_owned(),
        snapshot_every_ms: SNAPSHOT_EVERY_MS,
    };
    let (done, recovered) = channel();
    let told = move || {
        // Nobody waits for the first process.
        let _told = done.send(Instant::now());
    };
    let quota = Quota { records_per_s: 0 };
    let (source, append) = source::start(
        &mut engine,
        (opened, &config),
        (&state, quota),
        (Box::new(|| Epoch::MAX), 0),
        told,
        || (),
    )?;
    Ok(Running { engine, source, append, recovered })
}

async fn stop(running: Running) -> Result<()> {
    tokio::task::spawn_blocking(move || {
        running.source.stop()?;
        running.engine.shutdown().map_err(anyhow::Error::from)
    })
    .await?
}

async fn rows(reader: &ViewReader, view: ViewName) -> Result<u64> {
    let rows = reader.status().await?.rows;
    Ok(rows.iter().find(|(name, _)| *name == view).map_or(0, |(_, count)| *count))
}

async fn fill(folder: &Path, events: usize, workers: usize) -> Result<()> {
    let tenant: TenantId = TENANT.parse()?;
    let first = start(folder, workers).await?;
    let mut load = Load::new(1, &tenant);
    let mut left: Vec<Vec<u8>> = load.objects().into_iter().map(|(_, bytes)| bytes).collect();
    let mut sent = 0;
    while sent < events {
        left.extend((0..BATCH).map(|_| load.record(now()).1));
        sent += BATCH;
        let records = std::mem::take(&mut left);
        let appended = (first.append)(Append { tenant: tenant.clone(), family: "k8s-events", records }).await;
        appended.map_err(|problem| anyhow::anyhow!("{problem:?}"))?;
    }
    let reader = first.engine.reader();
    let (mut look, mut before, mut grown_at) = (tokio::time::interval(LOOK), 0, Epoch::MAX);
    // Until a snapshot holds all of them.
    while snapshot(&folder.join("state")) < grown_at {
        look.tick().await;
        let counted = rows(&reader, ViewName::Events).await?;
        if counted != before {
            (before, grown_at) = (counted, Epoch::MAX);
        } else if events <= usize::try_from(counted).unwrap_or(usize::MAX) {
            grown_at = grown_at.min(reader.status().await?.as_of.epoch);
        }
    }
    // The control log names a snapshot after its folder has its name.
    tokio::time::sleep(NAMED).await;
    writeln!(std::io::stdout(), "{FILLED} {before}")?;
    std::future::pending().await
}

/// The newest snapshot below a folder: it is in a folder that is named after its epoch.
fn snapshot(folder: &Path) -> Epoch {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.file_name().to_string_lossy().parse() {
        Ok(epoch) => epoch,
        Err(_) => snapshot(&entry.path()),
    };
    entries.map(of).max().unwrap_or(0)
}

async fn measure(folder: &Path, expected: u64, workers: usize) -> Result<serde_json::Value> {
    let begun = Instant::now();
    let second = start(folder, workers).await?;
    let ended = tokio::task::block_in_place(|| second.recovered.recv()).context("recovery failed")?;
    let seconds = ended.duration_since(begun).as_secs_f64();
    let live = rows(&second.engine.reader(), ViewName::Events).await?;
    stop(second).await?;
    anyhow::ensure!(live == expected, "{expected} events were live, {live} came back");
    Ok(serde_json::json!({"live_events": live, "workers": workers, "recovery_s": seconds}))
}
