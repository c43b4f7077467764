//! `guard [--record FILE | --chain-length LINKS]`: the engine's throughput per core in thousandths of plain differential's and of
//! the bare program's.
//!
//! Prints one JSON document. With `--record` it adds a line `commit,to_plain_milli,to_bare_milli` to a file; that of the
//! repository is `bench/peers/ratios.csv`. With `--chain-length` the workload is services that fail one after the other along
//! so many calls, as in the curve of that name, and not a whole cluster.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

use anyhow::{Context, Result, bail};
use bench::curves::feed;
use bench::peers::guard::{cluster, ratios};

/// As in `kgroot`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Services of the cluster, and turns.
const SIZE: (u32, usize) = (100, 5);
const USAGE: &str = "usage: guard [--record FILE | --chain-length LINKS]";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (services, turns) = SIZE;
    let (record, events, turns) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => (None, cluster(services), turns),
        ["--record", file] => (Some((*file).to_owned()), cluster(services), turns),
        ["--chain-length", links] => {
            let rows = feed("chain-length", links.parse().context(USAGE)?).context(USAGE)?;
            // Plain differential takes minutes.
            (None, rows.events.into_iter().map(|(_, event)| event).collect(), 1)
        }
        _ => bail!(USAGE),
    };
    let found = ratios(&events, turns)?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&found)?)?;
    let Some(file) = record else { return Ok(()) };
    let commit = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().context("run git")?;
    let commit = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
    let mut lines =
        OpenOptions::new().append(true).create(true).open(&file).with_context(|| format!("open {file}"))?;
    writeln!(lines, "{commit},{},{}", found.to_plain_milli, found.to_bare_milli)?;
    Ok(())
}
