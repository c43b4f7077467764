//! The gate of one tool of one tenant: its rate and its breaker. There is one once the tool was called.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use schemas::ids::TenantId;
use tokio::time::Instant;

use crate::tool::breaker::{Breaker, Pass, State, Verdict};
use crate::tool::rate::Rate;
use crate::tool::{Metadata, Output, ToolError};

struct Gate {
    rate: Rate,
    breaker: Breaker,
}

/// All gates.
#[derive(Default)]
pub(super) struct Gates {
    by_tool: Mutex<BTreeMap<(TenantId, String), Gate>>,
}

impl Gates {
    /// Leave for one call.
    pub(super) fn admit<'a>(
        &'a self,
        tenant: &TenantId,
        metadata: &Metadata,
    ) -> Result<Admitted<'a>, ToolError> {
        let now = Instant::now();
        let key = (tenant.clone(), metadata.name.clone());
        let mut gates = self.lock();
        let gate = gates.entry(key.clone()).or_insert_with(|| Gate {
            rate: Rate::new(metadata.calls_per_minute, now),
            breaker: Breaker::default(),
        });
        gate.rate.take(now).map_err(|after| ToolError::Limited { after: Some(after) })?;
        let pass = gate.breaker.pass(now).map_err(|after| {
            ToolError::Unavailable(format!(
                "it failed several times; again after {} s",
                after.as_secs_f64().ceil()
            ))
        })?;
        Ok(Admitted { gates: self, key, pass, verdict: Verdict::None })
    }

    /// The state of every breaker.
    pub(super) fn states(&self, now: Instant) -> Vec<(TenantId, String, State)> {
        let gates = self.lock();
        gates
            .iter()
            .map(|((tenant, tool), gate)| (tenant.clone(), tool.clone(), gate.breaker.state(now)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(TenantId, String), Gate>> {
        // Nothing in here panics half way.
        self.by_tool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that was let through. Dropped without a verdict (given up, switched off), it says nothing of the other side.
pub(super) struct Admitted<'a> {
    gates: &'a Gates,
    key: (TenantId, String),
    pass: Pass,
    verdict: Verdict,
}

impl Admitted<'_> {
    /// Whether it is the one call that finds out if the other side is back.
    pub(super) fn probes(&self) -> bool {
        self.pass == Pass::Probe
    }

    /// Leave to ask once more for the same call.
    pub(super) fn again(&self) -> Result<(), Duration> {
        let mut gates = self.gates.lock();
        gates.get_mut(&self.key).map_or(Ok(()), |gate| gate.rate.take(Instant::now()))
    }

    /// Takes in what came of it.
    pub(super) fn ended(&mut self, outcome: &Result<Output, ToolError>) {
        self.verdict = match outcome {
            Ok(_) => Verdict::Healthy,
            Err(ToolError::Arguments(_) | ToolError::Limited { .. }) => Verdict::None,
            Err(
                ToolError::Denied(_)
                | ToolError::Unavailable(_)
                | ToolError::TimedOut(_)
                | ToolError::TooLarge(_)
                | ToolError::Garbage(_),
            ) => Verdict::Failed,
        };
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut gates = self.gates.lock();
        let Some(gate) = gates.get_mut(&self.key) else { return };
        gate.breaker.ended(self.pass, self.verdict, now);
        let open = if gate.breaker.state(now) == State::Closed { 0.0 } else { 1.0 };
        let (tenant, tool) = (self.key.0.as_str().to_owned(), self.key.1.clone());
        metrics::gauge!("kgroot_tool_breaker_open", "tenant" => tenant, "tool" => tool).set(open);
    }
}
