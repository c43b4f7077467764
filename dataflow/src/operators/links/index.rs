//! What links are chosen from, and which effects a change can touch. Pure.
//!
//! An epoch's changes are applied first; then every effect that they can touch is looked at anew:
//!
//! - an edge touches the effects whose walks pass its end, if a way to some spot opens or closes for them; subjects none of
//!   whose effects can tell the difference are not even walked from;
//! - a cause touches the effects of the subjects that look at its entity, whose onset a window of their rules allows; one
//!   that only goes on, or ends, touches those between its old reach and its new one, which mostly are none.

use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use schemas::time::{Diff, EventTime};

use crate::numbered::Numbered;
use crate::operators::links::choice::{choose, judge};
use crate::operators::links::entities::{Entities, SubjectNumber};
use crate::operators::links::strength::span;
use crate::operators::links::subjects::{Dirty, EdgeChange, EffectKey, Explained};
use crate::operators::links::walks::{Walks, meet, walk};
use crate::operators::links::ways::Ways;
use crate::operators::links::{Candidate, Cause, Effect, Part, Subject};
use crate::rows::Link;

#[cfg(test)]
mod tests;

/// A change of a cause.
type CauseChange = (Subject, Cause, Diff);

#[derive(Debug)]
pub(super) struct Index {
    ways: Arc<Ways>,
    horizon_ms: i64,
    entities: Entities,
    subjects: Numbered<Explained>,
}

impl Index {
    pub(super) fn new(ways: Arc<Ways>, horizon_ms: i64) -> Self {
        Index { ways, horizon_ms, entities: Entities::default(), subjects: Numbered::default() }
    }

    /// Applies the changes of an epoch; tells what changed of the links.
    pub(super) fn change(&mut self, mut parts: Vec<(Part, Diff)>, mut emit: impl FnMut(Link, Diff)) {
        // In order, so that what is of one place, or of one cause, is side by side.
        consolidate(&mut parts);
        let (mut edges, mut causes) = (Vec::new(), Vec::new());
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for (part, diff) in parts {
            match part {
                Part::Edge(place, end) => edges.push((place, end, diff)),
                Part::Cause(subject, cause) => causes.push((subject, cause, diff)),
                Part::Effect(subject, effect) if 0 < diff => come.push((subject, effect)),
                Part::Effect(subject, effect) => gone.push((subject, effect)),
            }
        }
        let mut dirty = Dirty::default();
        let remove = |(subject, effect)| self.remove(subject, &effect, &mut emit);
        let emptied: Vec<SubjectNumber> = gone.into_iter().filter_map(remove).collect();
        self.change_edges(&edges, &mut dirty);
        for (subject, effect) in come {
            self.add(subject, &effect, &mut dirty);
        }
        for changes in causes.chunk_by(|(on, cause, _), (other, next, _)| (on, cause.id) == (other, next.id))
        {
            self.move_cause(changes, &mut dirty);
        }
        let mut candidates = Vec::new();
        for (subject, effect) in dirty.in_order() {
            self.link(subject, effect, &mut candidates, &mut emit);
        }
        emptied.into_iter().for_each(|subject| self.forget_empty(subject));
        self.entities.forget_unused();
    }

    /// Removes an effect; tells its subject if it was the last one there.
    fn remove(
        &mut self,
        (tenant, entity, kind): Subject,
        effect: &Effect,
        emit: &mut impl FnMut(Link, Diff),
    ) -> Option<SubjectNumber> {
        let entity = self.entities.number((tenant, entity));
        let number = self.entities.subject(entity, kind)?;
        let effects = &mut self.subjects[number].effects;
        let linked = effects.remove(&(effect.onset, effect.id))?;
        linked.links.into_iter().for_each(|link| emit(link, -1));
        effects.is_empty().then_some(number)
    }

    /// Forgets a subject, unless effects have come to it since.
    fn forget_empty(&mut self, number: SubjectNumber) {
        if !self.subjects[number].effects.is_empty() {
            return;
        }
        let Explained { subject: (_, _, kind), entity, walks, .. } = self.subjects.remove(number);
        self.entities.rewatch((number, kind), &walks, &Walks::default());
        self.entities.remove_subject(entity, kind);
    }

