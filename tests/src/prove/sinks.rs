//! Stores against the batch twin: the real binary on real Kafka follows a stream into real stores while it is killed, and
//! while the stores are killed, restarted and frozen, lose their answers, refuse single items, end transactions and run out
//! of disk. In the end every live row of every store is what the twin has as of the epoch that the store says it has;
//! nothing is missing, there twice, stale, or of another tenant.
//!
//! Servers are named by what `tests/servers/servers.sh start` prints.

use std::time::Duration;

use serde_json::{Value, json};

use super::real::run::{Outcome, Run};
use super::real::{PATIENCE, Verdict, milliseconds, report};
use super::{Cases, Report};

mod alerts;
mod deadlock;
mod history;
mod index;
mod neo4j;
mod opensearch;
mod parquet;
mod rounds;
pub(crate) mod stores;

pub use parquet::{comparable, live_rows};
use rounds::Rounds;
use stores::Stores;

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    report("sinks", cases, run, Figures::list)
}

/// What was counted.
#[derive(Default)]
struct Figures {
    kills: u64,
    servers_killed: u64,
    servers_restarted: u64,
    servers_frozen: u64,
    /// Of Neo4j, of OpenSearch.
    answers_lost: [u64; 2],
    items_refused: u64,
    deadlocks: u64,
    disk_full: u64,
    rows: Vec<(&'static str, u64)>,
    recoveries: Vec<Duration>,
    /// From the end of what happened until every store had what was sealed by then.
    resumed: Vec<Duration>,
    caught_up: Duration,
}

impl Figures {
    fn list(&self) -> Vec<(&'static str, Value)> {
        let rows: serde_json::Map<String, Value> =
            self.rows.iter().map(|(store, rows)| ((*store).to_owned(), json!(rows))).collect();
        vec![
            ("kills", json!(self.kills)),
            ("servers_killed", json!(self.servers_killed)),
            ("servers_restarted", json!(self.servers_restarted)),
            ("servers_frozen", json!(self.servers_frozen)),
            ("answers_lost", json!({ "neo4j": self.answers_lost[0], "opensearch": self.answers_lost[1] })),
            ("items_refused", json!(self.items_refused)),
            ("deadlocks", json!(self.deadlocks)),
            ("disk_full", json!(self.disk_full)),
            ("live_rows", json!(rows)),
            ("recovery_ms", milliseconds(&self.recoveries)),
            ("resumed_ms", milliseconds(&self.resumed)),
            ("caught_up_ms", json!(u64::try_from(self.caught_up.as_millis()).unwrap_or(u64::MAX))),
        ]
    }

    /// Everything that is to happen has happened.
    fn complete(&self, with_disk: bool) -> Result<(), String> {
        let counts = [
            ("servers killed", self.servers_killed),
            ("servers restarted", self.servers_restarted),
            ("servers frozen", self.servers_frozen),
            ("answers of Neo4j lost", self.answers_lost[0]),
            ("answers of OpenSearch lost", self.answers_lost[1]),
            ("items refused", self.items_refused),
            ("deadlocks", self.deadlocks),
            ("disk full", self.disk_full + u64::from(!with_disk)),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(format!("{name}: none happened, though they were due")),
            None => Ok(()),
        }
    }
}

fn run(
    cases: Cases,
    figures: &mut Figures,
    outcome: &mut Outcome,
    verdict: &mut Verdict,
) -> Result<(), String> {
    // Its folder goes last, when no disk is mounted in it any more.
    let mut run = Run::begin("sinks", cases.seed)?;
    let mut stores = Stores::of(&run)?;
    stores.mount(&run);
    Rounds::new(&mut run, &stores, figures).all(cases.n)?;
    let mut last = run.place.start(&stores.set)?;
    figures.recoveries.push(last.until_ready(PATIENCE)?);
    let sealed = run.end(&mut last, outcome, verdict)?;
    let epoch = run.shown(&mut last, sealed)?;
    figures.caught_up = stores.reach(&mut last, epoch)?;
    run.stop(last)?;
    figures.rows = stores.judge(&run, outcome, verdict)?;
    Ok(())
}
