//! What a tenant's people have taught, as factors in thousandths; docs/semantics.md, section 11.

use std::collections::BTreeMap;

use schemas::catalogue::Kind;
use schemas::fact::Lesson;

/// Factors that are not a thousand.
#[derive(Debug, Default)]
pub(super) struct Learned(BTreeMap<Lesson, u32>);

/// Nothing was taught.
const PLAIN: u64 = 1_000;

impl Learned {
    /// Adds or removes a factor.
    pub(super) fn change(&mut self, lesson: Lesson, milli: u32, present: bool) {
        if present {
            self.0.insert(lesson, milli);
        } else {
            self.0.remove(&lesson);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How much a kind is believed as a root cause.
    pub(super) fn of_kind(&self, kind: Kind) -> u64 {
        self.of(&Lesson::Kind(kind))
    }

    /// How much links by a rule are believed.
    pub(super) fn of_rule(&self, rule: &str) -> u64 {
        // Mostly there is nothing, and nothing is copied.
        if self.0.is_empty() { PLAIN } else { self.of(&Lesson::Rule(rule.to_owned())) }
    }

    fn of(&self, lesson: &Lesson) -> u64 {
        self.0.get(lesson).map_or(PLAIN, |milli| u64::from(*milli))
    }
}
