//! The real binary on a real broker, through a proxy that makes faults: nothing is lost, nothing comes twice, nothing is
//! made up, and sealing goes on soon after a fault is over.
//!
//! A producer appends to the broker directly, without a pause. Meanwhile answers are swallowed, delayed or cut and
//! connections closed, by the kind of the request; the network is silent; the broker restarts or is killed; the registry is
//! away or talks nonsense; the disk is full or fails; the program is asked to stop at any moment. In the end everything is
//! compared as in [`super::kills`]. The broker is the check's own; the registry is named by `KGROOT_TEST_REGISTRY`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::proxy::Protocol;
use super::real::disk::SmallDisk;
use super::real::place::Place;
use super::real::run::{Outcome, Run, TENANTS};
use super::real::{
    Means, Verdict, between, host_and_rest, loopback, milliseconds, report, runtime, variable,
};
use super::{Cases, Report};

mod broker;
mod trial;

use broker::Broker;
use trial::Trials;

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    report("faults", cases, run, Figures::list)
}

/// What was counted.
#[derive(Default)]
struct Figures {
    requests: u64,
    broker_asked: u64,
    broker_killed: u64,
    broker_away: u64,
    registry_away: u64,
    disk_full: u64,
    syscalls: u64,
    stops: u64,
    stops_while_away: u64,
    refused_starts: u64,
    stop_max: Duration,
    /// From the end of a fault until all records of before are sealed.
    resumed: Vec<Duration>,
    /// The longest of those, by the sort of fault.
    longest: BTreeMap<&'static str, Duration>,
}

impl Figures {
    /// Faults that happened.
    fn faults(&self) -> u64 {
        let of_broker = self.broker_asked + self.broker_killed + self.broker_away;
        self.requests + of_broker + self.registry_away + self.disk_full + self.syscalls + self.stops
    }

    fn list(&self) -> Vec<(&'static str, Value)> {
        let ms = |time: &Duration| json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        vec![
            ("faults", json!(self.faults())),
            ("requests", json!(self.requests)),
            ("broker_asked", json!(self.broker_asked)),
            ("broker_killed", json!(self.broker_killed)),
            ("broker_away", json!(self.broker_away)),
            ("registry_away", json!(self.registry_away)),
            ("disk_full", json!(self.disk_full)),
            ("syscalls", json!(self.syscalls)),
            ("stops", json!(self.stops)),
            ("stops_while_away", json!(self.stops_while_away)),
            ("refused_starts", json!(self.refused_starts)),
            ("stop_max_ms", ms(&self.stop_max)),
            ("longest_ms", self.longest.iter().map(|(name, time)| (*name, ms(time))).collect()),
            ("resumed_ms", milliseconds(&self.resumed)),
        ]
    }
}

fn run(
    cases: Cases,
    figures: &mut Figures,
    outcome: &mut Outcome,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let registry = variable("KGROOT_TEST_REGISTRY")?;
    let broker = Broker::start()?;
    let kafka = between(broker.proxy, broker.behind, Protocol::Kafka)?;
    let (host, path) = host_and_rest(&registry)?;
    let means = Means::of(broker.direct.to_string(), registry)?;
    let registry = between(loopback(), host, Protocol::Bytes)?;
    let behind = format!("http://{}{path}", registry.address);
    let place = Place::new("faults", &TENANTS, &means.met_at(broker.proxy.to_string(), behind))?;
    // It outlives the place: all that the program keeps lies on it.
    let disk =
        SmallDisk::mount(&place.folder).map_err(|failure| eprintln!("NOT RUN: a full disk: {failure}")).ok();
    let mut trials = Trials {
        run: Run::at(place, &means, cases.seed)?,
        broker: &broker,
        kafka: &kafka,
        registry: &registry,
        disk: disk.as_ref(),
        figures,
        running: None,
        runtime: runtime()?,
    };
    trials.all(cases.n)?;
    let (mut run, last) = trials.end()?;
    let took = run.conclude(last, outcome, verdict)?;
    figures.stop_max = figures.stop_max.max(took);
    Ok(())
}
