//! Episodes: runs of one kind on one entity, over once the entity is seen to be well.
//!
//! Input   occurrences by subject; the latest states of objects.
//! Output  episodes; the entities that have any.
//! Ties    occurrences fold in their row order (onset first); the identity hangs on the earliest arrival.
//! State   per entity since when it is well, and by kind its occurrences, in slots of a minute; the partial episode of each
//!         slot; the episodes. Folding by slot first bounds the work of a storm: a repeat looks at its minute, then at
//!         one partial per minute.
//! See docs/semantics.md, section 6.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use differential_dataflow::AsCollection;
use schemas::catalogue::Kind;
use schemas::envelope::Severity;
use schemas::ids::{EpisodeId, EventId, Tenant, hash64};
use schemas::object::ObjectState;
use schemas::object::health::well_since;
use schemas::time::{Diff, EventTime};
use schemas::view::EpisodeRow;
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::core::OkErr;

use crate::operators::maintain::{each_key, replace};
use crate::operators::recoveries::recovered;
use crate::ordered::Ordered;
use crate::rows::{Cite, Episode, Named, Occurrence, Subject};
use crate::types::Updates;
use crate::values::Values;

/// Width of a slot. Occurrences of one slot are always of one episode, because the gap is at least as wide.
pub(crate) const SLOT_MS: i64 = 60_000;

/// Events cited by an episode.
const EVIDENCE_MAX: usize = 8;

/// Occurrences folded, in order.
#[derive(Clone, Debug)]
struct Run {
    span: Span,
    evidence: Vec<EventId>,
    /// Of the first.
    detail: Arc<str>,
}

/// What occurrences come to, whatever their order.
#[derive(Clone, Copy, Debug)]
struct Span {
    onset: EventTime,
    /// Greatest `last` or `ended`: what the gap is measured from.
    reach: EventTime,
    earliest: EventTime,
    last: EventTime,
    /// `None` as soon as one occurrence has no end.
    ended: Option<EventTime>,
    standing: bool,
    count: u64,
    severity: Severity,
    anchor: Cite,
    magnitude: u32,
}

/// What is told of one entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    Occurrence(Kind, Arc<Occurrence>),
    /// It is well since then.
    Well(EventTime),
}

/// What is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Found {
    Episode(Arc<Episode>),
    /// An entity has episodes.
    Named(Tenant, Named),
}

/// An entity of a tenant.
type Place = (Tenant, Named);

/// One entity.
#[derive(Default)]
struct Known {
    well: Values<EventTime>,
    kinds: Ordered<Kind, Folded>,
}

/// The occurrences of one subject, and what they last came to.
#[derive(Default)]
struct Folded {
    slots: Ordered<i64, Slot>,
    episodes: Vec<Arc<Episode>>,
}

/// The occurrences of one minute; never none.
struct Slot {
    occurrences: Values<Arc<Occurrence>>,
    run: Run,
}

/// Folds occurrences into episodes; ends those that the states of objects show to be over.
pub(crate) fn episodes<'scope>(
    occurrences: Updates<'scope, (Subject, Arc<Occurrence>)>,
    latest: Updates<'scope, (Tenant, (Cite, Arc<ObjectState>))>,
    gap_ms: i64,
) -> (Updates<'scope, Arc<Episode>>, Updates<'scope, Place>) {
    let told = occurrences
        .map(|(Subject { tenant, on, kind }, occurrence)| ((tenant, on), Part::Occurrence(kind, occurrence)));
    let well = latest.flat_map(|(tenant, (_, state))| {
        well_since(&state).map(|since| ((tenant, Named::of(tenant, &state.entity)), Part::Well(since)))
    });
    let mut all: BTreeMap<Place, Known> = BTreeMap::new();
    let found = each_key(told.concat(well), "Episodes", move |place, changes, emit| match all.entry(place) {
        Entry::Occupied(mut known) => {
            let place = known.key().clone();
            known.get_mut().change(&place, changes, gap_ms, emit);
            if known.get().is_empty() {
                known.remove();
            }
        }
        Entry::Vacant(free) => {
            let mut known = Known::default();
            known.change(free.key(), changes, gap_ms, emit);
            if !known.is_empty() {
                free.insert(known);
            }
        }
    });
    let (episodes, named) = found.inner.ok_err(|(found, epoch, diff)| match found {
        Found::Episode(episode) => Ok((episode, epoch, diff)),
        Found::Named(tenant, on) => Err(((tenant, on), epoch, diff)),
    });
    (episodes.as_collection(), named.as_collection())
}

