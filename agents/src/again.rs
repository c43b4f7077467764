//! An investigation had again: from what it saw in the views then (or from the views as of its epoch) and from what was
//! recorded, and compared with the answer of then. What clocks measured is left out of the comparison.

pub(crate) mod packed;

use std::sync::Arc;

use schemas::answer::{Again, Answer, CallOutcome, Question, Skipped};
use schemas::state::{Investigated, Investigation};
use serde_json::Value;

use crate::caller::Caller;
use crate::error::InvestigateError;
use crate::investigate::{Beside, Investigator};
use crate::model::voice::Voice;
use crate::plan::calls::PlannedCall;

/// Differences that are told.
const TOLD_MAX: usize = 10;
/// What clocks measured.
const MEASURED: [&str; 2] = ["latency_ms", "freshness_ms"];

impl Investigator {
    /// Has an investigation again, from what it saw in the views then.
    ///
    /// # Errors
    /// What it saw was too much to be kept, and its epoch cannot be read any more; or the engine has stopped.
    pub async fn again(&self, then: &Investigation) -> Result<Again, InvestigateError> {
        let seen = then.recording.views.as_deref().and_then(packed::unpack);
        let (resolved, known) = match seen {
            Some(seen) => seen,
            None => {
                let as_of = Some(then.answer.as_of.epoch);
                self.understand(&Question { as_of, ..then.question.clone() }).await?
            }
        };
        let beside = Beside {
            caller: Caller::Recorded(Arc::new(then.answer.tool_calls.clone())),
            voice: if then.recording.completions.is_empty() {
                Voice::off()
            } else {
                Voice::recorded(&then.recording.completions)
            },
            recording: then.recording.clone(),
        };
        let asked = &then.question;
        let Investigated { answer, .. } =
            self.answer(asked, (&resolved, &known), beside, Some(&then.answer), (self.ends(), None)).await;
        let mut differences = Vec::new();
        compare(&value(&then.answer), &value(&answer), &mut String::new(), &mut differences);
        Ok(Again { answer, differences })
    }
}

fn value(answer: &Answer) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}

/// What an agent asked then, and what it could not ask.
pub(crate) fn assigned(then: &Answer, agent: &str) -> (Vec<PlannedCall>, Vec<Skipped>) {
    let mine = || then.tool_calls.iter().filter(|call| call.agent == agent);
    let calls = mine().map(|call| PlannedCall { tool: call.tool.clone(), arguments: call.arguments.clone() });
    // Calls that gave nothing are told after what was not asked.
    let failed = mine().filter(|call| call.outcome != CallOutcome::Answered).count();
    let result = then.agent_results.iter().find(|result| result.agent == agent);
    let skipped = result.map(|result| result.skipped.as_slice()).unwrap_or_default();
    (calls.collect(), skipped[..skipped.len().saturating_sub(failed)].to_vec())
}

/// Collects the places at which two documents differ.
fn compare(then: &Value, now: &Value, place: &mut String, differences: &mut Vec<String>) {
    if TOLD_MAX <= differences.len() {
        return;
    }
    let length = place.len();
    match (then, now) {
        (Value::Object(left), Value::Object(right)) if left.len() == right.len() => {
            for (key, value) in left.iter().filter(|(key, _)| !MEASURED.contains(&key.as_str())) {
                place.push('/');
                place.push_str(key);
                compare(value, right.get(key).unwrap_or(&Value::Null), place, differences);
                place.truncate(length);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (one, other)) in left.iter().zip(right).enumerate() {
                place.push('/');
                place.push_str(&index.to_string());
                compare(one, other, place, differences);
                place.truncate(length);
            }
        }
        (left, right) if left == right => {}
        _ => differences.push(place.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differences(then: Value, now: Value) -> Vec<String> {
        let mut found = Vec::new();
        compare(&then, &now, &mut String::new(), &mut found);
        found
    }

    #[test]
    fn places_that_differ_are_told_and_clocks_are_not_compared() {
        let then = json!({ "a": [1, { "b": 2, "latency_ms": 5 }], "c": 1 });
        assert!(
            differences(then.clone(), json!({ "a": [1, { "b": 2, "latency_ms": 9 }], "c": 1 })).is_empty()
        );
        assert_eq!(
            differences(then.clone(), json!({ "a": [1, { "b": 3, "latency_ms": 5 }], "c": 1 })),
            ["/a/1/b"]
        );
        assert_eq!(differences(then.clone(), json!({ "a": [1], "c": 1 })), ["/a"]);
        assert_eq!(differences(then, json!({ "a": [1, { "b": 2, "latency_ms": 5 }], "d": 1 })), ["/c"]);
    }
}
