//! The source: a shard on a thread of its own, from recovery until it is asked to stop or has to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::priority::let_readers_first;
use crate::shard::{Inside, Outside, Shard, ShardError, ShardPolicy};

/// A running source.
pub struct Source {
    stop: Arc<AtomicBool>,
    reading: JoinHandle<Result<(), ShardError>>,
}

impl Source {
    /// Recovers a shard and goes on reading. `recovered` is called when the views are where they were; `ended` when the
    /// thread ends, whether it was asked to or not.
    pub fn start(
        outside: Outside,
        inside: Inside,
        policy: ShardPolicy,
        recovered: impl FnOnce() + Send + 'static,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Source, ShardError> {
        let stop = Arc::clone(&outside.stop);
        let run = move || {
            let_readers_first();
            let outcome = read(outside, inside, policy, recovered);
            ended();
            outcome
        };
        let reading = std::thread::Builder::new().name("kgroot-source".to_owned()).spawn(run);
        Ok(Source { stop, reading: reading.map_err(ShardError::Start)? })
    }

    /// Asks it to stop, and waits: everything sealed is then complete and every letter written.
    pub fn stop(self) -> Result<(), ShardError> {
        self.stop.store(true, Ordering::Relaxed);
        match self.reading.join() {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn read(
    outside: Outside,
    inside: Inside,
    policy: ShardPolicy,
    recovered: impl FnOnce(),
) -> Result<(), ShardError> {
    let stop = Arc::clone(&outside.stop);
    let mut shard = match Shard::recover(outside, inside, policy) {
        Ok(shard) => shard,
        Err(ShardError::Stopped) => return Ok(()),
        Err(error) => return Err(error),
    };
    shard.settle()?;
    recovered();
    while !stop.load(Ordering::Relaxed) {
        match shard.round() {
            Ok(()) => {}
            Err(ShardError::Stopped) => break,
            Err(error) => return Err(error),
        }
    }
    shard.close()
}
