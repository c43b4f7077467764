//! `load [EVENTS] [WORKERS] [BROKERS] [--seconds N] [--avro] [--reads] [--late] [--storm]`: events per second of the whole path, and how
//! fresh the views are at a half and at four fifths of that; `load soak SECONDS [RATE] [WORKERS]`; `load idle [TENANTS] [WORKERS]`.
//!
//! The whole path: append to the event log (embedded in a temporary folder, or Kafka when brokers are named), read, decode,
//! seal, compute, publish. First as fast as it goes (closed loop, of records made before), then at shares of that rate (open loop), N seconds each (20).
//! Freshness is from when a record was due to be appended, which is before any broker has it, to when a subscriber in this
//! process has a count with it. Records are JSON, or with `--avro` envelopes in Avro. At four fifths come also `--reads` through the HTTP server on loopback and `--storm`, ten
//! thousand alerts at once; `--late` is at a half: a hundred late events, each until the chain that it corrects is visible.
//!
//! `soak` feeds RATE (5,000) events a second with a short horizon and tells each minute on stderr what memory, rows and handles come to.
//! `idle` gives TENANTS (10,000), of which one in a hundred sends. Each prints one JSON document at the end.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::live::feed::Feeder;
use bench::live::process::{mib, processor_s, quantiles, resident_bytes, tenths};
use bench::live::reads::{Reads, delivered_ms};
use bench::live::seen::Observer;
use bench::live::{Live, config, idle, late, soak, storm};
use schemas::ids::TenantId;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Shares of the measured rate.
const HALF: f64 = 0.5;
const FOUR_FIFTHS: f64 = 0.8;
/// Late events.
const LATE: usize = 100;
/// Alerts of a storm.
const ALERTS: u64 = 10_000;
/// As many threads as `kgroot` has beside those of the engine.
const THREADS: usize = 2;

const USAGE: &str = "usage: load [EVENTS] [WORKERS] [BROKERS] [--seconds N] [--avro] [--reads] [--late] [--storm] | load soak SECONDS [RATE] [WORKERS] | load idle [TENANTS] [WORKERS]";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    // A tenant of its own for each run: a broker keeps what earlier runs sent.
    let tenant: TenantId = format!("load-{}", std::process::id()).parse()?;
    let folder = std::env::temp_dir().join(format!("kgroot-{tenant}"));
    let measured = runtime.block_on(async {
        match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
            Some(("soak", rest)) => soaked(rest, &folder, &tenant).await,
            Some(("idle", rest)) => idled(rest, &folder, &tenant).await,
            _ => loaded(&Asked::parse(&arguments)?, &folder, &tenant).await,
        }
    });
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    writeln!(std::io::stdout(), "{}", measured?)?;
    Ok(())
}

/// What a run is to measure.
struct Asked {
    events: usize,
    workers: usize,
    brokers: Option<String>,
    lasting: Duration,
    avro: bool,
    reads: bool,
    late: bool,
    storm: bool,
}

impl Asked {
    fn parse(arguments: &[String]) -> Result<Asked> {
        let mut asked = Asked {
            events: 100_000,
            workers: 1,
            brokers: None,
            lasting: Duration::from_secs(20),
            avro: false,
            reads: false,
            late: false,
            storm: false,
        };
        let (mut arguments, mut place) = (arguments.iter(), 0);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--avro" => asked.avro = true,
                "--reads" => asked.reads = true,
                "--late" => asked.late = true,
                "--storm" => asked.storm = true,
                "--seconds" => {
                    let text = arguments.next().context(USAGE)?;
                    asked.lasting = Duration::from_secs(text.parse().context(USAGE)?);
                }
                other if other.starts_with('-') => bail!(USAGE),
                other => {
                    match place {
                        0 => asked.events = other.parse().context(USAGE)?,
                        1 => asked.workers = other.parse().context(USAGE)?,
                        2 => asked.brokers = Some(other.to_owned()),
                        _ => bail!(USAGE),
                    }
                    place += 1;
                }
            }
        }
        Ok(asked)
    }
}

/// A number at a place of the arguments, if it is there.
fn number(arguments: &[String], place: usize, default: usize) -> Result<usize> {
    arguments.get(place).map_or(Ok(default), |text| text.parse()).context(USAGE)
}

async fn loaded(asked: &Asked, folder: &Path, tenant: &TenantId) -> Result<Value> {
    let config = config(folder, tenant, asked.workers, asked.brokers.clone());
    let engine = config.engine()?;
    let live = Live::start(config, engine).await?;
    let measured = measure(asked, &live, tenant).await?;
    live.stop().await?;
    Ok(measured)
}

