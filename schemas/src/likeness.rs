//! What an incident was about, as weighted features: the same for the same incident, whoever compares.

use crate::view::IncidentRow;

/// Weights: the kind of a root says more than what it happened to, and that more than the words of the title.
const KIND: f64 = 3.0;
const ENTITY_KIND: f64 = 1.5;
const NAME: f64 = 1.0;
const WORD: f64 = 0.5;

/// Features in order: field, value, weight. Of a later hypothesis they weigh less.
pub fn features(incident: &IncidentRow) -> Vec<(&'static str, String, f64)> {
    let mut found = Vec::new();
    for hypothesis in &incident.hypotheses {
        let (root, weight) = (&hypothesis.root, 1.0 / f64::from(hypothesis.rank.max(1)));
        found.push(("kind", root.kind.to_string(), KIND * weight));
        found.push(("entity-kind", root.entity.kind.to_string(), ENTITY_KIND * weight));
        found.push(("name", root.entity.name.clone(), NAME * weight));
    }
    let words = incident.title.split(|at: char| !at.is_alphanumeric()).filter(|word| !word.is_empty());
    found.extend(words.map(|word| ("word", word.to_lowercase(), WORD)));
    found
}
