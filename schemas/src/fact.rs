//! Facts: what an envelope says, in the engine's words. One envelope yields any number of facts.
//!
//! Facts are pure data without floats (fixed point instead) and without vendor shapes. `normalize` makes them;
//! the engine joins them.

use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;
use crate::entity::{Entity, Relation};
use crate::envelope::Severity;
use crate::ids::{EventKey, IncidentId};
use crate::object::ObjectState;
use crate::time::EventTime;

/// Longest detail text kept with a signal, in bytes; the full payload stays with the event.
pub const DETAIL_BYTES_MAX: usize = 300;

/// One thing that an envelope states.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Fact {
    /// Something happened to an entity, or is the case.
    Signal(Signal),
    /// The state of an object at an instant; states are compared with each other in the engine.
    Object(Box<ObjectState>),
    /// An edge between two entities.
    Relation(Relation),
    /// A metric value.
    Sample(Sample),
    /// A log line, already reduced to its template.
    LogLine(LogLine),
    /// What a person says of what was concluded.
    Feedback(Feedback),
}

/// A typed occurrence on one entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signal {
    /// What it happened to.
    pub entity: Entity,
    /// What happened: an id of the kind catalogue.
    pub kind: Kind,
    /// When it began, as well as the source knows. An alert's `for:` duration is already subtracted.
    pub onset: EventTime,
    /// Earliest instant at which it can have begun; equal to `onset` when that is exact.
    pub earliest: EventTime,
    /// Last instant at which it was seen; not before `onset`.
    pub last: EventTime,
    /// When it ended, if the source said so.
    pub ended: Option<EventTime>,
    /// How many occurrences the source folded into this one; at least 1.
    pub count: u32,
    /// How bad the source says it is.
    pub severity: Severity,
    /// The source's own words, at most [`DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
}

impl Signal {
    /// A single exact occurrence with the catalogue's default severity for its kind.
    pub fn at(entity: Entity, kind: Kind, onset: EventTime, detail: &str) -> Self {
        Signal {
            entity,
            kind,
            onset,
            earliest: onset,
            last: onset,
            ended: None,
            count: 1,
            severity: kind.spec().severity,
            detail: clip(detail),
        }
    }

    /// The same signal, which can have begun as early as `earliest`.
    #[must_use]
    pub fn since(mut self, earliest: EventTime) -> Self {
        self.earliest = earliest.min(self.onset);
        self
    }
}

/// Cuts a text to [`DETAIL_BYTES_MAX`] bytes at a character boundary.
pub fn clip(text: &str) -> String {
    let mut end = text.len().min(DETAIL_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// A metric value at an instant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sample {
    /// What was measured on.
    pub entity: Entity,
    /// Metric name with the labels that distinguish its series, e.g. `http_requests{code=5xx}`.
    pub metric: String,
    /// When.
    pub at: EventTime,
    /// Value in millionths of a unit, saturating: seconds and cores need them, and bytes fit up to nine terabytes.
    pub value_micro: i64,
}

impl Sample {
    /// A finite number as fixed point; what does not fit saturates.
    pub fn micro(value: f64) -> i64 {
        // The cast saturates.
        (value * 1_000_000.0) as i64
    }
}

/// A log line reduced to its template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogLine {
    /// Who logged it.
    pub entity: Entity,
    /// When.
    pub at: EventTime,
    /// Level, or what the text gives away of it.
    pub severity: Severity,
    /// The line with its variable parts masked; see `normalize::template`.
    pub template: String,
    /// The line itself, at most [`DETAIL_BYTES_MAX`] bytes.
    pub detail: String,
}

/// How long feedback teaches, in milliseconds: 90 days, as incidents are remembered.
pub const FEEDBACK_LIFETIME_MS: i64 = 90 * 86_400_000;

/// How long an alert of which an end can be told stands without one, in milliseconds: a day, as records are kept by default. Its
/// end is remembered for two.
pub const ALERT_LIFETIME_MS: i64 = 86_400_000;

/// What a person says of what was concluded about an incident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Feedback {
    /// The incident.
    pub incident: IncidentId,
    /// Who says so, in small letters.
    pub who: String,
    /// What was right and what was wrong, each lesson once.
    pub lessons: Vec<(Lesson, bool)>,
}

/// What can be more or less believed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lesson {
    /// Links by the rule with this id.
    Rule(String),
    /// Episodes of this kind as root causes.
    Kind(Kind),
}

/// What one envelope comes to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Normalized {
    /// What the event is about, whatever its revision. `None`: every delivery stands for itself.
    pub key: Option<EventKey>,
    /// Order of revisions of one key; the greatest wins, the later arrival on a tie.
    pub revision: i64,
    /// What it says. Empty is normal: most events of most systems say nothing about causes.
    pub facts: Vec<Fact>,
    /// One line for people, at most [`DETAIL_BYTES_MAX`] bytes.
    pub summary: String,
    /// The delivery withdraws the event with this idempotency key instead of stating anything.
    pub withdraws: Option<crate::ids::EventId>,
}
