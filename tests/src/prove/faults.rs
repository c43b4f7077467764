//! The real binary on a real broker, through a proxy that makes faults: nothing is lost, nothing comes twice, nothing is
//! made up, and sealing goes on soon after a fault is over.
//!
//! A producer appends to the broker directly, without a pause. Meanwhile answers are swallowed, delayed or cut and
//! connections closed, by the kind of the request; the network is silent; the broker restarts or is killed; the registry is
//! away or talks nonsense; the disk is full or fails; the program is asked to stop at any moment. In the end everything is
//! compared as in [`super::kills`]. The broker is the check's own; the registry is named by `KGROOT_TEST_REGISTRY`.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use dataflow::ingest::source::now;
use serde_json::{Value, json};
use sinks::control_topic::ControlTopic;

use super::kills::judge::Verdict;
use super::kills::producer::Producer;
use super::kills::topics::Tail;
use super::kills::{self, PATIENCE, Run, conclude, register, runtime, variable};
use super::proxy::{Protocol, Proxy};
use super::{Cases, Report};

mod broker;
mod disk;
mod trial;

use broker::Broker;
use disk::SmallDisk;
use trial::Trials;

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    let (mut figures, mut totals, mut verdict) =
        (Figures::default(), kills::Figures::default(), Verdict::default());
    if let Err(failure) = run(cases, &mut figures, &mut totals, &mut verdict) {
        verdict.failures.push(failure);
    }
    for failure in &mut verdict.failures {
        *failure = format!("seed {}: {failure}", cases.seed);
    }
    let mut listed = figures.list();
    listed.extend([
        ("epochs", json!(totals.epochs)),
        ("records", json!(totals.records)),
        ("unacknowledged", json!(totals.unacknowledged)),
        ("letters", json!(totals.letters)),
        ("rows", json!(totals.rows)),
        ("lost", json!(verdict.lost)),
        ("duplicate", json!(verdict.duplicate)),
        ("phantom", json!(verdict.phantom)),
        ("crossing", json!(verdict.crossing)),
        ("digest_mismatches", json!(verdict.digest_mismatches)),
    ]);
    Report { check: "faults", n: cases.n, failures: verdict.failures, figures: listed }
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

    fn list(&mut self) -> Vec<(&'static str, Value)> {
        self.resumed.sort();
        let ms = |time: Option<&Duration>| json!(time.and_then(|time| u64::try_from(time.as_millis()).ok()));
        let middle = self.resumed.get(self.resumed.len() / 2);
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
            ("stop_max_ms", ms(Some(&self.stop_max))),
            ("longest_ms", self.longest.iter().map(|(name, time)| (*name, ms(Some(time)))).collect()),
            ("resumed_ms", json!({"p50": ms(middle), "max": ms(self.resumed.last())})),
        ]
    }
}

fn run(
    cases: Cases,
    figures: &mut Figures,
    totals: &mut kills::Figures,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let registry = variable("KGROOT_TEST_REGISTRY")?;
    let name = format!("faults-{}-{:x}", std::process::id(), now().0);
    let schema = runtime()?.block_on(register(&registry))?;
    let broker = Broker::start(&name)?;
    let between = |listen, upstream, protocol| {
        Proxy::start(listen, upstream, protocol).map_err(|error| format!("proxy at {listen}: {error}"))
    };
    let kafka = between(broker.proxy, broker.behind, Protocol::Kafka)?;
    let (host, path) = host_and_path(&registry)?;
    let registry = between(SocketAddr::from(([127, 0, 0, 1], 0)), host, Protocol::Bytes)?;
    let behind = format!("http://{}{path}", registry.address);
    let mut run = Run::new(cases.seed, &name, &broker.proxy.to_string(), &behind)?;
    let disk =
        SmallDisk::mount(&run.folder).map_err(|failure| eprintln!("NOT RUN: a full disk: {failure}")).ok();
    let direct = broker.direct.to_string();
    let control = format!("kgroot-control-{name}");
    ControlTopic::open(&direct, &control).map_err(|error| error.to_string())?;
    let tail = Tail::start(&direct, &control)?;
    let producer = Producer::start(&direct, run.inputs(schema))?;
    let mut trials = Trials {
        run,
        broker: &broker,
        kafka: &kafka,
        registry: &registry,
        disk: disk.as_ref(),
        tail: &tail,
        producer: &producer,
        figures,
        running: None,
        runtime: runtime()?,
    };
    trials.all(cases.n)?;
    let (run, last) = trials.end(PATIENCE)?;
    conclude((&run, &direct), last, (&producer.stop()?, &tail), totals, verdict)
}

/// The address of a URL's host, and what follows it.
fn host_and_path(url: &str) -> Result<(SocketAddr, String), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url} does not begin with http://"))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let found = host.to_socket_addrs().map_err(|error| format!("{url}: {error}"))?.next();
    Ok((found.ok_or_else(|| format!("{url} has no address"))?, path.to_owned()))
}
