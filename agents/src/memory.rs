//! How alike two incidents went: by the signature of their chains first, then by what they were about. Pure.
//!
//! A signature leaves names out: the same trouble of another service has the same one. Nothing here changes a ranking.

use std::collections::BTreeMap;

use schemas::answer::SimilarCase;
use schemas::ids::hash64;
use schemas::likeness;
use schemas::state::Case;
use schemas::view::{ChainRow, IncidentRow};

/// Cases shown.
const SHOWN_MAX: usize = 3;
/// Less alike than this, in thousandths, says nothing.
const ALIKE_MILLI: u32 = 400;
/// What two incidents without a common chain can be alike at most, in thousandths.
const FEATURES_MILLI: f64 = 500.0;
/// Steps of a signature that are compared.
const STEPS_MAX: usize = 64;

/// How an incident went: its longest chain from the first root. Empty without one.
pub fn signature<'a>(chains: impl Iterator<Item = &'a ChainRow>) -> Vec<String> {
    let first = chains.filter(|chain| chain.rank == 1);
    let longest = first.max_by_key(|chain| (chain.links.len(), std::cmp::Reverse(chain.symptom.episode_id)));
    let Some(chain) = longest else { return Vec::new() };
    let mut steps = vec![format!("{} {}", chain.root.kind.id(), chain.root.entity.kind)];
    let after = chain.links.iter().take(STEPS_MAX - 1);
    steps.extend(
        after.map(|link| format!("{} {} {}", link.rule, link.effect.kind.id(), link.effect.entity.kind)),
    );
    steps
}

/// The cases that an incident is most like.
pub(crate) fn similar(incident: &IncidentRow, signature: &[String], cases: &[Case]) -> Vec<SimilarCase> {
    let features = features(incident);
    let others = cases.iter().filter(|case| case.incident.incident_id != incident.incident_id);
    let mut scored: Vec<(u32, &Case)> = others
        .map(|case| {
            let by_features = cosine(&features, &self::features(&case.incident)) * FEATURES_MILLI;
            // Both are at most a few hundred.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 500")]
            let by_features = by_features.clamp(0.0, FEATURES_MILLI) as u32;
            (by_chain(signature, &case.signature).max(by_features), case)
        })
        .filter(|(score, _)| ALIKE_MILLI <= *score)
        .collect();
    scored.sort_by_key(|(score, case)| {
        (std::cmp::Reverse(*score), std::cmp::Reverse(case.incident.last_at), case.incident.incident_id)
    });
    scored.into_iter().take(SHOWN_MAX).map(|(score, case)| shown(score, signature, case)).collect()
}

fn shown(similarity_milli: u32, signature: &[String], case: &Case) -> SimilarCase {
    let gone = progress(signature, &case.signature);
    let approved = case.lesson.as_ref().filter(|lesson| lesson.approved_by.is_some());
    SimilarCase {
        incident_id: case.incident.incident_id,
        title: case.incident.title.clone(),
        similarity_milli,
        progress_milli: share(gone, case.signature.len()),
        next: case.signature.get(gone).filter(|_| 0 < gone).cloned(),
        resolution: approved.map(|lesson| lesson.resolution.clone()),
    }
}

/// The share of steps that two signatures have in common, in order, in thousandths.
fn by_chain(left: &[String], right: &[String]) -> u32 {
    let (left, right) = (&left[..left.len().min(STEPS_MAX)], &right[..right.len().min(STEPS_MAX)]);
    let mut row = vec![0usize; right.len() + 1];
    for step in left {
        let mut diagonal = 0;
        for (at, other) in right.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if step == other { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    share(row.last().copied().unwrap_or(0), left.len().max(right.len()))
}

/// How many steps of a past chain this one has gone through, in order and from its beginning.
fn progress(now: &[String], past: &[String]) -> usize {
    let mut seen = now.iter();
    past.iter().take_while(|step| seen.any(|done| done == *step)).count()
}

fn share(part: usize, whole: usize) -> u32 {
    u32::try_from(part * 1_000 / whole.max(1)).unwrap_or(1_000)
}

/// Hashed, with the weights of those that fall together.
fn features(incident: &IncidentRow) -> BTreeMap<u64, f64> {
    let mut found = BTreeMap::new();
    for (field, value, weight) in likeness::features(incident) {
        *found.entry(hash64(&[field.as_bytes(), value.as_bytes()])).or_insert(0.0) += weight;
    }
    found
}

fn cosine(left: &BTreeMap<u64, f64>, right: &BTreeMap<u64, f64>) -> f64 {
    let dot: f64 = left.iter().filter_map(|(key, value)| Some(value * right.get(key)?)).sum();
    let length = |of: &BTreeMap<u64, f64>| of.values().map(|value| value * value).sum::<f64>().sqrt();
    let both = length(left) * length(right);
    if both == 0.0 { 0.0 } else { dot / both }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn chains_are_alike_by_the_steps_in_common() {
        assert_eq!(by_chain(&steps("a b c"), &steps("a b c")), 1_000);
        assert_eq!(by_chain(&steps("a b"), &steps("a b c d")), 500);
        assert_eq!(by_chain(&steps("a x c"), &steps("a b c")), 666);
        assert_eq!(by_chain(&steps("a"), &steps("b")), 0);
        assert_eq!(by_chain(&[], &[]), 0);
    }

    #[test]
    fn progress_is_counted_from_the_beginning_of_the_past_chain() {
        assert_eq!(progress(&steps("a b"), &steps("a b c d")), 2);
        assert_eq!(progress(&steps("x a y b"), &steps("a b c")), 2);
        assert_eq!(progress(&steps("b c"), &steps("a b c")), 0);
    }
}
