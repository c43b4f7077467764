//! Time: engine time (epochs) and event time (the producer's clock) never mix.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Engine time: one sealed step. A plain integer because timely's traits could not be implemented for a newtype
/// here without dragging timely into this crate.
pub type Epoch = u64;

/// How often a row is in a collection: +1 an insertion, -1 a retraction.
pub type Diff = i64;

/// Milliseconds since 1970-01-01T00:00:00Z on the clock of the producer.
///
/// Accepted from 2000-01-01 to 2100-01-01: what lies outside is a broken clock or a unit mistake, and is rejected
/// where it is parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTime(pub i64);

/// First accepted instant, 2000-01-01T00:00:00Z.
pub const EVENT_TIME_MIN: EventTime = EventTime(946_684_800_000);
/// First instant that is no longer accepted, 2100-01-01T00:00:00Z.
pub const EVENT_TIME_END: EventTime = EventTime(4_102_444_800_000);

/// Why a time was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not in the expected text form.
    #[error("{0:?} is not an RFC 3339 time such as 2026-03-01T09:30:00Z")]
    Form(String),
    /// Outside 2000 to 2100.
    #[error("{0} ms since 1970 is not between the years 2000 and 2100")]
    Range(i64),
    /// Not a duration.
    #[error("{0:?} is not a duration such as 30s, 10m, 2h or 7d")]
    Duration(String),
}

impl EventTime {
    /// Checks the range.
    pub fn from_ms(ms: i64) -> Result<Self, TimeError> {
        let time = EventTime(ms);
        if time < EVENT_TIME_MIN || EVENT_TIME_END <= time { Err(TimeError::Range(ms)) } else { Ok(time) }
    }

    /// Parses RFC 3339 (any offset, any fraction; below a millisecond is cut off).
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let parsed = DateTime::parse_from_rfc3339(text.trim())
            .map_err(|_| TimeError::Form(text.chars().take(60).collect()))?;
        EventTime::from_ms(parsed.timestamp_millis())
    }

    /// Later (or, if negative, earlier) by `ms`, stopping at the ends of the number range.
    pub fn plus_ms(self, ms: i64) -> Self {
        EventTime(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; negative if `earlier` is later.
    pub fn ms_since(self, earlier: EventTime) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{}ms", self.0),
        }
    }
}

// RFC 3339 for people, the number between processes.
impl Serialize for EventTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for EventTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            EventTime::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(EventTime)
        }
    }
}

/// Parses a duration: a whole number and one of `ms`, `s`, `m`, `h`, `d`. Returns milliseconds.
pub fn parse_duration_ms(text: &str) -> Result<i64, TimeError> {
    let error = || TimeError::Duration(text.chars().take(60).collect());
    let text_trimmed = text.trim();
    let digits = text_trimmed.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let (number, unit) = text_trimmed.split_at(digits);
    let factor: i64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(error()),
    };
    number.parse::<i64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(error)
}
