//! What an incident is like, as a vector: hashed features, the same for the same incident on any machine.

use schemas::ids::hash64;
use schemas::likeness::features;
use schemas::view::IncidentRow;

/// Length of a vector; that of the index.
const DIMENSIONS: usize = 128;

/// A vector of length one.
pub(super) fn embed(incident: &IncidentRow) -> Vec<f64> {
    let mut vector = vec![0.0; DIMENSIONS];
    for (field, value, weight) in features(incident) {
        let hash = hash64(&[field.as_bytes(), value.as_bytes()]);
        // One bit decides the sign, so that features that meet in a place cancel rather than add up.
        let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
        let place = usize::try_from(hash % DIMENSIONS as u64).unwrap_or(0);
        vector[place] += sign * weight;
    }
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length == 0.0 {
        // An index takes no vector without a direction.
        vector[0] = 1.0;
        return vector;
    }
    vector.iter().map(|value| value / length).collect()
}
