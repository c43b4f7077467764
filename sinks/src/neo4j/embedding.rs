//! What an incident is like, as a vector: hashed features, the same for the same incident on any machine.

use schemas::ids::hash64;
use schemas::view::IncidentRow;

/// Length of a vector; that of the index.
const DIMENSIONS: usize = 128;
/// Weights: the kind of a root says more than what it happened to, and that more than the words of the title.
const KIND: f64 = 3.0;
const ENTITY_KIND: f64 = 1.5;
const NAME: f64 = 1.0;
const WORD: f64 = 0.5;

/// A vector of length one.
pub(super) fn embed(incident: &IncidentRow) -> Vec<f64> {
    let mut vector = vec![0.0; DIMENSIONS];
    let mut add = |field: &str, value: &str, weight: f64| {
        let hash = hash64(&[field.as_bytes(), value.as_bytes()]);
        // One bit decides the sign, so that features that meet in a place cancel rather than add up.
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        let place = usize::try_from(hash % DIMENSIONS as u64).unwrap_or(0);
        vector[place] += sign * weight;
    };
    for hypothesis in &incident.hypotheses {
        let weight = 1.0 / f64::from(hypothesis.rank.max(1));
        let root = &hypothesis.root;
        add("kind", &root.kind.to_string(), KIND * weight);
        add("entity-kind", root.entity.kind.as_str(), ENTITY_KIND * weight);
        add("name", &root.entity.name, NAME * weight);
    }
    for word in incident.title.split(|at: char| !at.is_alphanumeric()).filter(|word| !word.is_empty()) {
        add("word", &word.to_lowercase(), WORD);
    }
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length == 0.0 {
        // An index takes no vector without a direction.
        vector[0] = 1.0;
        return vector;
    }
    vector.iter().map(|value| value / length).collect()
}
