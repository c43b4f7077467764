//! Where the walks from a subject lead. Pure; docs/semantics.md, section 8.
//!
//! One walk serves all effects of a subject: each place that it comes to has the stretches of time in which all edges on the way
//! held together, and an effect only has to be met by one of them. A stretch within another one adds nothing and is left
//! out: else the walks through a dense topology would be as many as its paths.

use std::collections::{BTreeMap, BTreeSet};

use schemas::ids::EntityId;
use schemas::time::EventTime;

use crate::operators::links::ways::{START, Ways};
use crate::operators::links::{Effect, Place, Subject, Valid};
use crate::values::Values;

/// Edges by either end.
pub(super) type Edges = BTreeMap<Place, Values<(EntityId, Valid)>>;

/// An entity, and the way that led there.
pub(super) type Reached = (EntityId, u16);

/// Stretches of time in which the edges of some way held all together. None lies within another, so that they are in the
/// order of their beginnings and of their ends alike.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stretches(Vec<Valid>);

/// The walks from one subject, whichever of its effects they are for.
#[derive(Debug, Default)]
pub(super) struct Walks {
    /// Where some rule looks for causes.
    pub(super) reached: BTreeMap<Reached, Stretches>,
    /// Whose edges were followed, or would have been.
    pub(super) places: BTreeSet<Place>,
}

/// Walks from a subject over the edges.
pub(super) fn walk(ways: &Ways, edges: &Edges, (tenant, entity, kind): Subject) -> Walks {
    let mut walks = Walks::default();
    let always = Valid { from: EventTime(i64::MIN), to: EventTime(i64::MAX) };
    let mut present = BTreeMap::from([((entity, START), Stretches(vec![always]))]);
    while !present.is_empty() {
        let mut next: BTreeMap<Reached, Stretches> = BTreeMap::new();
        for ((entity, way), stretches) in present {
            for ((relation, direction), onward) in ways.steps(way, kind) {
                let place = (tenant, entity, relation, direction);
                walks.places.insert(place);
                for (there, edge) in edges.get(&place).into_iter().flat_map(Values::distinct) {
                    let there = next.entry((*there, onward)).or_default();
                    for stretch in &stretches.0 {
                        let (from, to) = (stretch.from.max(edge.from), stretch.to.min(edge.to));
                        there.add(Valid { from, to });
                    }
                }
            }
            if ways.looks(way, kind) {
                walks.reached.insert((entity, way), stretches);
            }
        }
        present = next;
    }
    walks
}

impl Stretches {
    /// Adds one, unless it lies within another; those that lie within it go.
    fn add(&mut self, new: Valid) {
        let Stretches(known) = self;
        let not_after = known.partition_point(|known| known.from <= new.from);
        if known[..not_after].last().is_some_and(|known| new.to <= known.to) {
            return;
        }
        let first = known.partition_point(|known| known.from < new.from);
        let within = known[first..].partition_point(|known| known.to <= new.to);
        known.splice(first..first + within, [new]);
    }

    /// Whether an effect can have come over the way: of those that began in time, the last one held longest.
    pub(super) fn meet(&self, effect: &Effect) -> bool {
        let begun = self.0.partition_point(|stretch| stretch.has_begun(effect));
        self.0[..begun].last().is_some_and(|stretch| stretch.still_held(effect))
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::Hashable;

    use super::*;

    fn stretch(from: i64, to: i64) -> Valid {
        Valid { from: EventTime(from), to: EventTime(to) }
    }

    #[test]
    fn only_stretches_within_no_other_stay() {
        for seed in 0..500u64 {
            let drawn: Vec<Valid> = (0..8u64)
                .map(|number| {
                    let draw = (seed, number).hashed();
                    stretch((draw % 6) as i64, (draw / 6 % 6) as i64)
                })
                .collect();
            let mut kept = Stretches::default();
            drawn.iter().for_each(|new| kept.add(*new));
            let within = |one: &Valid, other: &Valid| other.from <= one.from && one.to <= other.to;
            let mut expected: Vec<Valid> = drawn.clone();
            expected.sort();
            expected.dedup();
            let all = expected.clone();
            expected.retain(|one| !all.iter().any(|other| other != one && within(one, other)));
            assert_eq!(kept.0, expected, "seed {seed}: {drawn:?}");
        }
    }
}
