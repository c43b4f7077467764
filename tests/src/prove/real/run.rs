//! A run of the program on a stream that does not pause, and what it came to: records, seals, views and letters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bench::scenario::random::Random;
use dataflow::control::record::Seal;
use deploy::config::Config;
use schemas::dead_letter::SUFFIX;
use schemas::ids::TenantId;
use schemas::time::Epoch;
use serde_json::{Value, json};
use sinks::control_topic::ControlTopic;

use super::input::Input;
use super::judge::{Records, Verdict};
use super::place::Place;
use super::process::Process;
use super::producer::{CALM, FAST, Pace, Producer};
use super::topics::{self, Tail};
use super::views::{self, Reader, Rows};
use super::{Means, PATIENCE, runtime};
use crate::prove::histories::constants;
use crate::prove::sealed::{epochs, seals, snapshots};
use crate::twin::{self, Views};

/// A process that is asked to stop has stopped by then.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(25);
/// Who the tenants of a stream are.
pub(crate) const TENANTS: [&str; 3] = ["amber", "blue", "coral"];
/// Between two looks at what is not there yet.
const LOOK: Duration = Duration::from_millis(50);

/// A stream, and who reads it.
pub(crate) struct Run {
    pub(crate) place: Place,
    pub(crate) random: Random,
    /// Where it meets them itself.
    brokers: String,
    tail: Tail,
    producer: Option<Producer>,
    records: Records,
}

/// What a run came to, in figures.
#[derive(Default)]
pub(crate) struct Outcome {
    epochs: Epoch,
    records: u64,
    unacknowledged: u64,
    letters: u64,
    rows: u64,
}

impl Outcome {
    pub(crate) fn list(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("epochs", json!(self.epochs)),
            ("records", json!(self.records)),
            ("unacknowledged", json!(self.unacknowledged)),
            ("letters", json!(self.letters)),
            ("rows", json!(self.rows)),
        ]
    }
}

/// How many records were sealed.
pub(crate) fn taken(seals: &[Seal]) -> u64 {
    let takes = seals.iter().flat_map(|seal| &seal.takes);
    takes.map(|take| (take.until - take.from).unsigned_abs()).sum()
}

impl Run {
    /// Begins the stream of a seed.
    pub(crate) fn begin(check: &str, seed: u64) -> Result<Self, String> {
        let means = Means::find()?;
        Run::at(Place::new(check, &TENANTS, &means)?, &means, seed)
    }

    /// Begins the stream of a seed, as fast as it goes.
    pub(crate) fn begin_fast(check: &str, seed: u64) -> Result<Self, String> {
        let means = Means::find()?;
        Run::paced(Place::new(check, &TENANTS, &means)?, &means, seed, FAST)
    }

    /// Begins it at a place whose program may meet the servers elsewhere than the run itself does.
    pub(crate) fn at(place: Place, means: &Means, seed: u64) -> Result<Self, String> {
        Run::paced(place, means, seed, CALM)
    }

    fn paced(place: Place, means: &Means, seed: u64, pace: Pace) -> Result<Self, String> {
        let brokers = means.brokers.clone();
        let schema = runtime()?.block_on(means.register())?;
        ControlTopic::open(&brokers, &place.control()).map_err(|error| error.to_string())?;
        let tail = Tail::start(&brokers, &place.control())?;
        let mut random = Random::new(seed);
        let others = place.tenants.iter().cycle().skip(1);
        let pairs = place.tenants.iter().zip(others);
        let inputs = pairs.map(|(tenant, other)| Input::new(random.bits(), tenant, other, schema)).collect();
        let producer = Some(Producer::start(&brokers, inputs, pace)?);
        Ok(Run { place, random, brokers, tail, producer, records: Records::new() })
    }

    /// A time, by chance.
    pub(crate) fn ms(&mut self, from: i64, to: i64) -> Duration {
        Duration::from_millis(self.random.between(from, to).unsigned_abs())
    }

