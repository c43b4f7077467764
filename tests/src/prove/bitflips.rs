//! A snapshot with any one bit flipped is refused, never half loaded; recovery then falls back to the one before it.

use std::path::PathBuf;

use dataflow::snapshot::folder::SnapshotFolder;
use schemas::time::Epoch;
use serde_json::json;

use super::sealed::snapshots;
use super::simulate::{Producer, settings};
use super::world::disk::SimulatedDisk;
use super::world::process::{FOLDER, Process};
use super::world::{Plan, Shared};
use super::{Cases, Report};
use bench::scenario::random::Random;

/// Runs the check on `n` bits of a snapshot's files, or on all there are.
pub fn prove(cases: Cases) -> Report {
    match run(cases) {
        Ok((bits, bytes, files, failures)) => Report {
            check: "bitflips",
            n: bits,
            failures,
            figures: vec![("bytes", json!(bytes)), ("files", json!(files))],
        },
        Err(failure) => Report { check: "bitflips", n: 0, failures: vec![failure], figures: Vec::new() },
    }
}

type Tried = (u64, u64, usize, Vec<String>);

fn run(cases: Cases) -> Result<Tried, String> {
    let world = Shared::new(cases.seed, Producer::new(cases.seed).start());
    let mut producer = Producer::new(cases.seed);
    let mut settings = settings(&mut Random::new(cases.seed));
    settings.snapshot_every_ms = 60_000;
    world.lock().plan(Plan::None);
    let mut process = Process::start(&world, &settings).map_err(|error| error.to_string())?;
    for _ in 0..80 {
        world.lock().pass(9_000);
        producer.append(&world);
        let done = process.shard.round().and_then(|()| process.shard.settle());
        done.map_err(|error| error.to_string())?;
    }
    drop(process);
    let control = world.lock().control.clone();
    let Some((epoch, manifest)) = snapshots(&control)?.pop() else { return Err("no snapshot".to_owned()) };
    let life = world.lock().begin_life();
    let disk = || Box::new(SimulatedDisk { world: world.clone(), life });
    let mut folder = SnapshotFolder::new(FOLDER.as_ref(), disk());
    folder.verify(epoch, manifest).map_err(|error| format!("before any bit was flipped: {error}"))?;
    let (mut lengths, mut failures) = (Vec::new(), Vec::new());
    for path in files(epoch) {
        let length = world.lock().files.length(&path).map_err(|error| error.to_string())?;
        lengths.push((path, length as u64));
    }
    let bytes = lengths.iter().map(|(_, length)| length).sum::<u64>();
    let (mut tried, n) = (0, cases.n.min(bytes * 8));
    while tried < n && !cases.over(&failures) {
        // Evenly over all files, however few are tried.
        let (path, bit) = place(&lengths, tried * (bytes * 8) / n);
        let flip = || world.lock().files.flip(path, bit).map_err(|error| error.to_string());
        flip()?;
        if folder.verify(epoch, manifest).is_ok() {
            failures.push(format!("{} bit {bit}: not noticed", path.display()));
        }
        flip()?;
        tried += 1;
    }
    Ok((tried, bytes, lengths.len(), failures))
}

/// The file that a bit of all files is in, and which bit of that it is.
fn place(lengths: &[(PathBuf, u64)], mut bit: u64) -> (&PathBuf, usize) {
    for (path, length) in lengths {
        if bit < length * 8 {
            return (path, bit as usize);
        }
        bit -= length * 8;
    }
    unreachable!("a bit of the files is in one of them")
}

fn files(epoch: Epoch) -> Vec<PathBuf> {
    let folder = PathBuf::from(FOLDER).join(format!("{epoch:020}"));
    let shards = (0..16).map(|number| folder.join(format!("shard-{number:02}")));
    [folder.join("manifest")].into_iter().chain(shards).collect()
}
