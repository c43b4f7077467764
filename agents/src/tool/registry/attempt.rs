//! The attempts of one call: within one deadline, again only where that may help and there is time.

use std::time::Duration;

use tokio::time::Instant;

use super::gate::Admitted;
use crate::tool::{Call, Output, Tool, ToolError};

/// Waits before the second and the third attempt.
const WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// How a call is made.
pub(super) struct Attempts<'a> {
    pub(super) tool: &'a dyn Tool,
    pub(super) gate: &'a Admitted<'a>,
    pub(super) within: Duration,
    /// Whether it may be made again at all.
    pub(super) again: bool,
}

impl Attempts<'_> {
    /// Asks, up to three times where that may be. `made` counts while it happens, so that it is right also when this is given up.
    pub(super) async fn run(&self, call: Call, made: &mut u32) -> Result<Output, ToolError> {
        let started = Instant::now();
        let mut waits = WAITS.into_iter();
        loop {
            let left = self.within.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(ToolError::TimedOut(self.within));
            }
            *made += 1;
            let answer = tokio::time::timeout(left, self.tool.execute(call.clone())).await;
            let error = match answer.unwrap_or(Err(ToolError::TimedOut(self.within))) {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let left = self.within.saturating_sub(started.elapsed());
            match pause(&error, waits.next()) {
                Some(pause)
                    if self.again && pause < left && !self.gate.probes() && self.gate.again().is_ok() =>
                {
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(error),
            }
        }
    }
}

/// How long to wait before asking again, if that may help at all.
fn pause(error: &ToolError, wait: Option<Duration>) -> Option<Duration> {
    match error {
        ToolError::Limited { after: Some(after) } => wait.map(|wait| wait.max(*after)),
        error if error.retried() => wait,
        _ => None,
    }
}
