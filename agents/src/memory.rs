//! How alike two incidents went: by the signature of their chains first, then by what they were about. Pure.
//!
//! A signature leaves names out: the same trouble of another service has the same one. Nothing here changes a ranking.

pub(crate) mod alike;

use std::collections::BTreeMap;

use schemas::answer::SimilarCase;
use schemas::ids::{IncidentId, hash64};
use schemas::likeness;
use schemas::state::{Case, Likeness};
use schemas::view::{ChainRow, IncidentRow};

/// Cases shown.
const SHOWN_MAX: usize = 3;
/// Less alike than this, in thousandths, says nothing.
const ALIKE_MILLI: u32 = 400;
/// What two incidents without a common chain can be alike at most, in thousandths.
const FEATURES_MILLI: u32 = 500;
/// Steps of a signature that are compared.
const STEPS_MAX: usize = 64;
/// Steps that must have been gone before a pattern has begun: a root alone is the beginning of too many.
const BEGINS: usize = 2;

/// How an incident went: its longest chain from the first root. Empty without one.
pub fn signature<'a>(chains: impl Iterator<Item = &'a ChainRow>) -> Vec<String> {
    let Some(chain) = longest(chains) else { return Vec::new() };
    let mut steps = vec![format!("{} {}", chain.root.kind.id(), chain.root.entity.kind)];
    let after = chain.links.iter().take(STEPS_MAX - 1);
    steps.extend(
        after.map(|link| format!("{} {} {}", link.rule, link.effect.kind.id(), link.effect.entity.kind)),
    );
    steps
}

/// The chain that says how an incident went.
pub(crate) fn longest<'a>(chains: impl Iterator<Item = &'a ChainRow>) -> Option<&'a ChainRow> {
    let first = chains.filter(|chain| chain.rank == 1);
    first.max_by_key(|chain| (chain.links.len(), std::cmp::Reverse(chain.symptom.episode_id)))
}

/// How past incidents went that went alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Names it: a hash of the signature.
    pub(crate) id: String,
    pub(crate) signature: Vec<String>,
    /// How many incidents went so, and the latest of them with its title.
    pub(crate) incidents: usize,
    pub(crate) latest: IncidentId,
    pub(crate) title: String,
}

/// The patterns of cases that come latest first.
pub(crate) fn patterns(cases: &[Case]) -> Vec<Pattern> {
    let mut found: Vec<Pattern> = Vec::new();
    for case in cases.iter().filter(|case| BEGINS <= case.signature.len()) {
        if let Some(known) = found.iter_mut().find(|known| known.signature == case.signature) {
            known.incidents += 1;
            continue;
        }
        let parts: Vec<&[u8]> = case.signature.iter().map(|step| step.as_bytes()).collect();
        found.push(Pattern {
            id: format!("pat_{:016x}", hash64(&parts)),
            signature: case.signature.clone(),
            incidents: 1,
            latest: case.incident.incident_id,
            title: case.incident.title.clone(),
        });
    }
    found
}

/// The patterns that an incident has begun and not come to the end of, furthest first: how far in thousandths, and the step
/// that came next then.
pub(crate) fn begun<'a>(signature: &[String], patterns: &'a [Pattern]) -> Vec<(u32, &'a str, &'a Pattern)> {
    let way = |pattern: &'a Pattern| {
        let gone = progress(signature, &pattern.signature);
        let next = pattern.signature.get(gone).filter(|_| BEGINS <= gone)?;
        Some((share(gone, pattern.signature.len()), next.as_str(), pattern))
    };
    let mut found: Vec<_> = patterns.iter().filter_map(way).collect();
    found.sort_by_key(|(milli, _, pattern)| (std::cmp::Reverse(*milli), pattern.id.clone()));
    found.truncate(SHOWN_MAX);
    found
}

/// The cases that an incident is most like: by chain, then by vectors of a model where these are known, else by features.
pub(crate) fn similar(
    incident: &IncidentRow,
    signature: &[String],
    cases: &[Case],
    likeness: Option<&Likeness>,
) -> Vec<SimilarCase> {
    let features = features(incident);
    let likeness = likeness.filter(|likeness| likeness.silent.is_none());
    let about = |case: &Case| match likeness {
        Some(likeness) => {
            let found = likeness.cases.iter().find(|(of, _)| *of == case.incident.incident_id);
            found.map_or(0, |(_, milli)| milli * FEATURES_MILLI / 1_000)
        }
        None => by_features(&features, &case.incident),
    };
    let others = cases.iter().filter(|case| case.incident.incident_id != incident.incident_id);
    let mut scored: Vec<(u32, &Case)> = others
        .map(|case| (by_chain(signature, &case.signature).max(about(case)), case))
        .filter(|(score, _)| ALIKE_MILLI <= *score)
        .collect();
    scored.sort_by_key(|(score, case)| {
        (std::cmp::Reverse(*score), std::cmp::Reverse(case.incident.last_at), case.incident.incident_id)
    });
    scored.into_iter().take(SHOWN_MAX).map(|(score, case)| shown(score, signature, case)).collect()
}

/// The cases that are nearest to an incident by features, at most so many.
pub(crate) fn nearest<'a>(incident: &IncidentRow, cases: &'a [Case], most: usize) -> Vec<&'a Case> {
    let features = features(incident);
    let others = cases.iter().filter(|case| case.incident.incident_id != incident.incident_id);
    let mut nearest: Vec<(u32, &Case)> =
        others.map(|case| (by_features(&features, &case.incident), case)).collect();
    nearest.sort_by_key(|(score, case)| (std::cmp::Reverse(*score), case.incident.incident_id));
    nearest.into_iter().take(most).map(|(_, case)| case).collect()
}

fn by_features(features: &BTreeMap<u64, f64>, incident: &IncidentRow) -> u32 {
    let by_features = cosine(features, &self::features(incident)) * f64::from(FEATURES_MILLI);
    // Both are at most a few hundred.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 500")]
    let by_features = by_features.clamp(0.0, f64::from(FEATURES_MILLI)) as u32;
    by_features
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
    fn a_pattern_has_begun_between_its_second_step_and_its_last() {
        let pattern = |id: &str, text: &str| Pattern {
            id: id.to_owned(),
            signature: steps(text),
            incidents: 1,
            latest: IncidentId(1),
            title: String::new(),
        };
        let known =
            [pattern("p", "a b c d"), pattern("q", "a b c"), pattern("r", "b c d"), pattern("s", "x a b")];
        let found = |text: &str| -> Vec<(u32, String, String)> {
            let signature = steps(text);
            let begun = begun(&signature, &known).into_iter();
            begun.map(|(milli, next, of)| (milli, next.to_owned(), of.id.clone())).collect()
        };
        let way = |milli, next: &str, id: &str| (milli, next.to_owned(), id.to_owned());
        assert_eq!(found("a"), []);
        assert_eq!(found("a b"), [way(666, "c", "q"), way(500, "c", "p")]);
        assert_eq!(found("a b c"), [way(750, "d", "p"), way(666, "d", "r")]);
        assert_eq!(found("a b c d"), []);
    }

    #[test]
    fn progress_is_counted_from_the_beginning_of_the_past_chain() {
        assert_eq!(progress(&steps("a b"), &steps("a b c d")), 2);
        assert_eq!(progress(&steps("x a y b"), &steps("a b c")), 2);
        assert_eq!(progress(&steps("b c"), &steps("a b c")), 0);
    }
}
