//! What an answer says, sentence by sentence, each with what proves it. Pure: no evidence, no sentence.

use std::collections::BTreeSet;

use schemas::answer::{AnswerHypothesis, AnswerStatus, Statement};
use schemas::catalogue::Class;
use schemas::ids::EventId;
use schemas::view::ViewName;

use crate::evidence::Known;
use crate::scope::Resolved;

/// The statements of an answer, most important first.
pub(crate) fn statements(
    status: AnswerStatus,
    resolved: &Resolved,
    hypotheses: &[AnswerHypothesis],
    known: &Known,
) -> Vec<Statement> {
    let Some(first) = hypotheses.first() else {
        return vec![absent("No trouble was seen in the scope.", "incidents")];
    };
    let mut said = Vec::new();
    match status {
        AnswerStatus::NoClearRootCause => said.push(proven(
            format!(
                "{} incidents are in scope, but no cause stands out; the nearest is: {}.",
                resolved.incidents.len(),
                first.root_cause.summary
            ),
            &first.root_cause.event_ids,
        )),
        _ => said.push(proven(format!("{}.", first.root_cause.summary), &first.root_cause.event_ids)),
    }
    said.extend(led_to(first));
    said.extend(second(hypotheses));
    let all_read = !known.cut.contains(&ViewName::Changes);
    if all_read && !known.episodes.iter().any(|episode| episode.class == Class::Change) {
        said.push(absent("No change was seen in the scope.", "changes"));
    }
    said.retain(|statement| !statement.event_ids.is_empty() || !statement.absent_from.is_empty());
    said
}

/// The statements as one text.
pub(crate) fn summary(statements: &[Statement]) -> String {
    let texts: Vec<&str> = statements.iter().map(|statement| statement.text.as_str()).collect();
    texts.join(" ")
}

fn proven(text: String, event_ids: &[EventId]) -> Statement {
    let event_ids: BTreeSet<EventId> = event_ids.iter().copied().collect();
    Statement { text, event_ids: event_ids.into_iter().collect(), calls: Vec::new(), absent_from: Vec::new() }
}

fn absent(text: &str, view: &str) -> Statement {
    let absent_from = vec![view.to_owned()];
    Statement { text: text.to_owned(), event_ids: Vec::new(), calls: Vec::new(), absent_from }
}

/// Where the chain of a cause ends.
fn led_to(first: &AnswerHypothesis) -> Option<Statement> {
    let last = first.chain.last()?;
    let links = match first.chain.len() {
        1 => format!("by rule {}", last.rule),
        count => format!("over {count} links"),
    };
    let text = format!(
        "It led, {links}, to {} on {} at {}.",
        last.effect.kind, last.effect.entity, last.effect.onset
    );
    let proof: Vec<EventId> = first.chain.iter().flat_map(|link| link.effect.event_ids.clone()).collect();
    Some(proven(text, &proof))
}

/// The rival of the same incident, so that nobody stops looking too early.
fn second(hypotheses: &[AnswerHypothesis]) -> Option<Statement> {
    let first = hypotheses.first()?;
    let rival = hypotheses.iter().skip(1).find(|other| other.incident_id == first.incident_id)?;
    let text = format!("Less likely: {}.", rival.root_cause.summary);
    Some(proven(text, &rival.root_cause.event_ids))
}
