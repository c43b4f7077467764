//! Half an hour of simulated time: records come, processes are killed, lose power, freeze and thaw, operations fail or lie,
//! and at the end every view is what the sealed input says, and every refused record has its letter.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use bench::scenario::random::Random;
use bench::scenario::{Family, Record, generate};
use dataflow::config::{Clock, EngineConfig};
use dataflow::ingest::log::LogRecord;
use dataflow::shard::ShardError;
use schemas::ids::TenantId;
use schemas::position::{Partition, SourcePosition};
use schemas::time::EventTime;
use schemas::topic::topic;
use schemas::view::{Row, ViewName};
use serde_json::json;

use super::histories::{constants, equal, runtime};
use super::sealed::{epochs, seals, snapshots};
use super::world::process::{FOLDER, Process, Settings};
use super::world::{Fault, Plan, Shared};
use super::{Cases, Report, guarded};
use crate::twin::{Views, views};

const TENANTS: [&str; 2] = ["amber", "blue"];
/// Simulated time of one seed.
const LENGTH_MS: i64 = 30 * 60_000;
/// Records of a scenario that are used: one in so many.
const THINNING: u64 = 6;

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    let mut failures = Vec::new();
    let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut tried = 0;
    for seed in cases.seeds() {
        if cases.over(&failures) {
            break;
        }
        tried += 1;
        match guarded(|| run(seed)) {
            Ok(counted) => {
                counted.into_iter().for_each(|(name, count)| *sums.entry(name).or_default() += count)
            }
            Err(failure) => failures.push(format!("seed {seed}: {failure}")),
        }
    }
    let minutes = tried * u64::try_from(LENGTH_MS / 60_000).unwrap_or_default();
    let mut figures = vec![("simulated_minutes", json!(minutes))];
    figures.extend(sums.into_iter().map(|(name, count)| (name, json!(count))));
    Report { check: "simulate", n: tried, failures, figures }
}

/// What is to come, in the order of time.
pub(super) struct Producer {
    waiting: Vec<(EventTime, TenantId, Record)>,
    pub(super) random: Random,
    start: EventTime,
}

impl Producer {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5EED);
        let family = Family::ALL[random.below(Family::ALL.len() as u64) as usize];
        let mut waiting = Vec::new();
        for tenant in TENANTS {
            let tenant: TenantId = tenant.parse().expect("tenants are valid");
            for record in generate(family, seed).records {
                if random.below(THINNING) == 0 || record.family == "k8s-events" && random.below(2) == 0 {
                    waiting.push((record.at, tenant.clone(), record));
                }
            }
        }
        waiting.sort_by_key(|(at, tenant, _)| (*at, tenant.clone()));
        let start = waiting.first().map_or(EventTime(0), |(at, ..)| *at);
        waiting.reverse();
        Producer { waiting, random, start }
    }

    pub(super) fn start(&self) -> EventTime {
        self.start
    }

    /// Appends what is due: some of it twice, some of it broken.
    pub(super) fn append(&mut self, world: &Shared) {
        let now = world.lock().now;
        while self.waiting.last().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, tenant, record)) = self.waiting.pop() else { return };
            let value = record.document.to_string().into_bytes();
            let copies = if self.random.below(12) == 0 { 2 } else { 1 };
            for _ in 0..copies {
                self.put(world, &tenant, record.family, value.clone());
            }
            if self.random.below(25) == 0 {
                let kept = self.random.below(value.len() as u64) as usize;
                let broken = [&value[..kept], b"}{"].concat();
                self.put(world, &tenant, record.family, broken);
            }
            if self.random.below(40) == 0 {
                // A writer schema that nobody registered.
                self.put(world, &tenant, record.family, vec![0, 0, 0, 0, 9, 1, 2, 3]);
            }
        }
    }

    fn put(&mut self, world: &Shared, tenant: &TenantId, family: &str, value: Vec<u8>) {
        let mut world = world.lock();
        let partition =
            Partition { topic: topic(family, tenant).into(), number: self.random.below(2) as i32 };
        let appended = Some(world.now);
        let records = world.records.entry(partition.clone()).or_default();
        let offset = records.len() as i64;
        let position =
            SourcePosition { topic: partition.topic, partition: partition.number, offset, item: 0 };
        records.push(LogRecord { tenant: tenant.clone(), position, appended, key: Vec::new(), value });
    }
}

