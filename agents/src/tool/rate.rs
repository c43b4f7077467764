//! The rate of one tool of one tenant: a bucket that fills evenly. Pure: the time is passed in.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket as large as one minute of calls; it is full at first.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    /// Between two calls, on the whole.
    every: Duration,
    calls: u32,
    /// When the bucket is full again if nobody calls. The one number that has to be remembered.
    full_at: Instant,
}

impl Rate {
    /// So many calls a minute; none if zero.
    pub(crate) fn new(calls_per_minute: u32, now: Instant) -> Self {
        let every = Duration::from_secs(60) / calls_per_minute.max(1);
        Rate { every, calls: calls_per_minute, full_at: now }
    }

    /// Takes one call, or says when there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if self.calls == 0 {
            return Err(Duration::from_secs(60));
        }
        let full_at = self.full_at.max(now) + self.every;
        let room = now + self.every * self.calls;
        if full_at > room {
            return Err(full_at - room);
        }
        self.full_at = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_calls_at_once_and_then_evenly() {
        let start = Instant::now();
        let mut rate = Rate::new(6, start);
        for call in 0..6 {
            assert_eq!(rate.take(start), Ok(()), "{call}");
        }
        assert_eq!(rate.take(start), Err(Duration::from_secs(10)));
        assert_eq!(
            rate.take(start + Duration::from_secs(4)),
            Err(Duration::from_secs(6)),
            "a refusal takes nothing"
        );
        assert_eq!(rate.take(start + Duration::from_secs(10)), Ok(()));
        assert!(rate.take(start + Duration::from_secs(10)).is_err());
        let later = start + Duration::from_secs(3_600);
        assert_eq!((0..10).filter(|_| rate.take(later).is_ok()).count(), 6, "it does not overflow");
    }

    #[test]
    fn none_a_minute_is_none() {
        let now = Instant::now();
        assert!(Rate::new(0, now).take(now).is_err());
        assert!(Rate::new(u32::MAX, now).take(now).is_ok());
    }
}
