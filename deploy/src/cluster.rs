//! Several processes that compute together: who they are, and that they share their fate.

use std::path::Path;
use std::sync::Once;

use anyhow::Result;
use dataflow::config::Cluster;

use crate::cli::RunOptions;
use crate::exit::{Cause, Failure};

/// How timely's words begin when a connection to another process ends; it promises to keep them.
const CONNECTION: &str = "timely communication error:";

/// The cluster that the options name, if any.
pub fn of(options: &RunOptions) -> Result<Option<Cluster>> {
    match (options.process, &options.hosts) {
        (Some(process), Some(hosts)) => read(process, hosts).map(Some),
        _ => Ok(None),
    }
}

fn read(process: usize, hosts: &Path) -> Result<Cluster> {
    let bad = |line: String| Failure::of(Cause::Config, format!("{}: {line}", hosts.display()));
    let text = std::fs::read_to_string(hosts).map_err(|error| bad(format!("{error}; check --hosts")))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let addresses: Vec<String> = lines.map(str::to_owned).collect();
    for address in &addresses {
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() {
            return Err(bad(format!("{address:?} is not host:port; write one address per line")));
        }
    }
    if addresses.len() <= process {
        let count = addresses.len();
        return Err(bad(format!("{count} addresses, but --process is {process}; count from 0")));
    }
    Ok(Cluster { process, addresses })
}

/// A thread of the engine that panics ends the process: without it nothing completes any more. In a cluster the others
/// notice and end as well, each with one line; a supervisor starts all of them again, and they recover.
pub fn share_fate() {
    let report = std::panic::take_hook();
    // Threads that fail because of the first one have nothing to add: they wait here for the end.
    let first = Once::new();
    std::panic::set_hook(Box::new(move |panic| {
        let of_engine = |name: &str| name.starts_with("timely") || name.starts_with("kgroot");
        if !std::thread::current().name().is_some_and(of_engine) {
            return report(panic);
        }
        first.call_once(|| {
            if panic.payload_as_str().is_some_and(|text| text.starts_with(CONNECTION)) {
                eprintln!(
                    "error: another process of the cluster has ended; start all of them again to recover"
                );
            } else {
                report(panic);
                eprintln!("error: a thread of the engine failed; start again to recover");
            }
            std::process::exit(70);
        });
    }));
}