pub(super) fn settings(random: &mut Random) -> Settings {
    let horizon_ms = random.between(8, 20) * 60_000;
    Settings {
        engine: EngineConfig {
            workers: 1,
            clock: Clock::Wall,
            horizon_ms,
            lateness_ms: horizon_ms / random.between(1, 3),
            gap_ms: 2 * 60_000,
            future_ms: 5 * 60_000,
            ..EngineConfig::default()
        },
        snapshot_every_ms: random.between(20, 240) * 1_000,
        records_per_s: random.below(2) * 20,
    }
}

fn fault(random: &mut Random) -> Fault {
    match random.below(8) {
        0..=2 => Fault::KillBefore,
        3 | 4 => Fault::KillAfter,
        5 => Fault::Error,
        6 => Fault::Ambiguous,
        _ => Fault::Delay,
    }
}

/// Whether a process may end like this when something was made to go wrong.
fn expected(error: &ShardError) -> bool {
    matches!(
        error,
        ShardError::Log(_) | ShardError::Snapshot(_) | ShardError::Letters(_) | ShardError::Stopped
    ) || matches!(error, ShardError::NoSnapshot(detail) if detail.contains("input/output error"))
}

/// One seed; what was counted.
pub fn run(seed: u64) -> Result<BTreeMap<&'static str, u64>, String> {
    let mut producer = Producer::new(seed);
    let mut random = Random::new(seed);
    let world = Shared::new(seed, producer.start());
    let settings = settings(&mut random);
    let end = producer.start().plus_ms(LENGTH_MS);
    let mut counted: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut frozen: Option<Process> = None;
    let mut damaged = false;
    while world.lock().now < end {
        let plan = match random.below(5) {
            0 => Plan::None,
            _ => Plan::At(1 + random.below(900), fault(&mut random)),
        };
        world.lock().plan(plan);
        *counted.entry("processes").or_default() += 1;
        let mut process = match Process::start(&world, &settings) {
            Ok(process) => process,
            Err(error) if expected(&error) => {
                // It did not come up; a supervisor tries again a little later.
                world.lock().pass(1_000);
                continue;
            }
            Err(error) => return Err(format!("start: {error}")),
        };
        if let Some(thawed) = frozen.take() {
            thaw(thawed, &world, &mut random)?;
        }
        let ended = live(&mut process, &world, &mut producer, &mut random, end)?;
        *counted.entry(ended.name()).or_default() += 1;
        only_sealed(&process, &world)?;
        match ended {
            Ended::Frozen => frozen = Some(process),
            Ended::PowerLost => {
                world.lock().end_life(process.life, true);
                // One snapshot may be damaged: the one before it is there.
                if !damaged && random.below(2) == 0 {
                    damaged = damage(&world, &mut random)?;
                    *counted.entry("snapshots_damaged").or_default() += u64::from(damaged);
                }
            }
            _ => world.lock().end_life(process.life, false),
        }
    }
    if let Some(thawed) = frozen.take() {
        world.lock().plan(Plan::None);
        let _unfinished = Process::start(&world, &settings).map_err(|error| format!("start: {error}"))?;
        thaw(thawed, &world, &mut random)?;
    }
    finish(&world, &settings, &mut producer, &mut counted)?;
    let world = world.lock();
    *counted.entry("faults").or_default() += world.faults.values().sum::<u64>();
    *counted.entry("operations").or_default() += world.operations.values().sum::<u64>();
    *counted.entry("records").or_default() +=
        world.records.values().map(|records| records.len() as u64).sum::<u64>();
    Ok(counted)
}

/// Whatever the engine of a process was handed stands in the control log.
fn only_sealed(process: &Process, world: &Shared) -> Result<(), String> {
    let handed = process.shard.mark().epoch;
    let sealed = seals(&world.lock().control)?.last().map_or(0, |seal| seal.epoch);
    if handed <= sealed {
        Ok(())
    } else {
        Err(format!("epoch {handed} was computed, but the last that is sealed is {sealed}"))
    }
}

/// Flips a bit of the newest snapshot, if there is another; whether it did.
fn damage(world: &Shared, random: &mut Random) -> Result<bool, String> {
    let snapshots = snapshots(&world.lock().control)?;
    let [.., _, (newest, _)] = snapshots.as_slice() else { return Ok(false) };
    let path = PathBuf::from(FOLDER).join(format!("{newest:020}")).join("manifest");
    let missing = |error: io::Error| format!("{}: {error}", path.display());
    let mut world = world.lock();
    let bits = world.files.length(&path).map_err(missing)? as u64 * 8;
    if bits == 0 {
        return Err(format!("{}: empty", path.display()));
    }
    world.files.flip(&path, random.below(bits) as usize).map_err(missing)?;
    Ok(true)
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Killed,
    PowerLost,
    Failed,
    Frozen,
    Stopped,
}

