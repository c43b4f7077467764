//! What keeps a model that is down from costing time: the breaker that tools have, one for each model, whoever asks.
//!
//! After three failures in a row nobody asks for a while; then one question finds out. A model that has just failed is
//! waited for two seconds at most until it answers; the question that finds out may take its time, since a slow model is
//! not a dead one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ModelError;
use crate::tool::breaker::{Breaker, Pass, State, Verdict};

/// Failures in a row that open it: fewer than of a tool, since a model is waited for longer.
const FAILURES: u32 = 3;
/// A model that has just failed is waited for so long.
pub(super) const IN_DOUBT: Duration = Duration::from_secs(2);

/// The guard of one model. Clones are of the same model.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    model: String,
    breaker: Arc<Mutex<Breaker>>,
}

impl Guard {
    /// Of the model of that name.
    pub(super) fn new(model: &str) -> Self {
        Guard { model: model.to_owned(), breaker: Arc::new(Mutex::new(Breaker::after(FAILURES))) }
    }

    /// Why nobody asks now, if that is so. It takes nothing: who asks needs leave all the same.
    pub(super) fn rests(&self) -> Option<ModelError> {
        let now = Instant::now();
        // A look at a copy: leave that is not used would have to be given back.
        self.lock().clone().pass(now).err().map(resting)
    }

    /// Leave to ask once.
    pub(super) fn admit(&self) -> Result<Leave<'_>, ModelError> {
        let mut breaker = self.lock();
        let pass = breaker.pass(Instant::now()).map_err(resting)?;
        let doubted = pass == Pass::Usual && breaker.doubts();
        Ok(Leave { guard: self, pass, doubted, verdict: Verdict::None })
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        // Nothing in here panics half way.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resting(after: Duration) -> ModelError {
    let seconds = after.as_secs_f64().ceil();
    ModelError::Unavailable(format!("it failed several times; again after {seconds} s"))
}

/// Leave to ask once. Dropped without a verdict (who asked went away), it says nothing of the model.
pub(super) struct Leave<'a> {
    guard: &'a Guard,
    pass: Pass,
    doubted: bool,
    verdict: Verdict,
}

impl Leave<'_> {
    /// When to give up a question that has time until `ends`.
    pub(super) fn until(&self, ends: Instant) -> Instant {
        if self.doubted { ends.min(Instant::now() + IN_DOUBT) } else { ends }
    }

    /// Takes in what came of it. To be told that there were too many questions is a failure too: more would not help.
    pub(super) fn ended<T>(&mut self, outcome: &Result<T, ModelError>) {
        self.verdict = if outcome.is_ok() { Verdict::Healthy } else { Verdict::Failed };
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut breaker = self.guard.lock();
        breaker.ended(self.pass, self.verdict, now);
        let open = if breaker.state(now) == State::Closed { 0.0 } else { 1.0 };
        metrics::gauge!("kgroot_model_breaker_open", "model" => self.guard.model.clone()).set(open);
    }
}
