//! Every kind of operation that the shard does, at its first, second and a random later occurrence, with every fault: the
//! same views come out.

use bench::scenario::random::Random;
use dataflow::shard::ShardError;
use serde_json::json;

use super::simulate::{Producer, finish, settings};
use super::world::process::{Process, Settings};
use super::world::{Fault, Plan, Shared};
use super::{Cases, Report, guarded};

const FAULTS: [Fault; 5] =
    [Fault::KillBefore, Fault::KillAfter, Fault::Error, Fault::Ambiguous, Fault::Delay];
/// Rounds of one run.
const ROUNDS: u64 = 60;
/// Starts that one run may need.
const STARTS_MAX: u64 = 20;

/// Runs the check on one seed for each of `n`.
pub fn prove(cases: Cases) -> Report {
    let (mut failures, mut points, mut happened) = (Vec::new(), 0, 0);
    for seed in cases.seeds() {
        let kinds = match guarded(|| run(seed, Plan::None)) {
            Ok((world, _)) => world.lock().operations.clone(),
            Err(failure) => {
                failures.push(format!("seed {seed}, without a fault: {failure}"));
                continue;
            }
        };
        for (kind, count) in kinds {
            let later = 3 + Random::new(seed ^ count).below(count.saturating_sub(3).max(1));
            for (hit, fault) in [1, 2, later].into_iter().flat_map(|hit| FAULTS.map(|fault| (hit, fault))) {
                if cases.over(&failures) {
                    break;
                }
                points += 1;
                match guarded(|| run(seed, Plan::AtKind(kind, hit, fault))) {
                    Ok((world, _)) => happened += world.lock().faults.values().sum::<u64>(),
                    Err(failure) => failures.push(format!("seed {seed}, {kind} #{hit} {fault:?}: {failure}")),
                }
            }
        }
    }
    let figures = vec![("points", json!(points)), ("faults_happened", json!(happened))];
    Report { check: "failpoints", n: cases.n, failures, figures }
}

/// A run with one fault; processes are started again until the rounds are over.
fn run(seed: u64, plan: Plan) -> Result<(Shared, Settings), String> {
    let mut producer = Producer::new(seed);
    let world = Shared::new(seed, producer.start());
    let mut settings = settings(&mut Random::new(seed));
    settings.snapshot_every_ms = 60_000;
    world.lock().plan(plan);
    let mut rounds = 0;
    for _ in 0..STARTS_MAX {
        if ROUNDS <= rounds {
            break;
        }
        let mut process = match Process::start(&world, &settings) {
            Ok(process) => process,
            Err(error) => {
                allowed(&world, &error)?;
                continue;
            }
        };
        while rounds < ROUNDS {
            rounds += 1;
            world.lock().pass(12_000);
            producer.append(&world);
            let done = process.shard.round().and_then(|()| process.shard.catch_up());
            let done = if rounds % 3 == 0 { done.and_then(|()| process.shard.settle()) } else { done };
            if let Err(error) = done {
                allowed(&world, &error)?;
                break;
            }
        }
        world.lock().end_life(process.life, false);
    }
    finish(&world, &settings, &mut producer, &mut Default::default())?;
    Ok((world, settings))
}

/// A process may end only because of the fault.
fn allowed(world: &Shared, error: &ShardError) -> Result<(), String> {
    let by_fault = !world.lock().faults.is_empty();
    let named =
        matches!(error, ShardError::TakenOver { .. } | ShardError::Diverged { .. } | ShardError::Ledger(_));
    if by_fault && !named { Ok(()) } else { Err(error.to_string()) }
}