    /// Adds an effect, to a subject whose walks lead wherever they can.
    fn add(&mut self, subject: Subject, effect: &Effect, dirty: &mut Dirty) {
        let (tenant, entity, kind) = subject;
        let entity = self.entities.number((tenant, entity));
        let number = self.entities.subject(entity, kind).unwrap_or_else(|| {
            let number = self.subjects.insert(Explained::new(subject, entity));
            self.entities.add_subject(entity, kind, number);
            number
        });
        if !self.subjects[number].is_fresh() {
            self.walk(number);
        }
        self.subjects[number].add(number, effect, dirty);
    }

    /// Applies changes of edges; walks anew from the subjects that pass them, as far as these have effects that can tell.
    fn change_edges(&mut self, edges: &[EdgeChange], dirty: &mut Dirty) {
        let mut wrong: Vec<SubjectNumber> = Vec::new();
        for changes in edges.chunk_by(|(left, ..), (right, ..)| left == right) {
            let ((tenant, here, relation, direction), ..) = changes[0];
            let place = (self.entities.number((tenant, here)), (relation, direction));
            for (_, (there, valid), diff) in changes {
                let there = self.entities.number((tenant, *there));
                self.entities.change_edge(place, (there, *valid), *diff);
            }
            for number in self.entities[place.0].walkers(place.1) {
                wrong.extend(self.subjects[number].edges_changed(changes).then_some(number));
            }
        }
        for number in wrong {
            let old = self.walk(number);
            self.subjects[number].touch_met_otherwise(number, &old, dirty);
        }
    }

    /// Walks from a subject anew; gives back the walks there were.
    fn walk(&mut self, number: SubjectNumber) -> Walks {
        let explained = &mut self.subjects[number];
        let (_, _, kind) = explained.subject;
        let old = explained.renew(walk(&self.ways, &self.entities, (explained.entity, kind)));
        self.entities.rewatch((number, kind), &old, &explained.walks);
        old
    }

    /// A cause came, went or changed.
    fn move_cause(&mut self, changes: &[CauseChange], dirty: &mut Dirty) {
        let ((tenant, entity, kind), _, _) = changes[0];
        let with =
            |sign: Diff| changes.iter().find(|(_, _, diff)| diff.signum() == sign).map(|(_, cause, _)| cause);
        let (before, after) = (with(-1), with(1));
        let here = self.entities.number((tenant, entity));
        self.entities.move_cause((here, kind), (before, after));
        let here = &self.entities[here];
        for (effect_kind, way) in here.sought() {
            let rules = self.ways.rules(way, tenant, (effect_kind, kind));
            let mut spans: Vec<(EventTime, EventTime)> =
                rules.flat_map(|(_, rule)| touched(rule.window_ms, self.horizon_ms, before, after)).collect();
            spans.sort_unstable();
            spans.dedup();
            if spans.is_empty() {
                continue;
            }
            for seeker in here.seekers((effect_kind, way)) {
                let explained = &mut self.subjects[seeker];
                spans.iter().for_each(|onsets| explained.touch(seeker, *onsets, dirty));
            }
        }
    }

    /// Chooses the links of an effect anew. The list of candidates, often long, is used again.
    fn link(
        &mut self,
        number: SubjectNumber,
        key: EffectKey,
        candidates: &mut Vec<Candidate>,
        emit: &mut impl FnMut(Link, Diff),
    ) {
        let explained = &self.subjects[number];
        let Some(linked) = explained.effects.get(&key) else {
            panic!("an effect is dirty that is not there")
        };
        let effect = Effect { onset: key.0, id: key.1, earliest: linked.earliest };
        candidates.clear();
        self.find_candidates(explained, &effect, candidates);
        let links = choose(&self.ways, explained.subject, effect.id, candidates);
        if let Some(linked) = self.subjects[number].effects.get_mut(&key) {
            linked.relink(links, emit);
        }
    }

    fn find_candidates(&self, explained: &Explained, effect: &Effect, found: &mut Vec<Candidate>) {
        let (tenant, _, kind) = explained.subject;
        for stretches in explained.walks.spots().filter(|stretches| meet(stretches, effect)) {
            let ((way, entity), _) = stretches[0];
            let entity = &self.entities[entity];
            for cause_kind in entity.kinds_of_causes() {
                for (rule, spec) in self.ways.rules(way, tenant, (kind, cause_kind)) {
                    let over_since = effect.onset.plus_ms(spec.window_ms.saturating_neg());
                    found.extend(entity.causes(cause_kind, over_since).filter_map(|cause| {
                        judge(&self.ways, self.horizon_ms, (kind, effect), (cause_kind, cause), (rule, way))
                    }));
                }
            }
        }
    }
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
