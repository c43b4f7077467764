//! `recovery [EVENTS] [WORKERS] [TIMES]`: how long a process needs, after it was killed with so many events live, until its
//! views are where they were.
//!
//! A child process appends events to an embedded log and seals them, until a snapshot holds them; it is then killed (SIGKILL).
//! Others follow one after the other, each killed as soon as it has recovered and counted what it has. The time is that from
//! the start of engine and shard in the process to the end of recovery: log opened, snapshot read, fed, computed, and what was
//! sealed after it replayed. Prints one JSON document.

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
/// A child that has done its part says so with this, and then waits for its end.
const DONE: &str = "done";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |name: &str, default: usize| {
        let text = arguments.next();
        text.map_or(Ok(default), |text| text.parse()).with_context(|| format!("{name} is a whole number"))
    };
    let (events, workers) = (number("EVENTS", 1_000_000)?, number("WORKERS", 2)?);
    let times = number("TIMES", 1)?;
    if let Some(folder) = arguments.next() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let folder = Path::new(&folder);
        return runtime.block_on(async {
            if folder.exists() { recover(folder, workers).await } else { fill(folder, events, workers).await }
        });
    }
    let folder = std::env::temp_dir().join(format!("kgroot-recovery-{}", std::process::id()));
    let child = || child(&folder, events, workers);
    let [live, _] = child()?;
    let mut seconds = Vec::new();
    for _ in 0..times {
        let [again, milliseconds] = child()?;
        anyhow::ensure!(again == live, "{live} events were live, {again} came back");
        seconds.push(f64::from(u32::try_from(milliseconds)?) / 1_000.0);
    }
    std::fs::remove_dir_all(&folder)?;
    seconds.sort_by(f64::total_cmp);
    let document = serde_json::json!({"live_events": live, "workers": workers, "n": times,
        "recovery_s_p50": seconds.get(times / 2), "recovery_s_max": seconds.last(), "recovery_s": seconds});
    writeln!(std::io::stdout(), "{document}")?;
    Ok(())
}

/// Lets a child do its part with a folder until it says so, and kills it; gives the events that were live, and the
/// milliseconds that it took.
fn child(folder: &Path, events: usize, workers: usize) -> Result<[u64; 2]> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([events.to_string(), workers.to_string(), "1".to_owned()])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .context("start the child")?;
    let mut line = String::new();
    let output = child.stdout.take().context("the child's output")?;
    BufReader::new(output).read_line(&mut line)?;
    child.kill()?;
    child.wait()?;
    let said = line.trim().strip_prefix(DONE).context("the child failed")?;
    let numbers: Vec<u64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    numbers.try_into().ok().context("the child says two numbers")
}

/// One process's worth.
struct Running {
    engine: Engine,
    append: Appender,
    recovered: Receiver<Instant>,
    /// It ends when this is dropped.
    _source: Source,
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
    Ok(Running { engine, append, recovered, _source: source })
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
    writeln!(std::io::stdout(), "{DONE} {before} 0")?;
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

async fn recover(folder: &Path, workers: usize) -> Result<()> {
    let begun = Instant::now();
    let second = start(folder, workers).await?;
    let ended = tokio::task::block_in_place(|| second.recovered.recv()).context("recovery failed")?;
    let milliseconds = ended.duration_since(begun).as_millis();
    let live = rows(&second.engine.reader(), ViewName::Events).await?;
    writeln!(std::io::stdout(), "{DONE} {live} {milliseconds}")?;
    std::future::pending().await
}
