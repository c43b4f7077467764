//! What links are chosen from, and which effects a change can touch. Pure.
//!
//! An epoch's changes are applied first; then every effect that they can touch is looked at anew:
//!
//! - an edge touches the effects whose walks pass its end, if a way to some place opens or closes for them;
//! - a cause touches the effects of the subjects that look at its entity, whose onset a window of their rules allows; one
//!   that only goes on, or ends, touches those between its old reach and its new one, which mostly are none.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use schemas::catalogue::Kind;
use schemas::ids::{EntityId, EpisodeId, Tenant};
use schemas::time::{Diff, EventTime};

use crate::operators::links::choice::{choose, judge};
use crate::operators::links::strength::{span, until};
use crate::operators::links::walks::{Edges, Reached, Stretches, Walks, walk};
use crate::operators::links::ways::Ways;
use crate::operators::links::{Candidate, Cause, Effect, Part, Place, Subject, Valid};
use crate::operators::maintain::replace;
use crate::rows::Link;

#[cfg(test)]
mod tests;

/// The least and the greatest of what keys are made of.
const ALL_TIMES: (EventTime, EventTime) = (EventTime(i64::MIN), EventTime(i64::MAX));
const ALL_EPISODES: (EpisodeId, EpisodeId) = (EpisodeId(0), EpisodeId(u64::MAX));
const ALL_SUBJECTS: (Subject, Subject) =
    ((Tenant(0), EntityId(0), Kind(0)), (Tenant(u64::MAX), EntityId(u64::MAX), Kind(u16::MAX)));

/// A live effect: its subject, its onset, itself.
type EffectKey = (Subject, EventTime, EpisodeId);

#[derive(Debug)]
struct Linked {
    earliest: EventTime,
    links: Vec<Link>,
}

/// A subject with live effects.
#[derive(Debug)]
struct Walked {
    effects: usize,
    walks: Walks,
}

/// A cause before and after an epoch.
type Moved = BTreeMap<(Subject, EpisodeId), (Option<Cause>, Option<Cause>)>;

#[derive(Debug)]
pub(super) struct Index {
    ways: Arc<Ways>,
    horizon_ms: i64,
    edges: Edges,
    /// By subject, then by the time they were over.
    causes: BTreeMap<(Subject, EventTime, EpisodeId), Cause>,
    effects: BTreeMap<EffectKey, Linked>,
    subjects: BTreeMap<Subject, Walked>,
    watched: Watched,
}

/// Which subjects a change concerns.
#[derive(Debug, Default)]
struct Watched {
    /// Those whose walks pass a place.
    walkers: BTreeSet<(Place, Subject)>,
    /// Those that look for causes on an entity.
    seekers: BTreeSet<((Tenant, EntityId), Subject)>,
}

impl Index {
    pub(super) fn new(ways: Arc<Ways>, horizon_ms: i64) -> Self {
        Index {
            ways,
            horizon_ms,
            edges: Edges::new(),
            causes: BTreeMap::new(),
            effects: BTreeMap::new(),
            subjects: BTreeMap::new(),
            watched: Watched::default(),
        }
    }

    /// Applies the changes of an epoch; tells what changed of the links.
    pub(super) fn change(&mut self, mut parts: Vec<(Part, Diff)>, mut emit: impl FnMut(Link, Diff)) {
        consolidate(&mut parts);
        let mut places: BTreeMap<Place, Vec<((EntityId, Valid), Diff)>> = BTreeMap::new();
        let mut moved = Moved::new();
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for (part, diff) in parts {
            match part {
                Part::Edge(place, end) => places.entry(place).or_default().push((end, diff)),
                Part::Cause(subject, cause) => {
                    let change = moved.entry((subject, cause.id)).or_default();
                    *(if 0 < diff { &mut change.1 } else { &mut change.0 }) = Some(cause);
                }
                Part::Effect(subject, effect) if 0 < diff => come.push((subject, effect)),
                Part::Effect(subject, effect) => gone.push((subject, effect)),
            }
        }
        for (subject, effect) in gone {
            self.remove(subject, &effect, &mut emit);
        }
        let passing = self.passing(places.keys());
        for (place, ends) in places {
            self.change_edges(place, ends);
        }
        let mut dirty: BTreeSet<EffectKey> = BTreeSet::new();
        for subject in passing {
            self.walk_again(subject, &mut dirty);
        }
        for (subject, effect) in come {
            dirty.insert(self.add(subject, &effect));
        }
        for ((subject, id), change) in moved {
            self.move_cause(subject, id, change, &mut dirty);
        }
        for key in dirty {
            self.link(key, &mut emit);
        }
    }

