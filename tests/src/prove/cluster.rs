//! Two real processes that compute together on real Kafka, one of them killed at random moments: they share their fate, and
//! nothing is lost, repeated or made up.
//!
//! A producer appends without a pause. Either process is killed (SIGKILL) while both start or while they run; the other one
//! must end by itself, in time, with a code that is not zero and one line that says why. Both are started again, with one or
//! two workers each. In the end all views of both are compared with each other, with the twin's, and, after a restart from
//! the same state, with those of one process.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::real::process::Process;
use super::real::run::{Outcome, Run};
use super::real::{PATIENCE, Verdict, milliseconds, report};
use super::{Cases, Report};

/// A process whose other one was killed has ended by then, even if it still waited for it to come.
const FATE: Duration = Duration::from_secs(60);
/// A process that follows ends with the one that is asked to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(25);

/// Runs the check.
pub fn prove(cases: Cases) -> Report {
    report("cluster", cases, run, Figures::list)
}

/// What was counted.
#[derive(Default)]
struct Figures {
    /// Of the process that seals, and of the one that follows.
    kills: [u64; 2],
    killed_before_ready: u64,
    /// Rounds with one worker each, and with two.
    workers: [u64; 2],
    recoveries: Vec<Duration>,
    /// How long the other one lived on, by what it said in the end.
    of_loss: Vec<Duration>,
    of_waiting: Vec<Duration>,
}

impl Figures {
    fn list(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("kills", json!(self.kills.iter().sum::<u64>())),
            ("killed", json!({"leads": self.kills[0], "follows": self.kills[1]})),
            ("killed_before_ready", json!(self.killed_before_ready)),
            ("rounds_by_workers", json!({"1": self.workers[0], "2": self.workers[1]})),
            ("recoveries", json!(self.recoveries.len())),
            ("recovery_ms", milliseconds(&self.recoveries)),
            ("others_ended", json!(self.of_loss.len())),
            ("others_ended_ms", milliseconds(&self.of_loss)),
            ("others_gave_up_waiting", json!(self.of_waiting.len())),
            ("others_gave_up_waiting_ms", milliseconds(&self.of_waiting)),
        ]
    }
}

/// Two processes, with a number of workers each that chance decides.
fn both(run: &mut Run, figures: &mut Figures) -> Result<[Process; 2], String> {
    let more = run.random.below(2);
    figures.workers[usize::from(more == 1)] += 1;
    run.place.start_cluster(if more == 1 { 2 } else { 1 })
}

/// Both live until one is killed: while they start, or later. The other one ends by itself.
fn killed(run: &mut Run, figures: &mut Figures) -> Result<(), String> {
    let moment = match run.random.below(3) {
        0 => run.ms(1, 500),
        _ => run.ms(500, 5_000),
    };
    let of_leader = run.random.below(2) == 0;
    let [leader, follower] = both(run, figures)?;
    let (mut victim, mut other) = if of_leader { (leader, follower) } else { (follower, leader) };
    let ready = victim.live_until(moment)?;
    if other.ends_within(Duration::ZERO) {
        return Err(other.live_until(Duration::MAX).err().unwrap_or_default());
    }
    victim.kill()?;
    let begun = Instant::now();
    figures.kills[usize::from(!of_leader)] += 1;
    match ready {
        Some(ready) => figures.recoveries.push(ready),
        None => figures.killed_before_ready += 1,
    }
    let (code, said) = other.exit(FATE)?;
    let took = begun.elapsed();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    match (code, lines.as_slice()) {
        (Some(1..), [line]) if line.contains("did not come") => figures.of_waiting.push(took),
        (Some(1..), [_]) => figures.of_loss.push(took),
        _ => return Err(format!("when the other process was killed, it ended with {code:?}:\n{said}")),
    }
    Ok(())
}

fn run(
    cases: Cases,
    figures: &mut Figures,
    outcome: &mut Outcome,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let mut run = Run::begin("cluster", cases.seed)?;
    for _ in 0..cases.n {
        killed(&mut run, figures)?;
    }
    let [mut leader, mut follower] = both(&mut run, figures)?;
    figures.recoveries.push(leader.until_ready(PATIENCE)?);
    figures.recoveries.push(follower.until_ready(PATIENCE)?);
    let sealed = run.end(&mut leader, outcome, verdict)?;
    let epoch = run.shown(&mut leader, sealed)?;
    run.shown(&mut follower, epoch)?;
    let (rows, of_follower) = (run.rows(&leader, epoch)?, run.rows(&follower, epoch)?);
    verdict.same("the two processes", &rows, &of_follower);
    run.compare(&mut leader, (epoch, &rows), outcome, verdict)?;
    run.stop(leader)?;
    let (code, said) = follower.exit(STOP_PATIENCE)?;
    if code != Some(0) {
        return Err(format!("when the other was asked to stop, it ended with {code:?}:\n{said}"));
    }
    let mut alone = run.place.start(&[])?;
    figures.recoveries.push(alone.until_ready(PATIENCE)?);
    let epoch = run.shown(&mut alone, epoch)?;
    let rows = run.rows(&alone, epoch)?;
    let expected = run.compare(&mut alone, (epoch, &rows), outcome, verdict)?;
    run.stop(alone)?;
    run.letters(&expected, outcome, verdict)
}
