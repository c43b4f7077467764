//! The entities that links are chosen over, by number, each with all that is known of it.
//!
//! An entity has a number from the first edge, cause or effect that names it until none does and no walk passes it, which is looked
//! at when an epoch's changes are made; see `keyed.rs`.

use schemas::catalogue::Kind;
use schemas::ids::{EntityId, EpisodeId, Tenant};
use schemas::time::{Diff, EventTime};

use crate::keyed::Keyed;
use crate::operators::links::strength::until;
use crate::operators::links::walks::Walks;
use crate::operators::links::ways::Label;
use crate::operators::links::{Cause, Valid};
use crate::ordered::{Ordered, OrderedSet};

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
#[derive(Debug, Default)]
pub(super) struct Entity {
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
pub(super) struct Entities(Keyed<(Tenant, EntityId), Entity>);

impl Entity {
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
        &self.0[number]
    }
}

impl Entities {
    /// The number of an entity, which gets one if it has none.
    pub(super) fn number(&mut self, id: (Tenant, EntityId)) -> EntityNumber {
        self.0.number(id)
    }

    /// An edge is said to lead from a place to an entity more or less often.
    pub(super) fn change_edge(
        &mut self,
        (here, label): PlaceNumber,
        (there, valid): (EntityNumber, Valid),
        diff: Diff,
    ) {
        self.0[there].arrivals += diff;
        let edges = &mut self.0[here].edges;
        let copies = edges.or_default((label, there, valid));
        *copies += diff;
        if *copies == 0 {
            edges.remove(&(label, there, valid));
            [here, there].into_iter().for_each(|end| self.0.doubt(end));
        }
    }

    /// A cause came, went or changed.
    pub(super) fn move_cause(
        &mut self,
        (here, kind): (EntityNumber, Kind),
        (before, after): (Option<&Cause>, Option<&Cause>),
    ) {
        let key = |cause: &Cause| (kind, until(&cause.when), cause.id);
        let causes = &mut self.0[here].causes;
        if let Some(cause) = before {
            causes.remove(&key(cause));
        }
        if let Some(cause) = after {
            causes.insert(key(cause), *cause);
        } else {
            self.0.doubt(here);
        }
    }

    /// An entity's own subject of a kind.
    pub(super) fn subject(&self, here: EntityNumber, kind: Kind) -> Option<SubjectNumber> {
        self.0[here].subjects.get(&kind).copied()
    }

    pub(super) fn add_subject(&mut self, here: EntityNumber, kind: Kind, subject: SubjectNumber) {
        self.0[here].subjects.insert(kind, subject);
    }

    pub(super) fn remove_subject(&mut self, here: EntityNumber, kind: Kind) {
        self.0[here].subjects.remove(&kind);
        self.0.doubt(here);
    }

    /// The walks of a subject with effects of a kind are others: changes at what they pass and reach concern it.
    pub(super) fn rewatch(&mut self, (subject, kind): (SubjectNumber, Kind), old: &Walks, new: &Walks) {
        for ((here, label), passes) in old.changed_places(new) {
            let walkers = &mut self.0[here].walkers;
            if passes {
                walkers.insert((label, subject), ());
            } else {
                walkers.remove(&(label, subject));
                self.0.doubt(here);
            }
        }
        for ((way, here), looks) in old.changed_spots(new) {
            let seekers = &mut self.0[here].seekers;
            if looks {
                seekers.insert((kind, way, subject), ());
            } else {
                seekers.remove(&(kind, way, subject));
                self.0.doubt(here);
            }
        }
    }

    /// Forgets the entities that nothing needs any more.
    pub(super) fn forget_unused(&mut self) {
        self.0.forget(Entity::is_unused);
    }
}

#[cfg(test)]
impl Entities {
    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
