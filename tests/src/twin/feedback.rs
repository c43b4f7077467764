//! Section 11: feedback.

use std::collections::{BTreeMap, BTreeSet};

use schemas::fact::{Fact, Lesson};
use schemas::ids::IncidentId;

use super::admission::Event;

/// Factors in thousandths; a lesson that is not here has a thousand.
pub(super) type Factors = BTreeMap<Lesson, u64>;

pub(super) fn factors(current: &[Event]) -> Factors {
    let mut said: BTreeMap<(Lesson, IncidentId), BTreeSet<(String, bool)>> = BTreeMap::new();
    for fact in current.iter().flat_map(|event| &event.arrival.normalized.facts) {
        let Fact::Feedback(feedback) = fact else { continue };
        for (lesson, right) in &feedback.lessons {
            let key = (lesson.clone(), feedback.incident);
            said.entry(key).or_default().insert((feedback.who.clone(), *right));
        }
    }
    let mut counts: BTreeMap<Lesson, (i64, i64)> = BTreeMap::new();
    for ((lesson, _), people) in said {
        let right = people.iter().filter(|(_, right)| *right).count();
        let wrong = people.len() - right;
        let count = counts.entry(lesson).or_default();
        if wrong < right {
            count.0 += 1;
        } else if right < wrong {
            count.1 += 1;
        }
    }
    let milli = |(right, wrong): (i64, i64)| 1_000 + 300 * (right - wrong) / (right + wrong + 4);
    counts.into_iter().map(|(lesson, count)| (lesson, milli(count) as u64)).collect()
}

pub(super) fn of(factors: &Factors, lesson: &Lesson) -> u64 {
    factors.get(lesson).copied().unwrap_or(1_000)
}
