//! Results as short text: one line a row, for clients that show a model no structured content.
//!
//! What producers wrote stands in these lines. It is made one line each, so that no text can pass for another row.

use schemas::answer::{Answer, AnswerHypothesis};
use schemas::view::{EpisodeRow, Row};

/// Longest line, in characters.
const LINE_CHARS_MAX: usize = 400;

/// A row.
pub(super) fn row(row: &Row) -> String {
    let text = match row {
        Row::Incident(row) => {
            let (id, status, severity) = (row.incident_id, row.status, row.severity.as_str());
            format!("{id} {status} {severity}, {} to {}: {}", row.started_at, row.last_at, row.title)
        }
        Row::Chain(row) => {
            let mut text = format!("{} #{}: {}", row.incident_id, row.rank, end(&row.root));
            for link in &row.links {
                let effect = end(&link.effect);
                text.push_str(&format!(
                    " -> {effect} ({}@{}, {} ms)",
                    link.rule, link.rule_version, link.lag_ms
                ));
            }
            text
        }
        Row::Relation(row) => {
            let until = row.valid_to.map_or_else(String::new, |until| format!(" until {until}"));
            format!("{} {} {}, from {}{until}", row.from, row.relation, row.to, row.valid_from)
        }
        Row::Episode(row) => format!("{} {}: {}", row.onset, end(row), row.detail),
        Row::Event(row) => {
            format!("{} {} {}: {}", row.at, row.origin.source, row.origin.event_type, row.summary)
        }
        Row::Alert(row) => format!("alert {} {}: {}", row.status, row.raised_at, row.title),
        Row::Link(row) => format!("{} -> {} ({})", end(&row.cause), end(&row.effect), row.rule),
        Row::Entity(_) | Row::Reject(_) | Row::Coverage(_) => row.key(),
    };
    plain(&text)
}

/// An answer: the sentence, its causes, what said nothing.
pub(super) fn answer(answer: &Answer) -> Vec<String> {
    let mut lines = vec![plain(&answer.summary)];
    lines.extend(answer.hypotheses.iter().map(hypothesis));
    let missing = answer.missing.iter();
    lines.extend(missing.map(|missing| plain(&format!("no word from {}: {}", missing.source, missing.why))));
    lines
}

fn hypothesis(hypothesis: &AnswerHypothesis) -> String {
    let (rank, percent) = (hypothesis.rank, hypothesis.confidence * 100.0);
    let cause = &hypothesis.root_cause;
    let (kind, entity, onset, summary) = (&cause.kind, &cause.entity, cause.onset, &cause.summary);
    let id = hypothesis.incident_id;
    plain(&format!("{rank}. {percent:.0} % {kind} on {entity} at {onset}: {summary} ({id})"))
}

fn end(episode: &EpisodeRow) -> String {
    format!("{} on {}", episode.kind, episode.entity)
}

/// One line without control characters.
pub(super) fn plain(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let spaced: String = text.chars().map(|c| if breaks(c) { ' ' } else { c }).collect();
    super::results::cut(&spaced, LINE_CHARS_MAX)
}