    fn change_edges(&mut self, place: Place, changes: Vec<((EntityId, Valid), Diff)>) {
        let ends = self.edges.entry(place).or_default();
        ends.apply(changes);
        if ends.is_empty() {
            self.edges.remove(&place);
        }
    }

    /// Removes an effect, and with the last one what is known of its subject.
    fn remove(&mut self, subject: Subject, effect: &Effect, emit: &mut impl FnMut(Link, Diff)) {
        let linked = self.effects.remove(&(subject, effect.onset, effect.id));
        linked.into_iter().flat_map(|linked| linked.links).for_each(|link| emit(link, -1));
        let Entry::Occupied(mut walked) = self.subjects.entry(subject) else { return };
        walked.get_mut().effects -= 1;
        if walked.get().effects == 0 {
            let Walked { walks, .. } = walked.remove();
            self.watched.change(subject, &walks, &Walks::default());
        }
    }

    /// Adds an effect.
    fn add(&mut self, subject: Subject, effect: &Effect) -> EffectKey {
        match self.subjects.get_mut(&subject) {
            Some(walked) => walked.effects += 1,
            None => {
                let walks = walk(&self.ways, &self.edges, subject);
                self.watched.change(subject, &Walks::default(), &walks);
                self.subjects.insert(subject, Walked { effects: 1, walks });
            }
        }
        let key = (subject, effect.onset, effect.id);
        self.effects.insert(key, Linked { earliest: effect.earliest, links: Vec::new() });
        key
    }

    /// Subjects whose walks pass any of these places.
    fn passing<'a>(&self, places: impl Iterator<Item = &'a Place>) -> BTreeSet<Subject> {
        let by =
            |place: &Place| self.watched.walkers.range((*place, ALL_SUBJECTS.0)..=(*place, ALL_SUBJECTS.1));
        places.flat_map(by).map(|(_, subject)| *subject).collect()
    }

    /// Walks from a subject anew.
    fn walk_again(&mut self, subject: Subject, dirty: &mut BTreeSet<EffectKey>) {
        let new = walk(&self.ways, &self.edges, subject);
        let Some(walked) = self.subjects.get_mut(&subject) else { return };
        let old = std::mem::replace(&mut walked.walks, new);
        self.watched.change(subject, &old, &walked.walks);
        self.opened_or_closed(subject, &old, dirty);
    }

    /// Effects of a subject for which a way has opened or closed are dirty.
    fn opened_or_closed(&self, subject: Subject, old: &Walks, dirty: &mut BTreeSet<EffectKey>) {
        let Some(Walked { walks: new, .. }) = self.subjects.get(&subject) else { return };
        let places: BTreeSet<&Reached> = old.reached.keys().chain(new.reached.keys()).collect();
        let of = |place: &Reached| (old.reached.get(place), new.reached.get(place));
        let changed: Vec<_> = places.into_iter().map(of).filter(|(old, new)| old != new).collect();
        if changed.is_empty() {
            return;
        }
        for (key, linked) in self.effects.range(effects_of(subject, ALL_TIMES)) {
            let effect = effect(key, linked);
            let meet = |stretches: Option<&Stretches>| stretches.is_some_and(|known| known.meet(&effect));
            if changed.iter().any(|(old, new)| meet(*old) != meet(*new)) {
                dirty.insert(*key);
            }
        }
    }

    /// A cause came, went or changed.
    fn move_cause(
        &mut self,
        subject: Subject,
        id: EpisodeId,
        (before, after): (Option<Cause>, Option<Cause>),
        dirty: &mut BTreeSet<EffectKey>,
    ) {
        if let Some(cause) = &before {
            self.causes.remove(&(subject, until(&cause.when), id));
        }
        if let Some(cause) = after {
            self.causes.insert((subject, until(&cause.when), id), cause);
        }
        let (tenant, entity, kind) = subject;
        let seekers = ((tenant, entity), ALL_SUBJECTS.0)..=((tenant, entity), ALL_SUBJECTS.1);
        for (_, seeker) in self.watched.seekers.range(seekers) {
            for window_ms in self.ways.windows(seeker.2, kind) {
                for onsets in touched(window_ms, self.horizon_ms, before.as_ref(), after.as_ref()) {
                    dirty.extend(self.effects.range(effects_of(*seeker, onsets)).map(|(key, _)| *key));
                }
            }
        }
    }

    /// Chooses the links of an effect anew.
    fn link(&mut self, key: EffectKey, emit: &mut impl FnMut(Link, Diff)) {
        let Some(linked) = self.effects.get(&key) else { return };
        let candidates = self.candidates(key.0, &effect(&key, linked));
        let links = choose(&self.ways, key.0, key.2, &candidates);
        if let Some(linked) = self.effects.get_mut(&key) {
            replace(&mut linked.links, links, emit);
        }
    }

    fn candidates(&self, subject: Subject, effect: &Effect) -> Vec<Candidate> {
        let (tenant, _, kind) = subject;
        let mut found = Vec::new();
        let reached = self.subjects.get(&subject).into_iter().flat_map(|walked| &walked.walks.reached);
        for ((entity, way), _) in reached.filter(|(_, stretches)| stretches.meet(effect)) {
            for cause_kind in self.kinds_of_causes(tenant, *entity) {
                for (rule, spec) in self.ways.rules(*way, tenant, (kind, cause_kind)) {
                    let place = (tenant, *entity, cause_kind);
                    let over_since = effect.onset.plus_ms(spec.window_ms.saturating_neg());
                    let in_reach = (place, over_since, ALL_EPISODES.0)..=(place, ALL_TIMES.1, ALL_EPISODES.1);
                    let causes = self.causes.range(in_reach).map(|(_, cause)| (cause_kind, cause));
                    found.extend(causes.filter_map(|cause| {
                        judge(&self.ways, self.horizon_ms, (kind, effect), cause, (rule, *way))
                    }));
                }
            }
        }
        found
    }

    /// Kinds of the causes on an entity, in order: the tree is asked for each of them, not for each cause.
    fn kinds_of_causes(&self, tenant: Tenant, entity: EntityId) -> impl Iterator<Item = Kind> + '_ {
        let of = move |kind| ((tenant, entity, kind), ALL_TIMES.0, ALL_EPISODES.0);
        let last = ((tenant, entity, Kind(u16::MAX)), ALL_TIMES.1, ALL_EPISODES.1);
        let from = move |first| Some(self.causes.range(of(first)..=last).next()?.0.0.2);
        std::iter::successors(from(Kind(0)), move |kind| from(Kind(kind.0.checked_add(1)?)))
    }
}

