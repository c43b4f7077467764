//! The wall clock, and a reading of it that a jump does not carry along.
//!
//! Sealed time decides what is late and what has expired, and never goes back: one wrong hour would close every window for
//! good. So a wall clock that leaves the monotonic one behind is not followed at once (F13 of the fault matrix).

use std::sync::Mutex;
use std::time::Instant;

use schemas::time::EventTime;

/// A wall clock that is off by more than this, measured by the monotonic one, has jumped.
const JUMP_MS: i64 = 60_000;
/// A jump that stands for so long is no accident: somebody has set the clock, or the machine was suspended.
const BELIEVED_AFTER_MS: i64 = 300_000;

/// The wall clock.
pub fn now() -> EventTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    EventTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A clock that follows the wall clock, except when that jumps; one that does not come back is believed after five minutes.
pub fn steady() -> impl Fn() -> EventTime + Send {
    let began = Instant::now();
    let steady = Mutex::new(Steady::new(now()));
    move || {
        let elapsed_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        // A thread that panicked while it read the time left a reading as good as any.
        let mut steady = steady.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        steady.read(now(), elapsed_ms)
    }
}

/// What a steady reading depends on. Pure.
#[derive(Debug)]
struct Steady {
    /// Wall time less monotonic time, as it is believed.
    offset_ms: i64,
    /// Another offset that was seen, and since when, in monotonic time.
    doubted: Option<(i64, i64)>,
}

impl Steady {
    fn new(wall: EventTime) -> Steady {
        Steady { offset_ms: wall.0, doubted: None }
    }

    fn read(&mut self, wall: EventTime, elapsed_ms: i64) -> EventTime {
        let offset_ms = wall.0.saturating_sub(elapsed_ms);
        let differs = |from: i64| JUMP_MS < offset_ms.saturating_sub(from).saturating_abs();
        if !differs(self.offset_ms) {
            // Small corrections, as of a time server, are followed.
            self.offset_ms = offset_ms;
            self.doubted = None;
            return wall;
        }
        match self.doubted {
            Some((offset, since_ms)) if !differs(offset) => {
                if BELIEVED_AFTER_MS <= elapsed_ms - since_ms {
                    tracing::warn!(jump_ms = offset_ms - self.offset_ms, "the wall clock is believed again");
                    self.offset_ms = offset_ms;
                    self.doubted = None;
                    return wall;
                }
            }
            _ => {
                let jump_ms = offset_ms.saturating_sub(self.offset_ms);
                tracing::error!(jump_ms, "the wall clock jumped: it is not followed; check the time server");
                self.doubted = Some((offset_ms, elapsed_ms));
            }
        }
        EventTime(self.offset_ms.saturating_add(elapsed_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_790_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_jump_is_not_followed_and_one_that_comes_back_leaves_no_trace() {
        let mut steady = Steady::new(EventTime(START));
        assert_eq!(steady.read(EventTime(START + 10), 10).0, START + 10);
        assert_eq!(steady.read(EventTime(START + HOUR_MS), 20).0, START + 20);
        assert_eq!(steady.read(EventTime(START - HOUR_MS), 30).0, START + 30);
        assert_eq!(steady.read(EventTime(START + 40), 40).0, START + 40);
    }

    #[test]
    fn a_jump_that_stands_is_believed_after_five_minutes() {
        let mut steady = Steady::new(EventTime(START));
        for second in 1..=300 {
            let reading = steady.read(EventTime(START + HOUR_MS + second * 1_000), second * 1_000);
            assert_eq!(reading.0, START + second * 1_000);
        }
        assert_eq!(steady.read(EventTime(START + HOUR_MS + 301_000), 301_000).0, START + HOUR_MS + 301_000);
    }

    #[test]
    fn a_clock_that_jumps_again_and_again_is_never_believed() {
        let mut steady = Steady::new(EventTime(START));
        for second in 1..=1_000 {
            let jump = if second % 2 == 0 { HOUR_MS } else { -HOUR_MS };
            let reading = steady.read(EventTime(START + jump + second * 1_000), second * 1_000);
            assert_eq!(reading.0, START + second * 1_000);
        }
    }

    #[test]
    fn small_corrections_are_followed() {
        let mut steady = Steady::new(EventTime(START));
        assert_eq!(steady.read(EventTime(START + 30_000), 1_000).0, START + 30_000);
        assert_eq!(steady.read(EventTime(START - 20_000), 2_000).0, START - 20_000);
    }
}
