//! Who is asked. Rules only: a model plans nothing in this version.

use schemas::answer::{Plan, Question};

use crate::evidence::Known;
use crate::scope::Resolved;

/// The graph agent always looks; metrics and logs look when their sources have spoken or the question asks for them.
pub(crate) fn plan(question: &Question, resolved: &Resolved, known: &Known) -> Plan {
    let words = question.query.to_ascii_lowercase();
    let spoken = |prefixes: &[&str]| {
        known
            .episodes
            .iter()
            .any(|episode| prefixes.iter().any(|prefix| episode.kind.id().starts_with(prefix)))
    };
    let mut agents = vec!["graph".to_owned()];
    let mut reasons = vec![format!("{} incidents in scope", resolved.incidents.len())];
    let slow = ["slow", "latency", "cpu", "memory", "load"].iter().any(|word| words.contains(word));
    if slow || spoken(&["metric.", "trace."]) {
        agents.push("metrics".to_owned());
        reasons.push("metric or trace anomalies are known or asked for".to_owned());
    }
    let errors = ["log", "error", "exception", "fail"].iter().any(|word| words.contains(word));
    if errors || spoken(&["log.", "mesh."]) {
        agents.push("logs".to_owned());
        reasons.push("log failures are known or asked for".to_owned());
    }
    Plan { decided_by: "rules".to_owned(), agents_selected: agents, reasoning: reasons.join("; ") }
}