impl Known {
    fn is_empty(&self) -> bool {
        self.well.is_empty() && self.kinds.is_empty()
    }

    fn change(
        &mut self,
        (tenant, on): &Place,
        mut changes: Vec<(Part, Diff)>,
        gap_ms: i64,
        emit: &mut dyn FnMut(Found, Diff),
    ) {
        let (since, named) = (self.well.first().copied(), !self.kinds.is_empty());
        let (mut well, mut told) = (Vec::new(), Vec::<(Kind, Vec<_>)>::new());
        // In order, so that what is told of a kind, and of a minute, is side by side.
        changes.sort_by(|left, right| left.0.cmp(&right.0));
        for (part, diff) in changes {
            match part {
                Part::Well(since) => well.push((since, diff)),
                Part::Occurrence(kind, occurrence) => match told.last_mut() {
                    Some((last, of_kind)) if *last == kind => of_kind.push((occurrence, diff)),
                    _ => told.push((kind, vec![(occurrence, diff)])),
                },
            }
        }
        self.well.apply(well);
        if self.well.first().copied() != since {
            let others =
                self.kinds.iter().map(|(kind, _)| kind).filter(|kind| told.iter().all(|(of, _)| of != *kind));
            let others: Vec<_> = others.map(|kind| (*kind, Vec::new())).collect();
            // Their episodes may be over now.
            told.extend(others);
        }
        let since = self.well.first().copied();
        for (kind, occurrences) in told {
            let subject = Subject { tenant: *tenant, on: on.clone(), kind };
            let folded = self.kinds.or_default(kind);
            folded.apply(occurrences);
            let episodes =
                folded.fold(gap_ms, |run, earlier| recovered(episode(&subject, run, earlier), since));
            replace(&mut folded.episodes, episodes, |episode, diff| emit(Found::Episode(episode), diff));
            if folded.slots.is_empty() {
                self.kinds.remove(&kind);
            }
        }
        if named == self.kinds.is_empty() {
            emit(Found::Named(*tenant, on.clone()), if named { -1 } else { 1 });
        }
    }
}

impl Slot {
    /// None without occurrences.
    fn of(changes: Vec<(Arc<Occurrence>, Diff)>) -> Option<Slot> {
        let mut occurrences = Values::default();
        occurrences.apply(changes);
        let run = Run::over(&occurrences)?;
        Some(Slot { occurrences, run })
    }

    /// Changes occurrences; false if none is left.
    fn change(&mut self, changes: Vec<(Arc<Occurrence>, Diff)>) -> bool {
        // A hot subject mostly hears of what came after all it knows: the fold goes on where it stands.
        if self.occurrences.end_before(&changes) {
            changes.iter().for_each(|(occurrence, copies)| self.run.take(occurrence, *copies));
            self.occurrences.extend(changes);
            return true;
        }
        self.occurrences.apply(changes);
        let Some(run) = Run::over(&self.occurrences) else { return false };
        self.run = run;
        true
    }
}

impl Folded {
    /// Changes occurrences, which come in order; folds those of the minutes that changed.
    fn apply(&mut self, changes: Vec<(Arc<Occurrence>, Diff)>) {
        let minute_of = |(occurrence, _): &(Arc<Occurrence>, Diff)| occurrence.onset.0.div_euclid(SLOT_MS);
        let mut changes = changes.into_iter().peekable();
        while let Some(minute) = changes.peek().map(minute_of) {
            let same = std::iter::from_fn(|| changes.next_if(|change| minute_of(change) == minute));
            let of_minute: Vec<_> = same.collect();
            match self.slots.get_mut(&minute) {
                Some(slot) => {
                    if !slot.change(of_minute) {
                        self.slots.remove(&minute);
                    }
                }
                None => Slot::of(of_minute).into_iter().for_each(|slot| self.slots.insert(minute, slot)),
            }
        }
    }

