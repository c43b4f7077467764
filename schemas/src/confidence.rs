//! Confidence: how often a hypothesis like this one has been right. A table that was fitted on recorded incidents.
//!
//! The table is data (`schemas/data/confidence.yaml`, with its provenance), checked by the tests of this file and read
//! once. Between its points lie straight lines, in integers, so that every worker and every replay says the same.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::catalogue::Class;

/// No answer is certain.
pub const CONFIDENCE_MAX: u32 = 990;

/// The table.
#[derive(Debug, Deserialize)]
pub struct Confidence {
    /// What it was fitted on, how, and when.
    pub provenance: String,
    /// By class of the root's kind: (evidence, confidence), both in thousandths, in rising order of evidence.
    #[serde(flatten)]
    classes: BTreeMap<String, Vec<(u32, u32)>>,
}

static BUILT_IN: LazyLock<Confidence> = LazyLock::new(|| {
    match serde_saphyr::from_str(include_str!("../data/confidence.yaml")) {
        Ok(table) => table,
        // The tests below read the same bytes.
        Err(error) => unreachable!("schemas/data/confidence.yaml was checked by its tests: {error}"),
    }
});

impl Confidence {
    /// The table in this binary.
    pub fn built_in() -> &'static Confidence {
        &BUILT_IN
    }

    /// A table from its points, as the program that fits one has them.
    pub fn of_points(provenance: String, classes: BTreeMap<String, Vec<(u32, u32)>>) -> Confidence {
        Confidence { provenance, classes }
    }

    /// Probability in thousandths that a hypothesis is right whose root has a kind of this class and this much evidence
    /// (docs/semantics.md, section 9). A class without points is never trusted: 0.
    pub fn of(&self, class: Class, evidence_milli: u32) -> u32 {
        let points = self.classes.get(&class.to_string()).map_or(&[][..], Vec::as_slice);
        let after = points.partition_point(|(evidence, _)| *evidence <= evidence_milli);
        let (low, high) = (points.get(after.wrapping_sub(1)), points.get(after));
        let confidence = match (low, high) {
            (Some(low), Some(high)) => between(*low, *high, evidence_milli),
            (Some(only), None) | (None, Some(only)) => only.1,
            (None, None) => 0,
        };
        confidence.min(CONFIDENCE_MAX)
    }
}

/// On the straight line between two points.
fn between(low: (u32, u32), high: (u32, u32), evidence_milli: u32) -> u32 {
    let (width, past) = (i64::from(high.0) - i64::from(low.0), i64::from(evidence_milli) - i64::from(low.0));
    let rise = i64::from(high.1) - i64::from(low.1);
    u32::try_from(i64::from(low.1) + rise * past / width.max(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_classes_and_rises() {
        let table = Confidence::built_in();
        assert!(!table.provenance.is_empty());
        for (class, points) in &table.classes {
            let _: Class = class.parse().unwrap();
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{class}");
            assert!(points.iter().all(|(evidence, confidence)| *evidence <= 1_000 && *confidence <= 1_000));
        }
    }

    #[test]
    fn lines_lie_between_points_and_end_at_the_outer_ones() {
        let table: Confidence =
            serde_saphyr::from_str("provenance: none\nstate: [[400, 200], [800, 900]]\n").unwrap();
        let at = |evidence| table.of(Class::State, evidence);
        assert_eq!([at(0), at(400), at(500), at(800), at(1_000)], [200, 200, 375, 900, 900]);
    }

    #[test]
    fn an_unknown_class_is_not_trusted() {
        let table: Confidence = serde_saphyr::from_str("provenance: none\n").unwrap();
        assert_eq!(table.of(Class::Alert, 1_000), 0);
    }
}
