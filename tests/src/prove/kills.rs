//! The real binary on real Kafka, killed at random moments: nothing is lost, nothing comes twice, nothing is made up.
//!
//! A producer appends without a pause. The process is killed (SIGKILL) while it recovers or while it runs, or frozen until
//! another one has taken over, which it must then say. In the end one process runs undisturbed, and every view, as of one
//! epoch, is compared with the twin's, computed from the records and the control topic as consumers of our own read them;
//! every refused record has one letter. Servers are named by `KGROOT_TEST_KAFKA` and `KGROOT_TEST_REGISTRY`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bench::scenario::random::Random;
use dataflow::control::record::Seal;
use dataflow::ingest::source::now;
use deploy::config::Config;
use schemas::codec::avro::ENVELOPE_V1_SCHEMA;
use schemas::dead_letter::SUFFIX;
use schemas::ids::TenantId;
use schemas::topic::{FAMILIES, topic};
use serde_json::{Value, json};
use sinks::control_topic::ControlTopic;

use super::histories::constants;
use super::sealed::{epochs, seals};
use super::{Cases, Report};
use crate::twin;

pub(crate) mod input;
pub(crate) mod judge;
pub(crate) mod process;
pub(crate) mod producer;
pub(crate) mod topics;
pub(crate) mod views;

use input::Input;
use judge::Verdict;
use process::Process;
use producer::{Producer, Sent};
use topics::Tail;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// A process that is asked to stop has stopped by then.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(25);
/// Exit code of a process that was taken over.
pub(crate) const EXIT_STATE: i32 = 70;

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    let mut figures = Figures::default();
    let mut verdict = Verdict::default();
    if let Err(failure) = run(cases, &mut figures, &mut verdict) {
        verdict.failures.push(failure);
    }
    for failure in &mut verdict.failures {
        *failure = format!("seed {}: {failure}", cases.seed);
    }
    let mut listed = figures.list();
    listed.extend([
        ("lost", json!(verdict.lost)),
        ("duplicate", json!(verdict.duplicate)),
        ("phantom", json!(verdict.phantom)),
        ("crossing", json!(verdict.crossing)),
        ("digest_mismatches", json!(verdict.digest_mismatches)),
    ]);
    Report { check: "kills", n: cases.n, failures: verdict.failures, figures: listed }
}

/// What was counted.
#[derive(Default)]
pub(crate) struct Figures {
    kills: u64,
    killed_before_ready: u64,
    taken_over: u64,
    frozen: u64,
    pub(crate) epochs: u64,
    pub(crate) records: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) letters: u64,
    pub(crate) rows: u64,
    recoveries: Vec<Duration>,
    pub(crate) stop: Duration,
}

impl Figures {
    fn list(&mut self) -> Vec<(&'static str, Value)> {
        self.recoveries.sort();
        let last = self.recoveries.len().saturating_sub(1);
        let at = |percent: usize| {
            let found = self.recoveries.get((last * percent).div_ceil(100));
            json!(found.map(Duration::as_millis).and_then(|ms| u64::try_from(ms).ok()))
        };
        vec![
            ("kills", json!(self.kills)),
            ("killed_before_ready", json!(self.killed_before_ready)),
            ("taken_over", json!(self.taken_over)),
            ("frozen", json!(self.frozen)),
            ("epochs", json!(self.epochs)),
            ("records", json!(self.records)),
            ("unacknowledged", json!(self.unacknowledged)),
            ("letters", json!(self.letters)),
            ("rows", json!(self.rows)),
            ("recoveries", json!(self.recoveries.len())),
            ("recovery_ms", json!({"p50": at(50), "p99": at(99), "max": at(100)})),
            ("stop_ms", json!(u64::try_from(self.stop.as_millis()).unwrap_or(u64::MAX))),
        ]
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("runtime: {error}"))
}

pub(crate) fn variable(name: &str) -> Result<String, String> {
    let found = std::env::vars().find(|(known, _)| known == name);
    found.map(|(_, value)| value).ok_or_else(|| {
        format!("{name} is not set: run `tests/servers/servers.sh start` and export what it prints")
    })
}

/// One run: its names, its servers, its program. What it kept on disk is removed when it is over.
pub(crate) struct Run {
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) folder: PathBuf,
    pub(crate) binary: PathBuf,
    pub(crate) set: Vec<String>,
    pub(crate) random: Random,
}