    /// The episodes, in order. Each is told how many before it have its anchor: one event can begin two episodes of one
    /// subject, also by arriving twice.
    fn fold(&self, gap_ms: i64, episode: impl Fn(Run, u32) -> Arc<Episode>) -> Vec<Arc<Episode>> {
        let mut runs: Vec<Run> = Vec::new();
        for (_, Slot { run: next, .. }) in self.slots.iter() {
            match runs.last_mut() {
                Some(open) if next.span.onset <= open.span.reach.plus_ms(gap_ms) => open.join(next),
                _ => runs.push(next.clone()),
            }
        }
        let mut anchored: BTreeMap<EventId, u32> = BTreeMap::new();
        let number = |run: Run| {
            let earlier = anchored.entry(run.span.anchor.event).or_default();
            *earlier += 1;
            episode(run, *earlier - 1)
        };
        runs.into_iter().map(number).collect()
    }
}

impl Span {
    fn of(occurrence: &Occurrence, copies: Diff) -> Span {
        Span {
            onset: occurrence.onset,
            reach: occurrence.ended.map_or(occurrence.last, |ended| ended.max(occurrence.last)),
            earliest: occurrence.earliest,
            last: occurrence.last,
            ended: occurrence.ended,
            standing: occurrence.standing,
            count: occurrence.count.saturating_mul(copies.unsigned_abs()),
            severity: occurrence.severity,
            anchor: occurrence.cite,
            magnitude: occurrence.magnitude,
        }
    }

    fn join(&mut self, next: &Span) {
        self.onset = self.onset.min(next.onset);
        self.reach = self.reach.max(next.reach);
        self.earliest = self.earliest.min(next.earliest);
        self.last = self.last.max(next.last);
        self.ended = self.ended.zip(next.ended).map(|(left, right)| left.max(right));
        self.standing |= next.standing;
        self.count = self.count.saturating_add(next.count);
        self.severity = self.severity.max(next.severity);
        self.anchor = self.anchor.min(next.anchor);
        self.magnitude = self.magnitude.max(next.magnitude);
    }
}

impl Run {
    /// Nothing without occurrences.
    fn over(occurrences: &Values<Arc<Occurrence>>) -> Option<Run> {
        let mut all = occurrences.iter();
        let mut run = all.next().map(|(first, copies)| Run::of(first, copies))?;
        all.for_each(|(later, copies)| run.take(later, copies));
        Some(run)
    }

    fn of(occurrence: &Occurrence, copies: Diff) -> Run {
        let (span, evidence) = (Span::of(occurrence, copies), vec![occurrence.cite.event]);
        Run { span, evidence, detail: Arc::clone(&occurrence.detail) }
    }

    /// Goes on with an occurrence. A hot subject has thousands in a minute, and a run of its own is not made for each.
    fn take(&mut self, next: &Occurrence, copies: Diff) {
        self.span.join(&Span::of(next, copies));
        self.cite(next.cite.event);
    }

    /// Goes on with another run.
    fn join(&mut self, next: &Run) {
        self.span.join(&next.span);
        next.evidence.iter().for_each(|event| self.cite(*event));
    }

    fn cite(&mut self, event: EventId) {
        if self.evidence.len() < EVIDENCE_MAX && !self.evidence.contains(&event) {
            self.evidence.push(event);
        }
    }
}

fn episode(subject: &Subject, Run { span, evidence, detail }: Run, earlier: u32) -> Episode {
    let id = EpisodeId(hash64(&[
        &subject.tenant.0.to_le_bytes(),
        &subject.on.id.0.to_le_bytes(),
        subject.kind.id().as_bytes(),
        &span.anchor.event.0.to_le_bytes(),
        &earlier.to_le_bytes(),
    ]));
    let row = EpisodeRow {
        episode_id: id,
        entity: Arc::clone(&subject.on.entity),
        kind: subject.kind,
        class: subject.kind.spec().class,
        onset: span.onset,
        earliest: span.earliest,
        last: span.last,
        ended: span.ended,
        count: span.count,
        severity: span.severity,
        event_ids: evidence,
        detail,
        magnitude: span.magnitude,
    };
    Episode {
        tenant: subject.tenant,
        on: subject.on.clone(),
        standing: span.standing,
        anchor: span.anchor,
        row: Arc::new(row),
    }
}
