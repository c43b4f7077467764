//! One store is away for so many seconds while a stream goes on: the others lag no more than before, memory is bounded, and
//! the store has everything once it is back. `--n` is the seconds.
//!
//! With an even seed its connections end at once, with an odd one nothing is heard of it. Lag is the time
//! between the seal of the epoch that the views have and that of a store's, sampled; before the store is away it is sampled
//! for at most two minutes. In the end everything is
//! compared as in [`super::sinks`]. Time decides about lag and memory, so these are judged by hand only.

use std::time::Duration;

use schemas::time::Epoch;
use serde_json::{Value, json};

use super::noisy_tenant::rounded;
use super::proxy::Gate;
use super::real::run::{Outcome, Run};
use super::real::{PATIENCE, Verdict, report};
use super::sinks::stores::Stores;
use super::{Cases, Report};

mod watch;

use watch::{Phase, Watch};

/// Who is away.
const AWAY: &str = "neo4j";
/// Who is not.
const OTHERS: [&str; 4] = ["alerts", "opensearch", "parquet", "search"];
/// How long the lag is sampled before and after.
const CALM_MAX: Duration = Duration::from_secs(120);
const AFTER_MAX: Duration = Duration::from_secs(20);
/// By this epoch every tenant has sent something.
const KNOWN: Epoch = 50;
/// A process that has just begun is given so long.
const WARM_UP: Duration = Duration::from_secs(5);
/// What is promised: how much more the others may lag, and how much more memory may be taken.
const RATIO_MAX: f64 = 1.10;
const MEMORY_MIB_MAX: u64 = 256;

/// Runs the check, and judges lag and memory.
pub fn prove(cases: Cases) -> Report {
    let judged = |cases, figures: &mut Figures, outcome: &mut _, verdict: &mut _| {
        run(cases, figures, outcome, verdict)?;
        figures.judge()
    };
    report("dead-store", cases, judged, Figures::list)
}

/// Runs the check, and judges what does not depend on time: what the stores have in the end.
pub fn exact(cases: Cases) -> Report {
    report("dead-store", cases, run, Figures::list)
}

/// What was counted.
#[derive(Default)]
struct Figures {
    silent: bool,
    before: Phase,
    during: Phase,
    after: Phase,
    /// Until the store had what was sealed when it came back.
    back: Duration,
    rows: Vec<(&'static str, u64)>,
}

impl Figures {
    fn ratio(&self, store: &str) -> f64 {
        self.during.mean_lag(store) / self.before.mean_lag(store)
    }

    fn judge(&self) -> Result<(), String> {
        for store in OTHERS {
            let ratio = self.ratio(store);
            if ratio.is_nan() || RATIO_MAX < ratio {
                return Err(format!("{store} lags {ratio:.3} times what it lagged before"));
            }
        }
        let (before, during) = (self.before.memory_mib(), self.during.memory_mib());
        if before + MEMORY_MIB_MAX < during {
            return Err(format!("the program took {before} MiB, and {during} MiB while the store was away"));
        }
        Ok(())
    }

    fn list(&self) -> Vec<(&'static str, Value)> {
        let lag = |store: &&'static str| {
            let (before, during) = (self.before.lag(store), self.during.lag(store));
            let ratio = rounded(self.ratio(store));
            ((*store).to_owned(), json!({ "before": before, "during": during, "ratio": ratio }))
        };
        let lags: serde_json::Map<String, Value> = OTHERS.iter().map(lag).collect();
        let rows: serde_json::Map<String, Value> =
            self.rows.iter().map(|(store, rows)| ((*store).to_owned(), json!(rows))).collect();
        let phases = [("before", &self.before), ("during", &self.during), ("after", &self.after)];
        let memory: serde_json::Map<String, Value> =
            phases.iter().map(|(name, phase)| ((*name).to_owned(), json!(phase.memory_mib()))).collect();
        vec![
            ("away", json!(AWAY)),
            ("silent", json!(self.silent)),
            ("lag_ms", json!(lags)),
            ("away_lag_ms_max", json!(self.during.lag_max(AWAY))),
            ("memory_mib_max", json!(memory)),
            ("backlog_bytes_max", json!(self.during.backlog_bytes())),
            ("back_ms", json!(u64::try_from(self.back.as_millis()).unwrap_or(u64::MAX))),
            ("live_rows", json!(rows)),
        ]
    }
}

fn run(
    cases: Cases,
    figures: &mut Figures,
    outcome: &mut Outcome,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let mut run = Run::begin("dead-store", cases.seed)?;
    let stores = Stores::of(&run)?;
    let mut process = run.place.start(&stores.set)?;
    process.until_ready(PATIENCE)?;
    stores.reach(&mut process, KNOWN)?;
    let away = Duration::from_secs(cases.n);
    let watch = Watch::of(&process, &run.place.tenants[0])?;
    watch.phase(&run, &mut process, away.min(WARM_UP))?;
    figures.before = watch.phase(&run, &mut process, away.min(CALM_MAX))?;
    figures.silent = !cases.seed.is_multiple_of(2);
    stores.to_neo4j.set(if figures.silent { Gate::Silent } else { Gate::Closed });
    let during = watch.phase(&run, &mut process, away);
    stores.to_neo4j.set(Gate::Open);
    figures.during = during?;
    let sealed = run.seals()?.last().map_or(0, |seal| seal.epoch);
    figures.back = stores.reach(&mut process, sealed)?;
    figures.after = watch.phase(&run, &mut process, away.min(AFTER_MAX))?;
    let sealed = run.end(&mut process, outcome, verdict)?;
    let epoch = run.shown(&mut process, sealed)?;
    stores.reach(&mut process, epoch)?;
    run.stop(process)?;
    figures.rows = stores.judge(&run, outcome, verdict)?;
    Ok(())
}
