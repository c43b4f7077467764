//! What is to be explained: the live effects of one kind on one entity, and the walks that they share.
//!
//! A change of edges that can tell for no live effect ([`Bounds::can_tell`]) lets the walks become stale: they are made anew
//! when the next effect comes. An effect is met by a stretch exactly if it is met by each edge on the way, so that while no
//! edge starts or ceases to meet an effect, the spots where it is met are the same ones, stale or not.

use schemas::ids::{EntityId, EpisodeId};
use schemas::time::{Diff, EventTime};

use crate::operators::links::entities::{ALL_EPISODES, ALL_TIMES, EntityNumber, SubjectNumber};
use crate::operators::links::walks::{Walks, meet};
use crate::operators::links::{Effect, Place, Subject, Valid};
use crate::operators::maintain::replace;
use crate::ordered::Ordered;
use crate::rows::Link;

/// A change of an edge.
pub(super) type EdgeChange = (Place, (EntityId, Valid), Diff);

/// An effect among those of its subject.
pub(super) type EffectKey = (EventTime, EpisodeId);

/// Effects whose links are to be chosen anew, each once.
#[derive(Debug, Default)]
pub(super) struct Dirty(Vec<(Subject, EffectKey, SubjectNumber)>);

/// What is known of an effect.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) earliest: EventTime,
    pub(super) links: Vec<Link>,
    /// It is among the dirty ones already.
    dirty: bool,
}

/// A subject with live effects.
#[derive(Debug)]
pub(super) struct Explained {
    pub(super) subject: Subject,
    pub(super) entity: EntityNumber,
    pub(super) effects: Ordered<EffectKey, Linked>,
    pub(super) walks: Walks,
    state: State,
    bounds: Bounds,
}

/// What walks are good for, since edges have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For any effect.
    Fresh,
    /// For the effects there are.
    Stale,
    /// For none: they are to be made anew in this epoch.
    Wrong,
}

/// Between which times the effects of a subject lie. They may be wider than the effects, which come and go.
#[derive(Debug)]
struct Bounds {
    /// Meets each edge that any of them meets: the last onset, and the least of the earliest times.
    easiest: Effect,
    /// Meets only edges that all of them meet: the first onset, and the greatest of the earliest times.
    hardest: Effect,
}

impl Explained {
    /// A subject without effects, never walked from.
    pub(super) fn new(subject: Subject, entity: EntityNumber) -> Self {
        Explained {
            subject,
            entity,
            effects: Ordered::default(),
            walks: Walks::default(),
            state: State::Stale,
            bounds: Bounds::none(),
        }
    }

    /// Whether the walks are those of any effect that comes.
    pub(super) fn is_fresh(&self) -> bool {
        self.state == State::Fresh
    }

    /// Edges have changed, at one place that the walks pass. Whether that, first of all such changes, makes the walks wrong.
    pub(super) fn edges_changed(&mut self, changes: &[EdgeChange]) -> bool {
        if self.state == State::Wrong {
            return false;
        }
        let tells = !self.effects.is_empty() && self.bounds.can_tell(changes);
        self.state = if tells { State::Wrong } else { State::Stale };
        tells
    }

    /// Takes walks that are up to date; gives back those there were.
    pub(super) fn renew(&mut self, walks: Walks) -> Walks {
        self.state = State::Fresh;
        self.bounds = Bounds::none();
        for (&(onset, id), linked) in self.effects.iter() {
            self.bounds.include(&Effect { onset, id, earliest: linked.earliest });
        }
        std::mem::replace(&mut self.walks, walks)
    }

    /// Adds an effect, without links.
    pub(super) fn add(&mut self, number: SubjectNumber, effect: &Effect, dirty: &mut Dirty) {
        let mut linked = Linked { earliest: effect.earliest, links: Vec::new(), dirty: false };
        let key = (effect.onset, effect.id);
        dirty.add((self.subject, number), key, &mut linked);
        self.effects.insert(key, linked);
        self.bounds.include(effect);
    }

    /// Effects with an onset from one time to another are dirty.
    pub(super) fn touch(
        &mut self,
        number: SubjectNumber,
        (from, to): (EventTime, EventTime),
        dirty: &mut Dirty,
    ) {
        let all = (from, ALL_EPISODES.0)..=(to.max(from), ALL_EPISODES.1);
        for (key, linked) in self.effects.range_mut(all) {
            dirty.add((self.subject, number), *key, linked);
        }
    }

    /// Effects for which a way has opened or closed since older walks are dirty.
    pub(super) fn touch_met_otherwise(&mut self, number: SubjectNumber, old: &Walks, dirty: &mut Dirty) {
        let changed = old.changed_stretches(&self.walks);
        if changed.is_empty() {
            return;
        }
        let all = (ALL_TIMES.0, ALL_EPISODES.0)..=(ALL_TIMES.1, ALL_EPISODES.1);
        for (&(onset, id), linked) in self.effects.range_mut(all) {
            let effect = Effect { onset, id, earliest: linked.earliest };
            if changed.iter().any(|(old, new)| meet(old, &effect) != meet(new, &effect)) {
                dirty.add((self.subject, number), (onset, id), linked);
            }
        }
    }
}

