//! One tenant sends fifty times its quota; the others do not notice.
//!
//! Ten tenants, the real binary on real Kafka with a quota. Each phase has a process, a shard and topics of its own, so that
//! no phase meets what another left behind: quiet, every tenant sends well below the quota; noisy, one of them floods. Quiet
//! and noisy phases take turns as to which comes first, for a machine that others use as well. Freshness is the time from
//! when a record was handed to the producer until a subscription to `events` shows it. Afterwards what the flooder has
//! waiting is read without a quota: nothing of it is lost either.
//!
//! By hand only: time decides here.

use std::time::Duration;

use schemas::topic::FAMILIES;
use serde_json::{Value, json};

use super::real::Means;
use super::{Cases, Report};

mod feed;
mod phase;
mod watch;

use phase::Phase;

/// Whose records a phase is about; the last one floods.
const TENANTS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "flood"];
/// All send to topics of this family.
const FAMILY: &str = FAMILIES[0];
/// Records a second that a tenant may have.
const QUOTA: u64 = 20;
/// What each sends when it is quiet, and what the flooder sends.
const QUIET_PER_S: u64 = 8;
const FLOOD_PER_S: u64 = 50 * QUOTA;
/// How long a phase sends.
const PHASE: Duration = Duration::from_secs(20);
/// What is promised: how much longer others may wait, and how far above its quota the flooder may come.
const RATIO_MAX: f64 = 1.10;
const TAKEN_MAX: f64 = 1.10 * QUOTA as f64;

/// Runs the check: so many rounds of a quiet and a noisy phase.
pub fn prove(cases: Cases) -> Report {
    let (mut quiet, mut noisy) = (Vec::new(), Vec::new());
    let ran = rounds(cases, &mut quiet, &mut noisy);
    let mut failures: Vec<String> = ran.err().into_iter().collect();
    let (calm, loud) = (waits(&quiet), waits(&noisy));
    let ratio = |percent| at(&loud, percent) / at(&calm, percent);
    for phase in quiet.iter().chain(&noisy) {
        failures.extend(phase.failures.iter().cloned());
    }
    if RATIO_MAX < ratio(99) {
        failures.push(format!("the others' p99 is {:.3} of the quiet one", ratio(99)));
    }
    let taken = noisy.iter().map(|phase| phase.flooder_per_s).fold(0.0, f64::max);
    if TAKEN_MAX < taken {
        failures.push(format!("{taken:.1} records a second were taken of a tenant with a quota of {QUOTA}"));
    }
    let by_round: Vec<Value> = quiet
        .iter()
        .zip(&noisy)
        .map(|(quiet, noisy)| json!([summary(&sorted(&quiet.waits_ms)), summary(&sorted(&noisy.waits_ms))]))
        .collect();
    let sum = |of: fn(&Phase) -> u64| -> u64 { quiet.iter().chain(&noisy).map(of).sum() };
    let (sent, shown) = (sum(|phase| phase.others_sent), sum(|phase| phase.others_shown));
    let figures = vec![
        ("tenants", json!(TENANTS.len())),
        ("quota_per_s", json!(QUOTA)),
        ("quiet_ms", summary(&calm)),
        ("noisy_ms", summary(&loud)),
        ("ratio", json!({"p50": rounded(ratio(50)), "p99": rounded(ratio(99))})),
        ("rounds_ms", json!(by_round)),
        ("others_sent", json!(sent)),
        ("others_shown", json!(shown)),
        ("jain", json!(rounded(noisy.iter().map(|phase| phase.jain).fold(1.0, f64::min)))),
        ("flooder_sent_per_s", json!(rounded(mean(&noisy, |phase| phase.flooder_sent_per_s)))),
        ("flooder_taken_per_s", json!(rounded(taken))),
        ("flooder_sent", json!(sum(|phase| phase.flooder_sent))),
        ("flooder_backlog", json!(sum(|phase| phase.flooder_backlog))),
        ("flooder_lost_when_drained", json!(sum(|phase| phase.flooder_lost))),
    ];
    Report { check: "noisy-tenant", n: cases.n, failures, figures }
}

fn rounds(cases: Cases, quiet: &mut Vec<Phase>, noisy: &mut Vec<Phase>) -> Result<(), String> {
    let means = Means::find()?;
    for seed in cases.seeds() {
        if seed.is_multiple_of(2) {
            quiet.push(phase::run(&means, false)?);
            noisy.push(phase::run(&means, true)?);
        } else {
            noisy.push(phase::run(&means, true)?);
            quiet.push(phase::run(&means, false)?);
        }
    }
    Ok(())
}

pub(super) fn sorted(waits_ms: &[f64]) -> Vec<f64> {
    let mut sorted = waits_ms.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn waits(phases: &[Phase]) -> Vec<f64> {
    let all: Vec<f64> = phases.iter().flat_map(|phase| &phase.waits_ms).copied().collect();
    sorted(&all)
}

/// The value below which so many percent lie; not a number when there is none.
fn at(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last * percent).div_ceil(100)).copied().unwrap_or(f64::NAN)
}

fn mean(phases: &[Phase], of: fn(&Phase) -> f64) -> f64 {
    phases.iter().map(of).sum::<f64>() / phases.len() as f64
}

pub(super) fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

pub(super) fn summary(sorted: &[f64]) -> Value {
    let at = |percent| rounded(at(sorted, percent));
    json!({"n": sorted.len(), "p50": at(50), "p90": at(90), "p99": at(99), "max": at(100)})
}