    /// How many records of the stream the brokers have acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.producer.as_ref().map_or(0, Producer::acknowledged)
    }

    /// Whether the stream has ended by itself; its end says why.
    pub(crate) fn has_ended(&self) -> bool {
        self.producer.as_ref().is_none_or(Producer::has_ended)
    }

    /// What was sealed so far.
    pub(crate) fn seals(&self) -> Result<Vec<Seal>, String> {
        seals(&self.tail.records()?)
    }

    /// The epoch of the newest snapshot; 0 without one.
    pub(crate) fn snapshot(&self) -> Result<Epoch, String> {
        Ok(snapshots(&self.tail.records()?)?.last().map_or(0, |(epoch, _)| *epoch))
    }

    /// Ends a run: all of the stream is sealed and shown, the process stops, and all is compared with all. Gives how long
    /// the process took to stop.
    pub(crate) fn conclude(
        &mut self,
        mut last: Process,
        outcome: &mut Outcome,
        verdict: &mut Verdict,
    ) -> Result<Duration, String> {
        let sealed = self.end(&mut last, outcome, verdict)?;
        let epoch = self.shown(&mut last, sealed)?;
        let rows = self.rows(&last, epoch)?;
        let expected = self.compare(&mut last, (epoch, &rows), outcome, verdict)?;
        let took = self.stop(last)?;
        self.letters(&expected, outcome, verdict)?;
        Ok(took)
    }

    /// Ends the stream; waits until all of it is sealed, and judges that. Gives the epoch of the last seal.
    pub(crate) fn end(
        &mut self,
        process: &mut Process,
        outcome: &mut Outcome,
        verdict: &mut Verdict,
    ) -> Result<Epoch, String> {
        let producer = self.producer.take().ok_or("the stream has ended already")?;
        let journal = producer.stop()?;
        self.records = topics::records(&topics::read_back(&self.brokers, &self.place.topics(""))?)?;
        outcome.records = self.records.values().map(|records| records.len() as u64).sum();
        outcome.unacknowledged = verdict.journal(&journal, &self.records);
        let all = outcome.records;
        let sealed = self.until(process, &|seals| all <= taken(seals))?;
        verdict.sealing(&sealed, &self.records);
        Ok(sealed.last().map_or(0, |seal| seal.epoch))
    }

    /// Waits until a process shows an epoch; gives the one that it shows then.
    pub(crate) fn shown(&self, process: &mut Process, wanted: Epoch) -> Result<Epoch, String> {
        let (reader, runtime) = (Reader::of(&process.listen)?, runtime()?);
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let epoch = runtime.block_on(reader.latest(&self.place.tenants[0]))?;
            if wanted <= epoch {
                return Ok(epoch);
            }
            if std::mem::replace(&mut before, epoch) < epoch {
                since = Instant::now();
            }
            if process.ends_within(LOOK) || PATIENCE < since.elapsed() {
                return Err(format!("the views stay at epoch {epoch}, sealed is {wanted}"));
            }
        }
    }

    /// Every view of every tenant as of an epoch.
    pub(crate) fn rows(&self, process: &Process, epoch: Epoch) -> Result<Vec<Rows>, String> {
        let (reader, runtime) = (Reader::of(&process.listen)?, runtime()?);
        let of = |tenant: &TenantId| runtime.block_on(reader.views(tenant, epoch));
        self.place.tenants.iter().map(of).collect()
    }

    /// Compares the views as of an epoch with those of the twin; gives the twin's.
    pub(crate) fn compare(
        &self,
        process: &mut Process,
        (epoch, rows): (Epoch, &[Rows]),
        outcome: &mut Outcome,
        verdict: &mut Verdict,
    ) -> Result<Views, String> {
        self.until(process, &|seals| seals.last().is_some_and(|last| epoch <= last.epoch))?;
        let expected = self.twin([epoch].into(), outcome)?.remove(&epoch).unwrap_or_default();
        for (tenant, rows) in self.place.tenants.iter().zip(rows) {
            outcome.rows += rows.values().map(|rows| rows.len() as u64).sum::<u64>();
            verdict.views(&self.place.tenants, &views::texts(rows)?, &views::of_twin(&expected, tenant));
        }
        Ok(expected)
    }

    /// The twin's views as of epochs that were sealed.
    pub(crate) fn twin(
        &self,
        wanted: BTreeSet<Epoch>,
        outcome: &mut Outcome,
    ) -> Result<BTreeMap<Epoch, Views>, String> {
        let mut sealed = self.seals()?;
        let last = wanted.last().copied().unwrap_or(0);
        sealed.retain(|seal| seal.epoch <= last);
        if let Some(never) = wanted.iter().find(|epoch| sealed.iter().all(|seal| seal.epoch != **epoch)) {
            return Err(format!("epoch {never} was never sealed"));
        }
        outcome.epochs = last;
        let engine = Config::default().engine().map_err(|error| error.to_string())?;
        // Epochs are sealed with numbers from 1 on.
        let counts: Vec<usize> =
            wanted.iter().map(|epoch| usize::try_from(*epoch).unwrap_or(usize::MAX)).collect();
        let views = twin::views_after(&counts, &epochs(&sealed, &self.records)?, &constants(&engine));
        Ok(wanted.into_iter().zip(views).collect())
    }

    /// Compares the dead letters with what the twin refused.
    pub(crate) fn letters(
        &self,
        expected: &Views,
        outcome: &mut Outcome,
        verdict: &mut Verdict,
    ) -> Result<(), String> {
        let letters = topics::read_back(&self.brokers, &self.place.topics(SUFFIX))?;
        outcome.letters = letters.len() as u64;
        verdict.letters(expected, &self.records, &letters);
        Ok(())
    }

    fn until(&self, process: &mut Process, met: &dyn Fn(&[Seal]) -> bool) -> Result<Vec<Seal>, String> {
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let seals = self.seals()?;
            if met(&seals) {
                return Ok(seals);
            }
            let taken = taken(&seals);
            if std::mem::replace(&mut before, taken) < taken {
                since = Instant::now();
            }
            if PATIENCE < since.elapsed() {
                return Err(format!("sealing stays at epoch {:?}", seals.last().map(|seal| seal.epoch)));
            }
            if process.ends_within(LOOK) {
                // It says why.
                return Err(process.live_until(Duration::MAX).err().unwrap_or_default());
            }
        }
    }

    /// Asks the process to stop while somebody follows a view: it does so in time, and well. Gives how long it took.
    pub(crate) fn stop(&self, process: Process) -> Result<Duration, String> {
        let tenant = &self.place.tenants[0];
        let _following = process.follow(&format!("/api/v1/changes?tenant_id={tenant}&view=events"))?;
        process.signal("TERM")?;
        let asked = Instant::now();
        let (code, said) = process.exit(STOP_PATIENCE)?;
        let took = asked.elapsed();
        if code == Some(0) {
            Ok(took)
        } else {
            Err(format!("asked to stop, it ended with {code:?}:\n{said}"))
        }
    }
}
