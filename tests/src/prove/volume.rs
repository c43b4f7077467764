//! Many events on real servers, undisturbed: `--n` records, sent as fast as the brokers acknowledge them, are followed into
//! every store, with product state in PostgreSQL and Redis. In the end every live row of every store is compared as in
//! [`super::sinks`].

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::real::run::{Outcome, Run};
use super::real::{PATIENCE, Verdict, report, variable};
use super::sinks::stores::Stores;
use super::{Cases, Report};

/// Between two looks at how much was sent.
const LOOK: Duration = Duration::from_millis(200);

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    report("volume", cases, run, Figures::list)
}

/// What was counted.
#[derive(Default)]
struct Figures {
    sent: Duration,
    caught_up: Duration,
    rows: Vec<(&'static str, u64)>,
}

impl Figures {
    fn list(&self) -> Vec<(&'static str, Value)> {
        let rows: serde_json::Map<String, Value> =
            self.rows.iter().map(|(store, rows)| ((*store).to_owned(), json!(rows))).collect();
        let ms = |time: Duration| json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        vec![("sent_ms", ms(self.sent)), ("caught_up_ms", ms(self.caught_up)), ("live_rows", json!(rows))]
    }
}

fn run(
    cases: Cases,
    figures: &mut Figures,
    outcome: &mut Outcome,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let mut run = Run::begin_fast("volume", cases.seed)?;
    let mut stores = Stores::of(&run)?;
    stores.set.push(format!("state.redis={}", variable("KGROOT_TEST_REDIS")?));
    let mut process = run.place.start(&stores.set)?;
    process.until_ready(PATIENCE)?;
    let begun = Instant::now();
    while run.acknowledged() < cases.n && !run.has_ended() {
        if process.ends_within(LOOK) {
            return Err(process.epitaph("ended by itself"));
        }
    }
    figures.sent = begun.elapsed();
    let sealed = run.end(&mut process, outcome, verdict)?;
    let epoch = run.shown(&mut process, sealed)?;
    figures.caught_up = stores.reach(&mut process, epoch)?;
    run.stop(process)?;
    figures.rows = stores.judge(&run, outcome, verdict)?;
    Ok(())
}
