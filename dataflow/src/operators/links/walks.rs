//! Where the walks from a subject lead. Pure; docs/semantics.md, section 8.
//!
//! One walk serves all effects of a subject: each place that it comes to has the stretches of time in which all edges on the way
//! held together, so that an effect only has to be met by one of them. A stretch within another one adds nothing and is left
//! out, without which the walks through a dense topology would be as many as its paths.

use std::collections::BTreeMap;

use schemas::ids::EntityId;
use schemas::time::EventTime;

use crate::operators::links::ways::{START, Ways};
use crate::operators::links::{Place, Subject, Valid};
use crate::values::Values;

/// Edges by either end.
pub(super) type Edges = BTreeMap<Place, Values<(EntityId, Valid)>>;

/// Where a walk leads, and when its edges held all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reached {
    pub(super) entity: EntityId,
    pub(super) way: u16,
    pub(super) valid: Valid,
}

/// The walks from one subject, whichever of its effects they are for.
#[derive(Debug)]
pub(super) struct Walks {
    /// Where some rule looks for causes; in order, each once.
    pub(super) reached: Vec<Reached>,
    /// Whose edges were followed, or would have been; in order, each once.
    pub(super) places: Vec<Place>,
}

/// Walks from a subject over the edges.
pub(super) fn walk(ways: &Ways, edges: &Edges, (tenant, entity, kind): Subject) -> Walks {
    let (mut reached, mut places) = (Vec::new(), Vec::new());
    let always = Valid { from: EventTime(i64::MIN), to: EventTime(i64::MAX) };
    let mut present: BTreeMap<(EntityId, u16), Vec<Valid>> =
        BTreeMap::from([((entity, START), vec![always])]);
    while !present.is_empty() {
        let mut next: BTreeMap<(EntityId, u16), Vec<Valid>> = BTreeMap::new();
        for ((entity, way), stretches) in present {
            for ((relation, direction), onward) in ways.steps(way, kind) {
                let place = (tenant, entity, relation, direction);
                places.push(place);
                for (there, edge) in edges.get(&place).into_iter().flat_map(Values::distinct) {
                    let there = next.entry((*there, onward)).or_default();
                    for stretch in &stretches {
                        let (from, to) = (stretch.from.max(edge.from), stretch.to.min(edge.to));
                        add(there, Valid { from, to });
                    }
                }
            }
            if ways.looks(way, kind) {
                reached.extend(stretches.into_iter().map(|valid| Reached { entity, way, valid }));
            }
        }
        present = next;
    }
    reached.sort_unstable();
    places.sort_unstable();
    places.dedup();
    Walks { reached, places }
}

/// Adds a stretch, unless it lies within another one; those that lie within it go. None lies within another, so that they
/// are in the order of their beginnings and of their ends alike.
fn add(stretches: &mut Vec<Valid>, new: Valid) {
    let not_after = stretches.partition_point(|known| known.from <= new.from);
    if stretches[..not_after].last().is_some_and(|known| new.to <= known.to) {
        return;
    }
    let first = stretches.partition_point(|known| known.from < new.from);
    let within = stretches[first..].partition_point(|known| known.to <= new.to);
    stretches.splice(first..first + within, [new]);
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
            let mut kept = Vec::new();
            drawn.iter().for_each(|new| add(&mut kept, *new));
            let within = |one: &Valid, other: &Valid| other.from <= one.from && one.to <= other.to;
            let mut expected: Vec<Valid> = drawn.clone();
            expected.sort();
            expected.dedup();
            let all = expected.clone();
            expected.retain(|one| !all.iter().any(|other| other != one && within(one, other)));
            assert_eq!(kept, expected, "seed {seed}: {drawn:?}");
        }
    }
}
