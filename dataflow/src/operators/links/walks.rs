//! Where the walks from a subject lead. Pure; docs/semantics.md, section 8.
//!
//! One walk serves all effects of a subject: each spot that it comes to has the stretches of time in which all edges on the way
//! held together, and an effect only has to be met by one of them. A stretch within another one adds nothing and is left
//! out: else the walks through a dense topology would be as many as its paths.

use std::cmp::{Ordering, Reverse};

use schemas::catalogue::Kind;
use schemas::time::EventTime;

use crate::operators::links::entities::{Entities, EntityNumber, PlaceNumber};
use crate::operators::links::ways::{START, Ways};
use crate::operators::links::{Effect, Valid};

/// The way that led to an entity, and the entity.
pub(super) type Spot = (u16, EntityNumber);

/// A spot, and when the edges on the way held all together. In order, those of one spot are side by side; none lies within
/// another, so that they are in the order of their beginnings and of their ends alike.
pub(super) type Stretch = (Spot, Valid);

/// So many stretches are gathered before those within others are left out.
const GATHERED_MIN: usize = 4_096;

/// The walks from one subject, whichever of its effects they are for. Lists in order: they are made anew, never changed.
#[derive(Debug, Default)]
pub(super) struct Walks {
    /// Where some rule looks for causes.
    reached: Vec<Stretch>,
    /// Whose edges were followed, or would have been.
    places: Vec<PlaceNumber>,
}

/// Walks from an entity over the edges, for effects of a kind.
pub(super) fn walk(ways: &Ways, entities: &Entities, (entity, kind): (EntityNumber, Kind)) -> Walks {
    let mut walks = Walks::default();
    let always = Valid { from: EventTime(i64::MIN), to: EventTime(i64::MAX) };
    let mut present: Vec<Stretch> = vec![((START, entity), always)];
    while !present.is_empty() {
        let (mut next, mut gathered_max) = (Vec::new(), GATHERED_MIN);
        for of_way in present.chunk_by(|((left, _), _), ((right, _), _)| left == right) {
            let ((way, _), _) = of_way[0];
            for (label, onward) in ways.steps(way, kind) {
                for stretches in spots(of_way) {
                    let ((_, here), _) = stretches[0];
                    walks.places.push((here, label));
                    for (there, edge) in entities[here].edges(label) {
                        next.extend(stretches.iter().map(|(_, held)| ((onward, there), both(*held, edge))));
                        if gathered_max < next.len() {
                            leave_out_those_within_others(&mut next);
                            gathered_max = GATHERED_MIN.max(2 * next.len());
                        }
                    }
                }
            }
            if ways.looks(way, kind) {
                walks.reached.extend_from_slice(of_way);
            }
        }
        leave_out_those_within_others(&mut next);
        present = next;
    }
    walks.settled()
}

/// While both held.
fn both(one: Valid, other: Valid) -> Valid {
    Valid { from: one.from.max(other.from), to: one.to.min(other.to) }
}

/// Leaves the stretches in order.
fn leave_out_those_within_others(stretches: &mut Vec<Stretch>) {
    stretches.sort_unstable_by_key(|(spot, held)| (*spot, held.from, Reverse(held.to)));
    // Of those that began no later, the last one that was kept held longest.
    stretches.dedup_by(|(spot, held), (kept_spot, kept)| spot == kept_spot && held.to <= kept.to);
}

/// Stretches, which are in order, by their spots.
fn spots(stretches: &[Stretch]) -> impl Iterator<Item = &[Stretch]> {
    stretches.chunk_by(|(left, _), (right, _)| left == right)
}

/// Whether an effect can have come to a spot with such stretches: of those that began in time, the last one held longest.
pub(super) fn meet(stretches: &[Stretch], effect: &Effect) -> bool {
    let begun = stretches.partition_point(|(_, held)| held.has_begun(effect));
    stretches[..begun].last().is_some_and(|(_, held)| held.still_held(effect))
}

impl Walks {
    /// In order, and in as much memory as it takes: many are kept, for long.
    fn settled(mut self) -> Self {
        self.reached.sort_unstable();
        self.places.sort_unstable();
        self.places.dedup();
        self.reached.shrink_to_fit();
        self.places.shrink_to_fit();
        self
    }

    /// Where causes are looked for: the stretches of each spot.
    pub(super) fn spots(&self) -> impl Iterator<Item = &[Stretch]> {
        spots(&self.reached)
    }

    /// Stretches of the spots that have others in later walks: before and after, none where it was not come to.
    pub(super) fn changed_stretches<'a>(&'a self, new: &'a Walks) -> Vec<(&'a [Stretch], &'a [Stretch])> {
        let by_spot = side_by_side(self.spots(), new.spots(), |stretches| stretches[0].0);
        let filled = by_spot.map(|(old, new)| (old.unwrap_or_default(), new.unwrap_or_default()));
        filled.filter(|(old, new)| old != new).collect()
    }

    /// Spots that only these walks come to, with false, and those that only later ones come to, with true.
    pub(super) fn changed_spots(&self, new: &Walks) -> impl Iterator<Item = (Spot, bool)> {
        let spot = |stretches: &[Stretch]| stretches[0].0;
        one_sided(self.spots().map(spot), new.spots().map(spot))
    }

    /// Places that only these walks pass, with false, and those that only later ones pass, with true.
    pub(super) fn changed_places(&self, new: &Walks) -> impl Iterator<Item = (PlaceNumber, bool)> {
        one_sided(self.places.iter().copied(), new.places.iter().copied())
    }
}

/// What only the first of two sequences in order has, with false, and what only the second one has, with true.
fn one_sided<T: Copy + Ord>(
    old: impl Iterator<Item = T>,
    new: impl Iterator<Item = T>,
) -> impl Iterator<Item = (T, bool)> {
    side_by_side(old, new, |item| *item).filter_map(|change| match change {
        (Some(gone), None) => Some((gone, false)),
        (None, Some(come)) => Some((come, true)),
        _ => None,
    })
}

/// Two sequences in order, those with the same key together.
fn side_by_side<T, K: Ord>(
    left: impl Iterator<Item = T>,
    right: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = (Option<T>, Option<T>)> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => key(left).cmp(&key(right)),
        };
        Some((left.next_if(|_| order.is_le()), right.next_if(|_| order.is_ge())))
    })
}

#[cfg(test)]
mod tests {
    use differential_dataflow::Hashable;

    use super::*;

    #[test]
    fn only_stretches_within_no_other_stay() {
        for seed in 0..500u64 {
            let drawn: Vec<Stretch> = (0..8u64)
                .map(|number| {
                    let draw = (seed, number).hashed();
                    let held =
                        Valid { from: EventTime((draw % 6) as i64), to: EventTime((draw / 6 % 6) as i64) };
                    ((START, (draw / 36 % 2) as EntityNumber), held)
                })
                .collect();
            let mut kept = drawn.clone();
            leave_out_those_within_others(&mut kept);
            let within = |(spot, one): &Stretch, (other_spot, other): &Stretch| {
                spot == other_spot && other.from <= one.from && one.to <= other.to
            };
            let mut expected = drawn.clone();
            expected.sort();
            expected.dedup();
            let all = expected.clone();
            expected.retain(|one| !all.iter().any(|other| other != one && within(one, other)));
            assert_eq!(kept, expected, "seed {seed}: {drawn:?}");
        }
    }
}