impl Ended {
    fn name(self) -> &'static str {
        match self {
            Ended::Killed => "killed",
            Ended::PowerLost => "power_lost",
            Ended::Failed => "gave_up",
            Ended::Frozen => "frozen",
            Ended::Stopped => "stopped",
        }
    }
}

fn live(
    process: &mut Process,
    world: &Shared,
    producer: &mut Producer,
    random: &mut Random,
    end: EventTime,
) -> Result<Ended, String> {
    loop {
        world.lock().pass(random.between(20, 9_000));
        producer.append(world);
        if random.below(3) == 0 {
            process.jobs.run_one();
        }
        let outcome = process.shard.round().and_then(|()| process.shard.catch_up());
        let outcome =
            if random.below(12) == 0 { outcome.and_then(|()| process.shard.settle()) } else { outcome };
        if let Err(error) = outcome {
            return match error {
                _ if world.lock().is_dead(process.life) => Ok(Ended::Killed),
                error if expected(&error) => Ok(Ended::Failed),
                error => Err(format!("round: {error}")),
            };
        }
        if end <= world.lock().now {
            return Ok(Ended::Stopped);
        }
        match random.below(400) {
            0 => return Ok(Ended::PowerLost),
            1 | 2 => return Ok(Ended::Frozen),
            3 => {
                let closed = process.shard.close();
                return match closed {
                    Ok(()) => Ok(Ended::Stopped),
                    Err(_) => Ok(Ended::Failed),
                };
            }
            _ => {}
        }
    }
}

/// A frozen process goes on after another one took over: it must find out, and nothing that it does may have an effect.
fn thaw(mut process: Process, world: &Shared, random: &mut Random) -> Result<(), String> {
    world.lock().plan(Plan::None);
    for _ in 0..random.below(5) {
        process.jobs.run_one();
    }
    for _ in 0..20 {
        world.lock().pass(1_500);
        match process.shard.round() {
            Err(ShardError::TakenOver { .. }) => return Ok(()),
            Err(error) if expected(&error) => return Ok(()),
            Ok(()) => {}
            Err(error) => return Err(format!("thawed: {error}")),
        }
    }
    Err("a process that was taken over sealed on".to_owned())
}

/// Nothing goes wrong any more: everything is sealed, computed and compared.
pub(super) fn finish(
    world: &Shared,
    settings: &Settings,
    producer: &mut Producer,
    counted: &mut BTreeMap<&'static str, u64>,
) -> Result<(), String> {
    world.lock().plan(Plan::None);
    let mut process = Process::start(world, settings).map_err(|error| format!("last start: {error}"))?;
    let mut idle = 0;
    while idle < 8 {
        world.lock().pass(1_500);
        producer.append(world);
        let taken = |process: &Process| process.shard.places().map(|place| place.next).sum::<i64>();
        let before = taken(&process);
        let rounded = process.shard.round().and_then(|()| process.shard.catch_up());
        rounded.map_err(|error| format!("last rounds: {error}"))?;
        idle = if taken(&process) == before { idle + 1 } else { 0 };
    }
    process.shard.settle().map_err(|error| format!("settle: {error}"))?;
    let (control, records) = {
        let world = world.lock();
        (world.control.clone(), world.records.clone())
    };
    let seals = seals(&control)?;
    let sealed = epochs(&seals, &records)?;
    *counted.entry("epochs").or_default() += sealed.len() as u64;
    let expected = views(&sealed, &constants(&settings.engine));
    runtime().block_on(equal(&process.engine.reader(), &expected))?;
    letters(world, &expected)
}

/// Every refused delivery has its letter.
fn letters(world: &Shared, expected: &Views) -> Result<(), String> {
    let rows =
        expected.iter().filter(|((_, view), _)| *view == ViewName::Coverage).flat_map(|(_, rows)| rows);
    let refused: u64 = rows
        .map(|row| match row {
            Row::Coverage(row) => row.rejected.iter().map(|(_, count)| count).sum(),
            _ => 0,
        })
        .sum();
    let written = world.lock().letters.len() as u64;
    if refused == written {
        Ok(())
    } else {
        Err(format!("{refused} deliveries were refused, {written} have a letter"))
    }
}
