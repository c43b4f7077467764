//! The entities that links are chosen over, by number, each with all that is known of it.
//!
//! An entity has a number from the first edge, cause or effect that names it until none does and no walk passes it. That is
//! looked at once an epoch, when all changes are made ([`Entities::forget_unused`]), so that within an epoch a number means
//! the same. Numbers are given as entities come: nothing that is emitted may depend on their order.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use schemas::catalogue::Kind;
use schemas::ids::{EntityId, EpisodeId, Tenant};
use schemas::time::{Diff, EventTime};

use crate::operators::links::numbered::Numbered;
use crate::operators::links::ordered::{Ordered, OrderedSet};
use crate::operators::links::strength::until;
use crate::operators::links::walks::Walks;
use crate::operators::links::ways::Label;
use crate::operators::links::{Cause, Valid};

/// An entity.
pub(super) type EntityNumber = u32;

/// A subject with live effects.
pub(super) type SubjectNumber = u32;

/// A place in the topology and the verb to follow from there.
pub(super) type PlaceNumber = (EntityNumber, Label);

/// The least and the greatest of what keys are made of.
pub(super) const ALL_TIMES: (EventTime, EventTime) = (EventTime(i64::MIN), EventTime(i64::MAX));
pub(super) const ALL_EPISODES: (EpisodeId, EpisodeId) = (EpisodeId(0), EpisodeId(u64::MAX));
const ALL_NUMBERS: (u32, u32) = (0, u32::MAX);

/// What is known of an entity.
#[derive(Debug)]
pub(super) struct Entity {
    id: (Tenant, EntityId),
    /// How many edges lead here.
    arrivals: Diff,
    /// Where steps lead, and when; how often that was said.
    edges: Ordered<(Label, EntityNumber, Valid), Diff>,
    /// By kind, then by the time they were over.
    causes: Ordered<(Kind, EventTime, EpisodeId), Cause>,
    /// Its own, by kind.
    subjects: Ordered<Kind, SubjectNumber>,
    /// Subjects whose walks follow edges from here, or would.
    walkers: OrderedSet<(Label, SubjectNumber)>,
    /// Subjects that look for causes here: the kind of their effects, and the way that led here.
    seekers: OrderedSet<(Kind, u16, SubjectNumber)>,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Entities {
    numbers: BTreeMap<(Tenant, EntityId), EntityNumber>,
    entities: Numbered<Entity>,
    /// Those that may have become of no use in this epoch: they are new, or have lost something.
    doubtful: Vec<EntityNumber>,
}

impl Entity {
    fn new(id: (Tenant, EntityId)) -> Self {
        Entity {
            id,
            arrivals: 0,
            edges: Ordered::default(),
            causes: Ordered::default(),
            subjects: Ordered::default(),
            walkers: Ordered::default(),
            seekers: Ordered::default(),
        }
    }

    /// Where steps with a label lead from here, and when.
    pub(super) fn edges(&self, label: Label) -> impl Iterator<Item = (EntityNumber, Valid)> {
        let first = (label, ALL_NUMBERS.0, Valid { from: ALL_TIMES.0, to: ALL_TIMES.0 });
        let last = (label, ALL_NUMBERS.1, Valid { from: ALL_TIMES.1, to: ALL_TIMES.1 });
        self.edges.range(first..=last).map(|((_, there, valid), _)| (*there, *valid))
    }

    /// Kinds of the causes on it: each is found by itself, and not by looking at each cause.
    pub(super) fn kinds_of_causes(&self) -> impl Iterator<Item = Kind> {
        let first = self.causes.iter().next().map(|((kind, ..), _)| *kind);
        std::iter::successors(first, |kind| {
            let rest = (*kind, ALL_TIMES.1, ALL_EPISODES.1)..=(Kind(u16::MAX), ALL_TIMES.1, ALL_EPISODES.1);
            self.causes.range(rest).map(|((next, ..), _)| *next).find(|next| next != kind)
        })
    }

    /// Causes of a kind on it that were not over at a time.
    pub(super) fn causes(&self, kind: Kind, over_since: EventTime) -> impl Iterator<Item = &Cause> {
        let in_reach = (kind, over_since, ALL_EPISODES.0)..=(kind, ALL_TIMES.1, ALL_EPISODES.1);
        self.causes.range(in_reach).map(|(_, cause)| cause)
    }

    /// Subjects whose walks follow edges with a label from here, or would.
    pub(super) fn walkers(&self, label: Label) -> impl Iterator<Item = SubjectNumber> {
        let all = (label, ALL_NUMBERS.0)..=(label, ALL_NUMBERS.1);
        self.walkers.range(all).map(|((_, subject), ())| *subject)
    }

