//! The breaker of one tool of one tenant, or of a model: after failures in a row nobody asks for a while, then one call
//! tries.
//!
//! Pure: the time is passed in. Closed until so many failures in a row, five of a tool; open for 30 s; then half open, where one call (the
//! probe) goes through and decides: closed again, or open for twice as long, up to five minutes.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open the one of a tool.
const FAILURES: u32 = 5;
/// It is open for so long at first.
const OPEN_FIRST: Duration = Duration::from_secs(30);
/// And for so long at most.
const OPEN_MOST: Duration = Duration::from_secs(300);

/// Whether calls go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// They do.
    Closed,
    /// They do not.
    Open,
    /// One may, or is on its way.
    HalfOpen,
}

/// Leave to make one call; given back with what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// One of many.
    Usual,
    /// The one that decides.
    Probe,
}

/// What a call said about the health of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answered.
    Healthy,
    /// It failed.
    Failed,
    /// Nothing: the call was given up, or refused for what it asked.
    None,
}

#[derive(Clone, Copy, Debug)]
struct Opened {
    until: Instant,
    length: Duration,
    probing: bool,
}

/// One breaker.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    limit: u32,
    failures: u32,
    opened: Option<Opened>,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker::after(FAILURES)
    }
}

impl Breaker {
    /// One that so many failures in a row open.
    pub(crate) fn after(limit: u32) -> Self {
        Breaker { limit, failures: 0, opened: None }
    }

    /// Whether the last call failed that said anything.
    pub(crate) fn doubts(&self) -> bool {
        0 < self.failures
    }

    /// Leave for a call, or how long to wait before asking again.
    pub(crate) fn pass(&mut self, now: Instant) -> Result<Pass, Duration> {
        match &mut self.opened {
            None => Ok(Pass::Usual),
            Some(opened) if now < opened.until => Err(opened.until - now),
            // The probe decides within its own time; until then there is nothing to tell but "later".
            Some(opened) if opened.probing => Err(Duration::from_secs(1)),
            Some(opened) => {
                opened.probing = true;
                Ok(Pass::Probe)
            }
        }
    }

    /// Takes in what came of a call. A usual call that outlived an opening says nothing any more.
    pub(crate) fn ended(&mut self, pass: Pass, verdict: Verdict, now: Instant) {
        match (pass, &mut self.opened) {
            (Pass::Usual, None) => match verdict {
                Verdict::Healthy => self.failures = 0,
                Verdict::None => {}
                Verdict::Failed => {
                    self.failures += 1;
                    if self.limit <= self.failures {
                        self.opened =
                            Some(Opened { until: now + OPEN_FIRST, length: OPEN_FIRST, probing: false });
                    }
                }
            },
            (Pass::Probe, Some(opened)) => match verdict {
                Verdict::Healthy => *self = Breaker::after(self.limit),
                Verdict::None => opened.probing = false,
                Verdict::Failed => {
                    let length = (opened.length * 2).min(OPEN_MOST);
                    *opened = Opened { until: now + length, length, probing: false };
                }
            },
            (Pass::Usual, Some(_)) | (Pass::Probe, None) => {}
        }
    }

    /// Whether calls go through.
    pub(crate) fn state(&self, now: Instant) -> State {
        match self.opened {
            None => State::Closed,
            Some(opened) if now < opened.until => State::Open,
            Some(_) => State::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            let pass = breaker.pass(now).unwrap();
            breaker.ended(pass, Verdict::Failed, now);
        }
        breaker
    }

    fn after(now: Instant, seconds: u64) -> Instant {
        now + Duration::from_secs(seconds)
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for verdict in [Verdict::Failed, Verdict::Failed, Verdict::Failed, Verdict::Failed, Verdict::Healthy]
        {
            breaker.ended(Pass::Usual, verdict, now);
        }
        for _ in 0..4 {
            breaker.ended(Pass::Usual, Verdict::Failed, now);
            breaker.ended(Pass::Usual, Verdict::None, now);
            assert_eq!(breaker.state(now), State::Closed);
        }
        breaker.ended(Pass::Usual, Verdict::Failed, now);
        assert_eq!(breaker.state(now), State::Open);
        assert_eq!(breaker.pass(after(now, 10)), Err(Duration::from_secs(20)));
    }

    #[test]
    fn one_call_tries_and_decides() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let then = after(now, 30);
        assert_eq!(breaker.state(then), State::HalfOpen);
        assert_eq!(breaker.pass(then), Ok(Pass::Probe));
        assert!(breaker.pass(then).is_err(), "a second probe");
        breaker.ended(Pass::Usual, Verdict::Healthy, then);
        assert_eq!(breaker.state(then), State::HalfOpen, "a call from before decides nothing");
        breaker.ended(Pass::Probe, Verdict::Healthy, then);
        assert_eq!(breaker.state(then), State::Closed);
        assert_eq!(breaker.pass(then), Ok(Pass::Usual));
    }

    #[test]
    fn it_stays_open_twice_as_long_each_time_up_to_five_minutes() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for length in [30, 60, 120, 240, 300, 300] {
            let early = after(now, length) - Duration::from_millis(1);
            assert!(breaker.pass(early).is_err(), "{length}");
            now = after(now, length);
            assert_eq!(breaker.pass(now), Ok(Pass::Probe), "{length}");
            breaker.ended(Pass::Probe, Verdict::Failed, now);
            assert_eq!(breaker.state(now), State::Open);
        }
        now = after(now, 300);
        let pass = breaker.pass(now).unwrap();
        breaker.ended(pass, Verdict::Healthy, now);
        for _ in 0..FAILURES {
            breaker.ended(Pass::Usual, Verdict::Failed, now);
        }
        assert_eq!(breaker.pass(now), Err(OPEN_FIRST), "the length starts again");
    }

    #[test]
    fn a_probe_that_was_given_up_lets_the_next_one_try() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let then = after(now, 31);
        let pass = breaker.pass(then).unwrap();
        breaker.ended(pass, Verdict::None, then);
        assert_eq!(breaker.pass(then), Ok(Pass::Probe));
    }
}