impl Watched {
    fn change(&mut self, subject: Subject, old: &Walks, new: &Walks) {
        let entity = |(entity, _): &Reached| (subject.0, *entity);
        for place in old.places.difference(&new.places) {
            self.walkers.remove(&(*place, subject));
        }
        self.walkers.extend(new.places.difference(&old.places).map(|place| (*place, subject)));
        if old.reached.keys().eq(new.reached.keys()) {
            return;
        }
        let (before, after): (BTreeSet<_>, BTreeSet<_>) =
            (old.reached.keys().map(entity).collect(), new.reached.keys().map(entity).collect());
        for entity in before.difference(&after) {
            self.seekers.remove(&(*entity, subject));
        }
        self.seekers.extend(after.difference(&before).map(|entity| (*entity, subject)));
    }
}

/// Effects of a subject with an onset from one time to another.
fn effects_of(subject: Subject, (from, to): (EventTime, EventTime)) -> std::ops::RangeInclusive<EffectKey> {
    (subject, from, ALL_EPISODES.0)..=(subject, to.max(from), ALL_EPISODES.1)
}

fn effect(&(_, onset, id): &EffectKey, linked: &Linked) -> Effect {
    Effect { onset, id, earliest: linked.earliest }
}

/// Onsets of the effects that a change of a cause can touch by a rule with such a window.
fn touched(
    window_ms: i64,
    horizon_ms: i64,
    before: Option<&Cause>,
    after: Option<&Cause>,
) -> Vec<(EventTime, EventTime)> {
    let onsets = |cause: &Cause| span(window_ms, horizon_ms, &cause.when);
    let Some((before, after)) = before.zip(after) else {
        return before.into_iter().chain(after).map(onsets).collect();
    };
    let (old, new) = (onsets(before), onsets(after));
    let began_alike = (before.when.onset, before.when.earliest) == (after.when.onset, after.when.earliest);
    if !began_alike {
        return vec![old, new];
    }
    // Within both reaches it is what it was.
    let (first, last) = (old.1.min(new.1), old.1.max(new.1));
    if first == last { Vec::new() } else { vec![(first.plus_ms(1), last)] }
}