    /// Kinds of the effects for which causes are looked for here, with the ways that led here. Each is found by itself: a hub
    /// has many subjects of few kinds.
    pub(super) fn sought(&self) -> impl Iterator<Item = (Kind, u16)> {
        let last = (Kind(u16::MAX), u16::MAX, ALL_NUMBERS.1);
        let after = move |(kind, way): (Kind, u16)| {
            let mut seekers =
                self.seekers.range((kind, way, ALL_NUMBERS.1)..=last).map(|(seeker, ())| seeker);
            seekers.find(|seeker| (seeker.0, seeker.1) != (kind, way)).map(|seeker| (seeker.0, seeker.1))
        };
        let first = self.seekers.iter().next().map(|((kind, way, _), ())| (*kind, *way));
        std::iter::successors(first, move |known| after(*known))
    }

    /// Subjects with effects of a kind that look for causes here, by a way.
    pub(super) fn seekers(&self, (kind, way): (Kind, u16)) -> impl Iterator<Item = SubjectNumber> {
        let all = (kind, way, ALL_NUMBERS.0)..=(kind, way, ALL_NUMBERS.1);
        self.seekers.range(all).map(|((_, _, subject), ())| *subject)
    }

    fn is_unused(&self) -> bool {
        let unnamed = self.arrivals == 0 && self.edges.is_empty() && self.causes.is_empty();
        unnamed && self.subjects.is_empty() && self.walkers.is_empty() && self.seekers.is_empty()
    }
}

impl std::ops::Index<EntityNumber> for Entities {
    type Output = Entity;

    fn index(&self, number: EntityNumber) -> &Entity {
        &self.entities[number]
    }
}

impl Entities {
    /// The number of an entity, which gets one if it has none.
    pub(super) fn number(&mut self, id: (Tenant, EntityId)) -> EntityNumber {
        match self.numbers.entry(id) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                let number = self.entities.insert(Entity::new(id));
                self.doubtful.push(number);
                *new.insert(number)
            }
        }
    }

    /// An edge is said to lead from a place to an entity more or less often.
    pub(super) fn change_edge(
        &mut self,
        (here, label): PlaceNumber,
        (there, valid): (EntityNumber, Valid),
        diff: Diff,
    ) {
        self.entities[there].arrivals += diff;
        let edges = &mut self.entities[here].edges;
        let copies = edges.or_default((label, there, valid));
        *copies += diff;
        if *copies == 0 {
            edges.remove(&(label, there, valid));
            self.doubtful.extend([here, there]);
        }
    }

    /// A cause came, went or changed.
    pub(super) fn move_cause(
        &mut self,
        (here, kind): (EntityNumber, Kind),
        (before, after): (Option<&Cause>, Option<&Cause>),
    ) {
        let key = |cause: &Cause| (kind, until(&cause.when), cause.id);
        let causes = &mut self.entities[here].causes;
        if let Some(cause) = before {
            causes.remove(&key(cause));
        }
        if let Some(cause) = after {
            causes.insert(key(cause), *cause);
        } else {
            self.doubtful.push(here);
        }
    }

    /// An entity's own subject of a kind.
    pub(super) fn subject(&self, here: EntityNumber, kind: Kind) -> Option<SubjectNumber> {
        self.entities[here].subjects.get(&kind).copied()
    }

    pub(super) fn add_subject(&mut self, here: EntityNumber, kind: Kind, subject: SubjectNumber) {
        self.entities[here].subjects.insert(kind, subject);
    }

    pub(super) fn remove_subject(&mut self, here: EntityNumber, kind: Kind) {
        self.entities[here].subjects.remove(&kind);
        self.doubtful.push(here);
    }

    /// The walks of a subject with effects of a kind are others: changes at what they pass and reach concern it.
    pub(super) fn rewatch(&mut self, (subject, kind): (SubjectNumber, Kind), old: &Walks, new: &Walks) {
        for ((here, label), passes) in old.changed_places(new) {
            let walkers = &mut self.entities[here].walkers;
            if passes {
                walkers.insert((label, subject), ());
            } else {
                walkers.remove(&(label, subject));
                self.doubtful.push(here);
            }
        }
        for ((way, here), looks) in old.changed_spots(new) {
            let seekers = &mut self.entities[here].seekers;
            if looks {
                seekers.insert((kind, way, subject), ());
            } else {
                seekers.remove(&(kind, way, subject));
                self.doubtful.push(here);
            }
        }
    }

    /// Forgets the entities that nothing needs any more.
    pub(super) fn forget_unused(&mut self) {
        let mut doubtful = std::mem::take(&mut self.doubtful);
        doubtful.sort_unstable();
        doubtful.dedup();
        for number in doubtful {
            if self.entities[number].is_unused() {
                let Entity { id, .. } = self.entities.remove(number);
                self.numbers.remove(&id);
            }
        }
    }
}

#[cfg(test)]
impl Entities {
    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.entities.is_empty() && self.doubtful.is_empty()
    }
}
