//! The real binary on real Kafka, killed at random moments: nothing is lost, nothing comes twice, nothing is made up.
//!
//! A producer appends without a pause. The process is killed (SIGKILL) while it recovers or while it runs, or frozen until
//! another one has taken over, which it must then say. In the end one process runs undisturbed, and every view, as of one
//! epoch, is compared with the twin's, computed from the records and the control topic as consumers of our own read them;
//! every refused record has one letter.

use std::time::Duration;

use serde_json::{Value, json};

use super::real::run::{Outcome, Run};
use super::real::{EXIT_STATE, PATIENCE, Verdict, milliseconds, report};
use super::{Cases, Report};

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    report("kills", cases, run, Figures::list)
}

/// What was counted.
#[derive(Default)]
struct Figures {
    kills: u64,
    killed_before_ready: u64,
    taken_over: u64,
    frozen: u64,
    recoveries: Vec<Duration>,
    stop: Duration,
}

impl Figures {
    fn list(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("kills", json!(self.kills)),
            ("killed_before_ready", json!(self.killed_before_ready)),
            ("taken_over", json!(self.taken_over)),
            ("frozen", json!(self.frozen)),
            ("recoveries", json!(self.recoveries.len())),
            ("recovery_ms", milliseconds(&self.recoveries)),
            ("stop_ms", json!(u64::try_from(self.stop.as_millis()).unwrap_or(u64::MAX))),
        ]
    }
}

/// Lives until it is killed: while it starts, or later.
fn killed(run: &mut Run, figures: &mut Figures) -> Result<(), String> {
    let moment = match run.random.below(3) {
        0 => run.ms(1, 500),
        _ => run.ms(500, 5_000),
    };
    let mut process = run.place.start(&[])?;
    let ready = process.live_until(moment)?;
    process.kill()?;
    figures.kills += 1;
    match ready {
        Some(ready) => figures.recoveries.push(ready),
        None => figures.killed_before_ready += 1,
    }
    Ok(())
}

/// Another one takes over while it runs, or while it is frozen; running, it must notice and end. The other one is killed.
fn taken_over(run: &mut Run, figures: &mut Figures) -> Result<(), String> {
    let freezes = run.random.below(2) == 0;
    let mut before = run.place.start(&[])?;
    figures.recoveries.push(before.until_ready(PATIENCE)?);
    let moment = before.age() + run.ms(0, 2_500);
    before.live_until(moment)?;
    if freezes {
        before.signal("STOP")?;
        figures.frozen += 1;
    }
    let mut owner = run.place.start(&[])?;
    figures.recoveries.push(owner.until_ready(PATIENCE)?);
    let moment = owner.age() + run.ms(0, 2_500);
    owner.live_until(moment)?;
    if freezes {
        before.signal("CONT")?;
    }
    let (code, said) = before.exit(PATIENCE)?;
    if code != Some(EXIT_STATE) || !said.contains("taken_over") {
        return Err(format!("a process that was taken over ended with {code:?}:\n{said}"));
    }
    figures.taken_over += 1;
    let moment = owner.age() + run.ms(0, 1_000);
    owner.live_until(moment)?;
    owner.kill()?;
    figures.kills += 1;
    Ok(())
}

fn run(
    cases: Cases,
    figures: &mut Figures,
    outcome: &mut Outcome,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let mut run = Run::begin("kills", cases.seed)?;
    while figures.kills < cases.n {
        match run.random.below(4) {
            0 => taken_over(&mut run, figures)?,
            _ => killed(&mut run, figures)?,
        }
    }
    let mut last = run.place.start(&[])?;
    figures.recoveries.push(last.until_ready(PATIENCE)?);
    figures.stop = run.conclude(last, outcome, verdict)?;
    Ok(())
}
