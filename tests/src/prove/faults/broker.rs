//! A broker of our own, which may go away: it tells whom it meets on its second listener that it is where the proxy is.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use dataflow::ingest::clock::now;

use crate::prove::real::execute;

/// Ports are looked for from here on: below those that the system gives to whoever connects, so that none is taken while
/// the broker is away.
const PORTS_FROM: u16 = 20_000;
const PORTS: u16 = 10_000;

/// A broker; what it held is removed when it is dropped.
pub(super) struct Broker {
    /// Where it is met without a proxy.
    pub(super) direct: SocketAddr,
    /// Where the proxy meets it.
    pub(super) behind: SocketAddr,
    /// Where it says that it is to whom the proxy brings.
    pub(super) proxy: SocketAddr,
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Err(failure) = self.script("stop") {
            eprintln!("{failure}");
        }
    }
}

/// How a broker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is asked to.
    Asked,
    /// SIGKILL.
    Killed,
}

impl Broker {
    /// Starts one that holds nothing.
    pub(super) fn start() -> Result<Self, String> {
        let ports = free_ports()?;
        let [direct, controller, behind, proxy] = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let folder = std::env::temp_dir().join(format!("kgroot-broker-{}-{:x}", std::process::id(), now().0));
        let variables = vec![
            ("KGROOT_SERVERS_RUN", folder.display().to_string()),
            ("KGROOT_KAFKA_PORT", direct.port().to_string()),
            ("KGROOT_KAFKA_CONTROLLER_PORT", controller.port().to_string()),
            ("KGROOT_KAFKA_BEHIND", format!("{}@{proxy}", behind.port())),
        ];
        let broker = Broker { direct, behind, proxy, folder, variables };
        broker.again()?;
        Ok(broker)
    }

    /// Starts it, with what it held before.
    pub(super) fn again(&self) -> Result<(), String> {
        self.script("broker")
    }

    /// Ends it, and waits until it has.
    pub(super) fn end(&self, end: End) -> Result<(), String> {
        let signal = if end == End::Killed { "KILL" } else { "TERM" };
        let line = format!(
            "pid=$(cat '{}/kafka.pid') && kill -{signal} $pid && \
             for i in $(seq 300); do kill -0 $pid 2>/dev/null || exit 0; sleep 0.1; done; exit 1",
            self.folder.display()
        );
        execute(Command::new("sh").args(["-c", &line]), "end the broker")
    }

    fn script(&self, word: &str) -> Result<(), String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/servers.sh");
        execute(Command::new(script).arg(word).envs(self.variables.iter().cloned()), word)
    }
}

/// Ports that nobody listens on.
fn free_ports() -> Result<[u16; 4], String> {
    let first = u16::try_from(std::process::id() * 16 % u32::from(PORTS)).unwrap_or(0);
    let ports = (0..PORTS).map(|step| PORTS_FROM + (first + step) % PORTS);
    let free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let found: Vec<u16> = free.take(4).collect();
    <[u16; 4]>::try_from(found).map_err(|_| "no free ports".to_owned())
}
