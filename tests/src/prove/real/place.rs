//! What one run of the program has to itself: tenants, a shard, a folder. The folder is removed when the run is over.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use dataflow::ingest::clock::now;
use schemas::ids::TenantId;
use schemas::topic::{FAMILIES, topic};

use super::Means;
use super::process::Process;

/// Names that no other run has, and how the program is told of them.
pub(crate) struct Place {
    /// Where the program meets them.
    pub(crate) brokers: String,
    pub(crate) shard: String,
    pub(crate) tenants: Vec<TenantId>,
    pub(crate) folder: PathBuf,
    binary: PathBuf,
    set: Vec<String>,
}

impl Drop for Place {
    fn drop(&mut self) {
        // It does not exist if nothing was snapshot.
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

impl Place {
    /// A place for a check, with tenants of these names.
    pub(crate) fn new(check: &str, tenants: &[&str], means: &Means) -> Result<Self, String> {
        let shard = format!("{check}-{}-{:x}", std::process::id(), now().0);
        let tenant = |name: &&str| format!("{shard}-{name}").parse::<TenantId>().map_err(|e| e.to_string());
        let tenants: Vec<TenantId> = tenants.iter().map(tenant).collect::<Result<_, _>>()?;
        let names: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
        let folder = std::env::temp_dir().join(format!("kgroot-{shard}"));
        let set = vec![
            format!("kafka.brokers={}", means.brokers),
            format!("kafka.registry={}", means.registry),
            format!("kafka.tenants={}", names.join(",")),
            format!("data={}", folder.display()),
            format!("state.shard={shard}"),
            "state.snapshot_every=2s".to_owned(),
        ];
        let (brokers, binary) = (means.brokers.clone(), means.binary.clone());
        Ok(Place { brokers, shard, tenants, folder, binary, set })
    }

    /// One process, with further keys set.
    pub(crate) fn start(&self, set: &[String]) -> Result<Process, String> {
        Process::start(&self.binary, &[], &[&self.set, set].concat())
    }

    /// One process that a command of its own starts, to which the program is added.
    pub(crate) fn start_under(&self, mut command: Command) -> Result<Process, String> {
        command.arg(&self.binary);
        Process::launch(command, &[], &self.set)
    }

    /// Two processes that compute together, with so many workers each.
    pub(crate) fn start_cluster(&self, workers: usize) -> Result<[Process; 2], String> {
        let hosts = self.folder.join("hosts");
        let addresses = [free_address()?, free_address()?].join("\n");
        let written = std::fs::create_dir_all(&self.folder).and_then(|()| std::fs::write(&hosts, addresses));
        written.map_err(|error| format!("{}: {error}", hosts.display()))?;
        let set = [self.set.clone(), vec![format!("engine.workers={workers}")]].concat();
        let member = |process: usize| {
            let options = ["--process".to_owned(), process.to_string(), "--hosts".to_owned()];
            let options = [&options[..], &[hosts.display().to_string()]].concat();
            Process::start(&self.binary, &options, &set)
        };
        Ok([member(0)?, member(1)?])
    }

    /// Every topic of the tenants, or those beside them.
    pub(crate) fn topics(&self, suffix: &str) -> Vec<String> {
        let names = self.tenants.iter().flat_map(|tenant| FAMILIES.map(|family| topic(family, tenant)));
        names.map(|name| format!("{name}{suffix}")).collect()
    }

    /// The topic of the shard's decisions.
    pub(crate) fn control(&self) -> String {
        format!("kgroot-control-{}", self.shard)
    }
}

/// An address on which nobody listens yet.
pub(super) fn free_address() -> Result<String, String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.map(|address| address.to_string()).map_err(|error| format!("no free port: {error}"))
}
