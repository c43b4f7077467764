//! Log lines as facts, from any source.

use crate::catalogue::Kind;
use crate::entity::Entity;
use crate::envelope::Severity;
use crate::fact::{Fact, LogLine, Signal, clip};
use crate::normalize::template::{failure, template};
use crate::time::EventTime;

/// A log line: itself, and the failure that it speaks of on the service that suffers it.
pub(super) fn line(
    logger: &Entity,
    service: Option<&Entity>,
    at: EventTime,
    severity: Severity,
    text: &str,
    facts: &mut Vec<Fact>,
) {
    facts.push(Fact::LogLine(LogLine {
        entity: logger.clone(),
        at,
        severity,
        template: template(text),
        detail: clip(text),
    }));
    // An access log reports at info what its clients suffer; other lines below warning only mention failures.
    let kind = failure(text).filter(|kind| Severity::Warning <= severity || kind.starts_with("mesh."));
    if let Some(kind) = kind {
        let mut signal = Signal::at(service.unwrap_or(logger).clone(), Kind::named(kind), at, text);
        signal.severity = signal.severity.min(severity.max(Severity::Warning));
        facts.push(Fact::Signal(signal));
    }
}

/// What a word says of severity.
pub(crate) fn severity(word: &str) -> Severity {
    match word.to_ascii_lowercase().as_str() {
        "fatal" | "critical" | "emergency" | "panic" | "alert" => Severity::Critical,
        "error" | "err" => Severity::Error,
        "warn" | "warning" => Severity::Warning,
        "debug" | "trace" => Severity::Debug,
        _ => Severity::Info,
    }
}