impl Drop for Run {
    fn drop(&mut self) {
        // It does not exist if nothing was snapshot.
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

impl Run {
    pub(crate) fn new(seed: u64, name: &str, brokers: &str, registry: &str) -> Result<Self, String> {
        let tenant = |color: &str| format!("{name}-{color}").parse::<TenantId>().map_err(|e| e.to_string());
        let tenants: Vec<TenantId> =
            ["amber", "blue", "coral"].into_iter().map(tenant).collect::<Result<_, _>>()?;
        let names: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
        let folder = std::env::temp_dir().join(format!("kgroot-{name}"));
        let set = vec![
            format!("kafka.brokers={brokers}"),
            format!("kafka.registry={registry}"),
            format!("kafka.tenants={}", names.join(",")),
            format!("state.path={}", folder.display()),
            format!("state.shard={name}"),
            "state.snapshot_every=2s".to_owned(),
        ];
        let binary = process::binary()?;
        Ok(Run { tenants, folder, binary, set, random: Random::new(seed) })
    }

    pub(crate) fn start(&self) -> Result<Process, String> {
        Process::start(&self.binary, &self.set)
    }

    pub(crate) fn inputs(&mut self, schema: u32) -> Vec<Input> {
        let tenants = self.tenants.clone();
        let others = tenants.iter().cycle().skip(1);
        let pairs = tenants.iter().zip(others);
        pairs.map(|(tenant, other)| Input::new(self.random.bits(), tenant, other, schema)).collect()
    }

    pub(crate) fn ms(&mut self, from: i64, to: i64) -> Duration {
        Duration::from_millis(self.random.between(from, to).unsigned_abs())
    }

    /// Lives until it is killed: while it starts, or later.
    fn killed(&mut self, figures: &mut Figures) -> Result<(), String> {
        let moment = match self.random.below(3) {
            0 => self.ms(1, 500),
            _ => self.ms(500, 5_000),
        };
        let mut process = self.start()?;
        let ready = process.live_until(moment)?;
        process.kill()?;
        figures.kills += 1;
        match ready {
            Some(ready) => figures.recoveries.push(ready),
            None => figures.killed_before_ready += 1,
        }
        Ok(())
    }

    /// Another one takes over while it runs, or while it is frozen; running, it must notice and end. The other one is killed.
    fn taken_over(&mut self, figures: &mut Figures) -> Result<(), String> {
        let freezes = self.random.below(2) == 0;
        let mut before = self.start()?;
        figures.recoveries.push(before.until_ready(PATIENCE)?);
        let moment = before.age() + self.ms(0, 2_500);
        before.live_until(moment)?;
        if freezes {
            before.signal("STOP")?;
            figures.frozen += 1;
        }
        let mut owner = self.start()?;
        figures.recoveries.push(owner.until_ready(PATIENCE)?);
        let moment = owner.age() + self.ms(0, 2_500);
        owner.live_until(moment)?;
        if freezes {
            before.signal("CONT")?;
        }
        let (code, said) = before.exit(PATIENCE)?;
        if code != Some(EXIT_STATE) || !said.contains("taken_over") {
            return Err(format!("a process that was taken over ended with {code:?}:\n{said}"));
        }
        figures.taken_over += 1;
        let moment = owner.age() + self.ms(0, 1_000);
        owner.live_until(moment)?;
        owner.kill()?;
        figures.kills += 1;
        Ok(())
    }
}

fn run(cases: Cases, figures: &mut Figures, verdict: &mut Verdict) -> Result<(), String> {
    let (brokers, registry) = (variable("KGROOT_TEST_KAFKA")?, variable("KGROOT_TEST_REGISTRY")?);
    let name = format!("kills-{}-{:x}", std::process::id(), now().0);
    let mut run = Run::new(cases.seed, &name, &brokers, &registry)?;
    let schema = runtime()?.block_on(register(&registry))?;
    let control = format!("kgroot-control-{name}");
    ControlTopic::open(&brokers, &control).map_err(|error| error.to_string())?;
    let tail = Tail::start(&brokers, &control)?;
    let inputs = run.inputs(schema);
    let producer = Producer::start(&brokers, inputs)?;
    while figures.kills < cases.n {
        match run.random.below(4) {
            0 => run.taken_over(figures)?,
            _ => run.killed(figures)?,
        }
    }
    let mut last = run.start()?;
    figures.recoveries.push(last.until_ready(PATIENCE)?);
    conclude((&run, &brokers), last, (&producer.stop()?, &tail), figures, verdict)
}

/// Waits until everything that stands in Kafka is sealed and shown, stops the process, and compares all with all.
pub(crate) fn conclude(
    (run, brokers): (&Run, &str),
    mut last: Process,
    (journal, tail): (&[Sent], &Tail),
    figures: &mut Figures,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let of = |suffix: &str| -> Vec<String> {
        let names = run.tenants.iter().flat_map(|tenant| FAMILIES.map(|family| topic(family, tenant)));
        names.map(|name| format!("{name}{suffix}")).collect()
    };
    let records = topics::records(&topics::read_back(brokers, &of(""))?)?;
    figures.records = records.values().map(|records| records.len() as u64).sum();
    figures.unacknowledged = verdict.journal(journal, &records);
    let sealed = until_sealed(&mut last, tail, figures.records)?;
    verdict.sealing(&sealed, &records);

    let reader = views::Reader::of(&last.listen)?;
    let latest = sealed.last().map_or(0, |seal| seal.epoch);
    let begun = Instant::now();
    let runtime = runtime()?;
    let epoch = loop {
        let epoch = runtime.block_on(reader.latest(&run.tenants[0]))?;
        if latest <= epoch {
            break epoch;
        }
        if last.ends_within(Duration::from_millis(20)) || PATIENCE < begun.elapsed() {
            return Err(format!("the views stay at epoch {epoch}, sealed is {latest}"));
        }
    };
    let found: Vec<views::Texts> = run
        .tenants
        .iter()
        .map(|tenant| runtime.block_on(reader.views(tenant, epoch)))
        .collect::<Result<_, _>>()?;
    let sealed: Vec<Seal> = until_epoch(&mut last, tail, epoch)?;
    figures.epochs = epoch;
    stop(last, &run.tenants[0], figures)?;

    let engine = Config::default().engine().map_err(|error| error.to_string())?;
    let expected = twin::views(&epochs(&sealed, &records)?, constants(&engine));
    for (tenant, found) in run.tenants.iter().zip(&found) {
        figures.rows += found.values().map(|rows| rows.len() as u64).sum::<u64>();
        verdict.views(&run.tenants, found, &views::of_twin(&expected, tenant));
    }
    let letters = topics::read_back(brokers, &of(SUFFIX))?;
    figures.letters = letters.len() as u64;
    verdict.letters(&expected, &records, &letters);
    Ok(())
}

/// Registers the envelope's schema; gives its id.
pub(crate) async fn register(registry: &str) -> Result<u32, String> {
    let url = format!("{registry}/subjects/kgroot-envelope/versions");
    let body = json!({"schema": ENVELOPE_V1_SCHEMA}).to_string();
    let request =
        reqwest::Client::new().post(&url).header("content-type", "application/vnd.schemaregistry.v1+json");
    let response = request.body(body).send().await.map_err(|error| format!("{url}: {error}"))?;
    let answer: Value = response.json().await.map_err(|error| format!("{url}: {error}"))?;
    let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| format!("{url}: {answer}"))
}

/// Waits until so many records are sealed; gives the seals.
fn until_sealed(process: &mut Process, tail: &Tail, records: u64) -> Result<Vec<Seal>, String> {
    until(process, tail, &|seals| records <= taken(seals))
}

/// How many records were sealed.
pub(crate) fn taken(seals: &[Seal]) -> u64 {
    let takes = seals.iter().flat_map(|seal| &seal.takes);
    takes.map(|take| (take.until - take.from).unsigned_abs()).sum()
}

/// Waits until the control topic was heard up to an epoch; gives the seals up to it.
fn until_epoch(process: &mut Process, tail: &Tail, epoch: u64) -> Result<Vec<Seal>, String> {
    let mut seals = until(process, tail, &|seals| seals.last().is_some_and(|last| epoch <= last.epoch))?;
    seals.retain(|seal| seal.epoch <= epoch);
    Ok(seals)
}

fn until(process: &mut Process, tail: &Tail, met: &dyn Fn(&[Seal]) -> bool) -> Result<Vec<Seal>, String> {
    let begun = Instant::now();
    loop {
        let seals = seals(&tail.records()?)?;
        if met(&seals) {
            return Ok(seals);
        }
        if PATIENCE < begun.elapsed() {
            return Err(format!("sealing stays at epoch {:?}", seals.last().map(|seal| seal.epoch)));
        }
        if process.ends_within(Duration::from_millis(100)) {
            // It says why.
            return Err(process.live_until(Duration::MAX).err().unwrap_or_default());
        }
    }
}

/// Asks the process to stop while somebody follows a view: it does so in time, and well.
fn stop(process: Process, tenant: &TenantId, figures: &mut Figures) -> Result<(), String> {
    let _following = process.follow(&format!("/api/v1/changes?tenant_id={tenant}&view=events"))?;
    process.signal("TERM")?;
    let asked = Instant::now();
    let (code, said) = process.exit(STOP_PATIENCE)?;
    figures.stop = asked.elapsed();
    if code == Some(0) { Ok(()) } else { Err(format!("asked to stop, it ended with {code:?}:\n{said}")) }
}