impl Linked {
    /// Takes other links, and is no longer dirty.
    pub(super) fn relink(&mut self, links: Vec<Link>, emit: impl FnMut(Link, Diff)) {
        self.dirty = false;
        replace(&mut self.links, links, emit);
    }
}

impl Dirty {
    fn add(&mut self, (subject, number): (Subject, SubjectNumber), key: EffectKey, linked: &mut Linked) {
        if !std::mem::replace(&mut linked.dirty, true) {
            self.0.push((subject, key, number));
        }
    }

    /// In order of the subjects' ids, not of their numbers: links are emitted in an order that restarts do not change.
    pub(super) fn in_order(self) -> impl Iterator<Item = (SubjectNumber, EffectKey)> {
        let Dirty(mut effects) = self;
        effects.sort_unstable();
        effects.into_iter().map(|(_, key, number)| (number, key))
    }
}

impl Bounds {
    fn none() -> Self {
        let (first, last) = ALL_TIMES;
        Bounds {
            easiest: Effect { onset: first, id: ALL_EPISODES.0, earliest: last },
            hardest: Effect { onset: last, id: ALL_EPISODES.0, earliest: first },
        }
    }

    fn include(&mut self, effect: &Effect) {
        let Bounds { easiest, hardest } = self;
        easiest.onset = easiest.onset.max(effect.onset);
        easiest.earliest = easiest.earliest.min(effect.earliest);
        hardest.onset = hardest.onset.min(effect.onset);
        hardest.earliest = hardest.earliest.max(effect.earliest);
    }

    /// Whether changes at one place, in order of where the edges lead, can be told by any effect.
    fn can_tell(&self, changes: &[EdgeChange]) -> bool {
        let same_end = |(_, (left, _), _): &EdgeChange, (_, (right, _), _): &EdgeChange| left == right;
        changes.chunk_by(same_end).any(|changes| match changes {
            [(_, (_, one), diff), (_, (_, other), other_diff)] if *diff == -other_diff => {
                self.can_tell_apart(*one, *other)
            }
            _ => changes.iter().any(|(_, (_, edge), _)| self.may_meet(*edge)),
        })
    }

    /// Whether any effect may meet one of two edges and not the other.
    fn can_tell_apart(&self, one: Valid, other: Valid) -> bool {
        let longer = Valid { from: one.from.min(other.from), to: one.to.max(other.to) };
        let shorter = Valid { from: one.from.max(other.from), to: one.to.min(other.to) };
        let by_beginning = longer.from < shorter.from && !shorter.has_begun(&self.hardest);
        let by_end = shorter.to < longer.to && !shorter.still_held(&self.hardest);
        self.may_meet(longer) && (by_beginning || by_end)
    }

    /// Whether any effect may meet an edge.
    fn may_meet(&self, edge: Valid) -> bool {
        edge.has_begun(&self.easiest) && edge.still_held(&self.easiest)
    }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::Hashable;
    use schemas::catalogue::Direction;
    use schemas::entity::RelationKind;
    use schemas::ids::Tenant;

    use super::*;

    fn effect(onset: u64, earliest: u64) -> Effect {
        let time = |hundreds: u64| EventTime(hundreds as i64 * 100_000);
        Effect { onset: time(onset), id: EpisodeId(onset), earliest: time(earliest) }
    }

    fn change(from: i64, to: i64, diff: Diff) -> EdgeChange {
        let place = (Tenant(1), EntityId(1), RelationKind::Owns, Direction::Forward);
        (place, (EntityId(2), Valid { from: EventTime(from), to: EventTime(to) }), diff)
    }

    #[test]
    fn whatever_an_effect_can_tell_is_told() {
        for seed in 0..2_000u64 {
            let draw = |number: u64| (seed, number).hashed() % 20;
            let effects: Vec<Effect> =
                (0..draw(0) % 4).map(|n| effect(draw(2 * n + 1), draw(2 * n + 2))).collect();
            let mut bounds = Bounds::none();
            effects.iter().for_each(|effect| bounds.include(effect));
            let edge = |n, diff| change(draw(n) as i64 * 100_000, draw(n + 1) as i64 * 100_000, diff);
            let changes = [edge(20, -1), edge(22, 1)];
            let copies = |effect: &Effect| -> Diff {
                let met = changes
                    .iter()
                    .filter(|(_, (_, edge), _)| edge.has_begun(effect) && edge.still_held(effect));
                met.map(|(_, _, diff)| diff).sum()
            };
            let told = effects.iter().any(|effect| copies(effect) != 0);
            assert!(!told || bounds.can_tell(&changes), "seed {seed}: {effects:?}, {changes:?}");
        }
    }

    #[test]
    fn an_edge_that_ends_or_begins_well_after_all_effects_tells_them_nothing() {
        let mut bounds = Bounds::none();
        bounds.include(&effect(10, 9));
        bounds.include(&effect(50, 50));
        let (replaced_ms, forever) = (10_000_000, i64::MAX);
        let ends = [change(3_000_000, replaced_ms, 1), change(3_000_000, forever, -1)];
        assert!(!bounds.can_tell(&ends) && !bounds.can_tell(&[change(replaced_ms, forever, 1)]));
        bounds.include(&effect(110, 110));
        assert!(bounds.can_tell(&ends) && bounds.can_tell(&[change(replaced_ms, forever, 1)]));
        assert!(!Bounds::none().can_tell(&ends), "there is no one to tell");
    }
}
