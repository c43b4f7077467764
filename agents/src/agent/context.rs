//! The context agent: closed incidents that went alike, and what people have said, from the views and from memory.

use schemas::answer::{Artifact, SimilarCase};
use schemas::view::{EpisodeRow, Shared};

use super::{Live, finding};
use crate::evidence::Known;
use crate::scope::Resolved;

/// Messages reported one by one.
const MESSAGES_MAX: usize = 5;

/// What experience says of the scope.
pub(crate) fn look(resolved: &Resolved, known: &Known, similar: &[SimilarCase]) -> Live {
    let mut live = Live::default();
    for case in similar {
        let resolution = match &case.resolution {
            Some(resolution) => format!("; it ended with: {resolution}"),
            None => String::new(),
        };
        let next = match &case.next {
            Some(next) if case.progress_milli < 1_000 => format!("; what came next then: {next}"),
            _ => String::new(),
        };
        let detail = format!(
            "{} % like {} ({}), {} % of the way into it{next}{resolution}",
            case.similarity_milli / 10,
            case.incident_id,
            case.title,
            case.progress_milli / 10
        );
        live.findings.push(finding("similar_incident", detail, Vec::new()));
        let reference = case.incident_id.to_string();
        live.artifacts.push(Artifact { artifact_type: "incident".to_owned(), reference });
    }
    if similar.is_empty() {
        live.nothing("closed incidents that went alike");
    }
    let near = |episode: &&EpisodeRow| {
        let Some(incident) = resolved.incidents.first() else { return true };
        incident.started_at.plus_ms(-3_600_000) <= episode.last && episode.onset <= incident.last_at
    };
    let chat =
        known.episodes.iter().map(Shared::as_ref).filter(|episode| episode.kind.id().starts_with("chat."));
    for message in chat.filter(near).take(MESSAGES_MAX) {
        let detail = format!("{} at {}: {}", message.kind.spec().title, message.onset, message.detail);
        live.findings.push(finding(message.kind.id(), detail, message.event_ids.clone()));
    }
    live
}
