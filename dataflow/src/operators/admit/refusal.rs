//! What is refused, and in which words. Pure; docs/semantics.md, section 1.

use schemas::error::{DecodeError, RejectCode};
use schemas::ids::EventId;
use schemas::position::SourcePosition;
use schemas::time::EventTime;

use crate::config::{Clock, EngineConfig};

/// Rules 2 and 3: too far in the future, or too late. What stands is told again, with the date of its beginning, as long as it does:
/// it is too late only when it expires.
pub(super) fn refusal(
    config: &EngineConfig,
    now: EventTime,
    at: EventTime,
    (expiry, stands): (EventTime, bool),
) -> Option<DecodeError> {
    if config.clock == Clock::Wall && now.plus_ms(config.future_ms) < at {
        let detail = format!(
            "dated {at}, more than {} s after {now}; check the producer's clock",
            config.future_ms / 1_000
        );
        return Some(DecodeError::new(RejectCode::InFuture, detail));
    }
    let late = config.clock == Clock::Wall && !stands && at.plus_ms(config.lateness_ms) <= now;
    if late || expiry <= now {
        let allowed = if stands { "an alert may fire for a day" } else { "see engine.lateness" };
        let detail = format!("dated {at}, later than allowed as of {now}; {allowed}, or replay it by itself");
        return Some(DecodeError::new(RejectCode::TooLate, detail));
    }
    None
}

/// An idempotency key that was used before, for something else.
pub(super) fn conflict(first: &SourcePosition, id: EventId) -> DecodeError {
    let detail =
        format!("{id} came before with other content, at {first}; use a new ingest_id for a new event");
    DecodeError::new(RejectCode::IdempotencyConflict, detail)
}