async fn measure(asked: &Asked, live: &Live, tenant: &TenantId) -> Result<Value> {
    let mut feeder = Feeder::new(live, tenant).in_avro(asked.avro);
    feeder.objects().await?;
    let observer = Observer::start(&live.reader(), tenant).await?;
    observer.counted(feeder.sent()).await?;

    // Whoever sends it is not what is measured.
    let records = feeder.made(asked.events);
    let (begun, cpu, objects) = (Instant::now(), processor_s()?, feeder.sent());
    feeder.closed(records).await?;
    let append_s = begun.elapsed().as_secs_f64();
    observer.counted(feeder.sent()).await?;
    let per_s = (feeder.sent() - objects) as f64 / begun.elapsed().as_secs_f64();
    let processor_s = processor_s()? - cpu;
    let mut found = json!({"path": if asked.brokers.is_some() { "kafka" } else { "embedded" },
        "records": if asked.avro { "avro" } else { "json" }, "workers": asked.workers, "events": feeder.sent() - objects, "events_per_s": per_s.round(), "append_s": tenths(append_s), "processor_s": tenths(processor_s)});

    for (share, name) in [(HALF, "freshness_at_50_ms"), (FOUR_FIFTHS, "freshness_at_80_ms")] {
        let from = feeder.ahead(per_s * share, asked.lasting);
        let dues = feeder.open(from, per_s * share, asked.lasting).await?;
        observer.counted(feeder.sent()).await?;
        found[name] = quantiles(observer.freshness_ms(&dues));
    }
    if asked.late {
        found["late_at_50"] = late(&mut feeder, &observer, (live, tenant), per_s * HALF).await?;
    }
    if asked.reads {
        found["reads_at_80"] =
            reads(&mut feeder, &observer, (live, tenant), (per_s * FOUR_FIFTHS, asked.lasting)).await?;
    }
    if asked.storm {
        found["storm_at_80"] = storm::storm(&mut feeder, &observer, ALERTS, per_s * FOUR_FIFTHS).await?;
    }
    found["events_in_all"] = json!(feeder.sent());
    found["resident_mib"] = json!(mib(resident_bytes()?));
    Ok(found)
}

/// Late events on top of a rate, which goes on until the last of them.
async fn late(
    feeder: &mut Feeder<'_>,
    observer: &Observer,
    (live, tenant): (&Live, &TenantId),
    per_s: f64,
) -> Result<Value> {
    let corrected = tokio::select! {
        corrected = late::corrected(live, tenant, LATE) => corrected?,
        fed = feeder.open(Instant::now(), per_s, Duration::MAX) => {
            fed?;
            bail!("the load ended before the late events did")
        }
    };
    // A part that was being appended when the last chain was there is counted or not: whatever there is, it is all.
    feeder.recount(observer.quiet(Duration::from_secs(2)).await);
    Ok(json!({"corrected_ms": quantiles(corrected)}))
}

/// Reads on top of a rate.
async fn reads(
    feeder: &mut Feeder<'_>,
    observer: &Observer,
    (live, tenant): (&Live, &TenantId),
    (per_s, lasting): (f64, Duration),
) -> Result<Value> {
    let served = live.serve().await?;
    let reads = Reads::new(&served, tenant)?;
    let came = Arc::new(Mutex::new(Vec::new()));
    let from = feeder.ahead(per_s, lasting);
    sleep_until(from).await;
    let reading = reads.start(lasting, Arc::clone(&came))?;
    let dues = feeder.open(from, per_s, lasting).await?;
    let mut found = tokio::task::spawn_blocking(move || reading.end()).await??;
    observer.counted(feeder.sent()).await?;
    found["subscription_ms"] = delivered_ms(&came, observer);
    found["freshness_ms"] = quantiles(observer.freshness_ms(&dues));
    Ok(found)
}

async fn soaked(arguments: &[String], folder: &Path, tenant: &TenantId) -> Result<Value> {
    let seconds = number(arguments, 0, 0)?;
    let (per_s, workers) = (number(arguments, 1, 5_000)?, number(arguments, 2, 1)?);
    if seconds < 20 {
        bail!("SECONDS is at least 20; {USAGE}");
    }
    let (config, engine) = soak::config(config(folder, tenant, workers, None))?;
    let live = Live::start(config, engine).await?;
    let found = soak::soak(&live, tenant, per_s as f64, Duration::from_secs(seconds as u64)).await?;
    live.stop().await?;
    Ok(found)
}

async fn idled(arguments: &[String], folder: &Path, tenant: &TenantId) -> Result<Value> {
    let (tenants, workers) = (number(arguments, 0, 10_000)?, number(arguments, 1, 1)?);
    let config = config(folder, tenant, workers, None);
    let engine = config.engine()?;
    let live = Live::start(config, engine).await?;
    let found = idle::idle(&live, tenants).await?;
    live.stop().await?;
    Ok(found)
}
