//! Feedback: how much more or less than before a kind or a rule is believed, from what people said of incidents.
//!
//! Input   what people said of incidents, as events tell it.
//! Output  one factor for each (tenant, lesson) whose factor is not a thousand.
//! Ties    an incident whose people disagree evenly says nothing.
//! State   what each person said of each incident, while the event lives, and the factors.
//!
//! An incident has one say about a lesson, however many people spoke. See docs/semantics.md, section 11.

use schemas::fact::{Feedback, Lesson};
use schemas::ids::{IncidentId, Tenant};
use serde::{Deserialize, Serialize};

use crate::operators::maintain::summarize;
use crate::types::Updates;
use crate::values::Values;

/// How far a factor can leave a thousand.
const REACH: i64 = 300;
/// Incidents that speak for nothing having changed: one label moves a factor by 60, five by 166, twenty by 250.
const DOUBT: i64 = 4;

/// How much a lesson is believed, in thousandths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Factor {
    pub(crate) tenant: Tenant,
    pub(crate) lesson: Lesson,
    pub(crate) milli: u32,
}

/// What feedback comes to.
pub(crate) fn feedback<'scope>(said: Updates<'scope, (Tenant, Feedback)>) -> Updates<'scope, Factor> {
    let said = said.flat_map(|(tenant, Feedback { incident, who, lessons })| {
        let of = move |(lesson, right)| ((tenant, incident, lesson), (who.clone(), right));
        lessons.into_iter().map(of)
    });
    let spoken = summarize(said, "FeedbackIncidents", |(tenant, incident, lesson), said| {
        let right = majority(said.distinct().map(|(_, right)| *right));
        right.map(|right| ((*tenant, lesson.clone()), (*incident, right)))
    });
    summarize(spoken, "Feedback", factor)
}

/// What more said than not; `None` on a tie.
fn majority(said: impl Iterator<Item = bool>) -> Option<bool> {
    let balance: i64 = said.map(|right| if right { 1 } else { -1 }).sum();
    (balance != 0).then_some(0 < balance)
}

fn factor((tenant, lesson): &(Tenant, Lesson), said: &Values<(IncidentId, bool)>) -> Option<Factor> {
    let (mut right, mut wrong) = (0i64, 0i64);
    for (_, holds) in said.distinct() {
        if *holds { right += 1 } else { wrong += 1 }
    }
    let milli = 1_000 + REACH * (right - wrong) / (right + wrong + DOUBT);
    let milli = u32::try_from(milli).unwrap_or(1_000);
    let factor = Factor { tenant: *tenant, lesson: lesson.clone(), milli };
    (milli != 1_000).then_some(factor)
}
