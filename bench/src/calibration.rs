//! Fits the confidence table: how often first answers were right, by class and evidence. Pure.
//!
//! Isotonic regression per class (pool adjacent violators, after Ayer et al. 1955): confidence may only rise with the
//! evidence. Each pool is drawn toward the rate of its class by a few imagined answers, because a pool of three says little.

use std::collections::{BTreeMap, BTreeSet};

/// Imagined answers, right at the rate of the class, that each pool begins with.
const IMAGINED: f64 = 2.0;
/// Answers that a pool should rest on: fewer are joined with their neighbors.
const POOL_MIN: f64 = 10.0;

/// A first answer whose truth is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Cases of one truth look alike and are never on both sides of a split.
    pub group: String,
    /// Class of the kind that was named.
    pub class: String,
    /// Evidence for it, in thousandths (docs/semantics.md, section 9).
    pub evidence: u32,
    /// The object was the true one.
    pub right: bool,
}

/// (evidence, confidence) points by class, in thousandths.
pub type Table = BTreeMap<String, Vec<(u32, u32)>>;

/// What a table does on answers that it was not fitted on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// Expected calibration error over ten equal bins.
    pub ece: f64,
    /// Share of right ones among answers with confidence of at least 0.85, and how many they are.
    pub precise: (f64, usize),
}

/// Fits a table.
pub fn fit(judged: &[Judged]) -> Table {
    let classes: BTreeSet<&str> = judged.iter().map(|one| one.class.as_str()).collect();
    classes.into_iter().map(|class| (class.to_owned(), points(judged, class))).collect()
}

#[derive(Clone, Copy)]
struct Pool {
    n: f64,
    right: f64,
    /// Sum of evidence.
    evidence: f64,
}

fn points(judged: &[Judged], class: &str) -> Vec<(u32, u32)> {
    let mut mine: Vec<&Judged> = judged.iter().filter(|one| one.class == class).collect();
    mine.sort_by_key(|one| one.evidence);
    let rate = mine.iter().filter(|one| one.right).count() as f64 / mine.len().max(1) as f64;
    let mut by_evidence: BTreeMap<u32, Pool> = BTreeMap::new();
    for one in mine {
        let pool = by_evidence.entry(one.evidence).or_insert(Pool { n: 0.0, right: 0.0, evidence: 0.0 });
        pool.n += 1.0;
        pool.right += f64::from(u8::from(one.right));
        pool.evidence += f64::from(one.evidence);
    }
    let confidence = |pool: &Pool| (pool.right + IMAGINED * rate) / (pool.n + IMAGINED);
    let mut pools: Vec<Pool> = Vec::new();
    for mut pool in by_evidence.into_values() {
        while let Some(before) = pools.last() {
            let falls = confidence(&pool) <= confidence(before);
            if !falls && POOL_MIN <= before.n {
                break;
            }
            pool = Pool {
                n: pool.n + before.n,
                right: pool.right + before.right,
                evidence: pool.evidence + before.evidence,
            };
            pools.pop();
        }
        pools.push(pool);
    }
    let thousandths = |value: f64| value.round().clamp(0.0, 1_000.0) as u32;
    let mut points: Vec<(u32, u32)> = Vec::new();
    for pool in &pools {
        let point = (thousandths(pool.evidence / pool.n), thousandths(confidence(pool) * 1_000.0));
        // The last pool may be small and fall below the one before it.
        let floor = points.last().map_or(0, |(_, confidence)| *confidence);
        if points.last().is_none_or(|(evidence, _)| *evidence < point.0) {
            points.push((point.0, point.1.max(floor)));
        }
    }
    points
}

/// Quality by cross-validation: each of `folds` parts is judged by a table of the others; groups stay together.
pub fn cross_validated(judged: &[Judged], folds: u64, of: impl Fn(&Table, &Judged) -> u32) -> Quality {
    let fold = |one: &Judged| schemas::ids::hash64(&[one.group.as_bytes()]) % folds.max(1);
    let mut pairs = Vec::new();
    for part in 0..folds.max(1) {
        let rest: Vec<Judged> = judged.iter().filter(|one| fold(one) != part).cloned().collect();
        let table = fit(&rest);
        let held_out = judged.iter().filter(|one| fold(one) == part);
        pairs.extend(held_out.map(|one| (of(&table, one), one.right)));
    }
    quality(&pairs)
}

/// Quality of (confidence in thousandths, right) pairs.
pub fn quality(pairs: &[(u32, bool)]) -> Quality {
    let mut bins: BTreeMap<u32, (f64, f64, f64)> = BTreeMap::new();
    for (confidence, right) in pairs {
        let bin = bins.entry((confidence / 100).min(9)).or_default();
        *bin = (bin.0 + 1.0, bin.1 + f64::from(*confidence) / 1_000.0, bin.2 + f64::from(u8::from(*right)));
    }
    let gaps: f64 = bins.values().map(|(_, confidence, right)| (confidence - right).abs()).sum();
    let high: Vec<bool> =
        pairs.iter().filter(|(confidence, _)| 850 <= *confidence).map(|pair| pair.1).collect();
    let right = high.iter().filter(|right| **right).count() as f64;
    Quality { ece: gaps / pairs.len().max(1) as f64, precise: (right / high.len().max(1) as f64, high.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(evidence: u32, right: bool) -> Judged {
        Judged { group: evidence.to_string(), class: "state".to_owned(), evidence, right }
    }

    #[test]
    fn confidence_rises_with_the_evidence_and_meets_the_rates() {
        let mut all: Vec<Judged> = (0..100).map(|index| judged(index, index % 5 == 0)).collect();
        all.extend((900..1_000).map(|index| judged(index, index % 20 != 0)));
        let points = &fit(&all)["state"];
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{points:?}");
        let (first, last) = (points.first().unwrap(), points.last().unwrap());
        assert!((150..350).contains(&first.1) && 900 < last.1, "{points:?}");
    }

    #[test]
    fn few_answers_are_drawn_toward_the_rate_of_their_class() {
        let points = &fit(&[judged(500, true), judged(500, false)])["state"];
        assert_eq!(points, &vec![(500, 500)]);
    }

    #[test]
    fn quality_counts_gaps_and_precision() {
        let found = quality(&[(900, true), (900, false), (100, false), (100, false)]);
        assert!((found.ece - 0.25).abs() < 1e-9, "{found:?}");
        assert_eq!(found.precise, (0.5, 2));
    }
}
