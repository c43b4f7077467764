//! The real binary on real servers: what the checks that start it share. Servers are named by `KGROOT_TEST_KAFKA` and
//! `KGROOT_TEST_REGISTRY`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use schemas::codec::avro::ENVELOPE_V1_SCHEMA;
use serde_json::{Value, json};

use self::run::Outcome;
use super::proxy::{Protocol, Proxy};
use super::{Cases, Report};

pub(super) mod disk;
mod input;
mod judge;
pub(super) mod place;
pub(super) mod process;
mod producer;
pub(super) mod run;
pub(super) mod topics;
pub(super) mod views;

pub(super) use judge::Verdict;

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// Exit code of a process that gave up its shard, such as one that was taken over.
pub(super) const EXIT_STATE: i32 = 70;

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| format!("runtime: {error}"))
}

/// Figures of a check, by name.
type Figure = (&'static str, Value);

/// Runs a check to its end or to its first failure, and reports what it counted.
pub(super) fn report<F: Default>(
    check: &'static str,
    cases: Cases,
    run: impl FnOnce(Cases, &mut F, &mut Outcome, &mut Verdict) -> Result<(), String>,
    list: impl FnOnce(&F) -> Vec<Figure>,
) -> Report {
    let (mut figures, mut outcome, mut verdict) = (F::default(), Outcome::default(), Verdict::default());
    let ran = run(cases, &mut figures, &mut outcome, &mut verdict);
    verdict.report(check, cases, ran, [list(&figures), outcome.list()].concat())
}

/// What a check works with: the servers, and the program.
pub(crate) struct Means {
    brokers: String,
    registry: String,
    binary: PathBuf,
}

impl Means {
    /// The servers that the environment names, and the program, built.
    pub(super) fn find() -> Result<Self, String> {
        Means::of(variable("KGROOT_TEST_KAFKA")?, variable("KGROOT_TEST_REGISTRY")?)
    }

    /// These servers, and the program, built.
    pub(super) fn of(brokers: String, registry: String) -> Result<Self, String> {
        Ok(Means { brokers, registry, binary: crate::binary::binary()? })
    }

    /// The same servers and the same program, which meets them elsewhere.
    pub(super) fn met_at(&self, brokers: String, registry: String) -> Self {
        Means { brokers, registry, binary: self.binary.clone() }
    }

    /// Registers the envelope's schema; gives its id.
    async fn register(&self) -> Result<u32, String> {
        let url = format!("{}/subjects/io.kgroot.Envelope/versions", self.registry);
        let body = json!({"schema": ENVELOPE_V1_SCHEMA}).to_string();
        let request = reqwest::Client::new()
            .post(&url)
            .header("content-type", "application/vnd.schemaregistry.v1+json");
        let response = request.body(body).send().await.map_err(|error| format!("{url}: {error}"))?;
        let answer: Value = response.json().await.map_err(|error| format!("{url}: {error}"))?;
        let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| format!("{url}: {answer}"))
    }
}

pub(super) fn variable(name: &str) -> Result<String, String> {
    let found = std::env::vars().find(|(known, _)| known == name);
    found.map(|(_, value)| value).ok_or_else(|| {
        format!("{name} is not set: run `tests/servers/servers.sh start` and export what it prints")
    })
}

/// Runs a command to its end.
pub(super) fn execute(command: &mut Command, what: &str) -> Result<(), String> {
    match command.stdin(Stdio::null()).stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what}: {status}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

/// Runs `servers.sh` with words.
pub(super) fn execute_script(words: &[&str]) -> Result<(), String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/servers.sh");
    execute(Command::new(script).args(words), &format!("servers.sh {}", words.join(" ")))
}

/// A proxy between an address and a server.
pub(super) fn between(listen: SocketAddr, upstream: SocketAddr, protocol: Protocol) -> Result<Proxy, String> {
    Proxy::start(listen, upstream, protocol).map_err(|error| format!("proxy at {listen}: {error}"))
}

/// An address of this machine with a port that is free.
pub(super) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The address of a URL's host, and what follows it.
pub(super) fn host_and_rest(url: &str) -> Result<(SocketAddr, String), String> {
    let (_, rest) = url.split_once("://").ok_or_else(|| format!("{url} has no scheme"))?;
    let (host, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let found = host.to_socket_addrs().map_err(|error| format!("{url}: {error}"))?.next();
    Ok((found.ok_or_else(|| format!("{url} has no address"))?, rest.to_owned()))
}

/// Half of the times, all but one in a hundred, and the longest, in milliseconds.
pub(super) fn milliseconds(times: &[Duration]) -> Value {
    let mut sorted = times.to_vec();
    sorted.sort();
    let last = sorted.len().saturating_sub(1);
    let at = |percent: usize| {
        let found = sorted.get((last * percent).div_ceil(100));
        json!(found.map(Duration::as_millis).and_then(|ms| u64::try_from(ms).ok()))
    };
    json!({"p50": at(50), "p99": at(99), "max": at(100)})
}
