//! Episodes: runs of one kind on one entity, over once the entity is seen to be well.
//!
//! Input   occurrences by subject; the latest states of objects; identities that a snapshot had, in the epoch that brings it
//!         back; the ticks that say which epochs are captured.
//! Output  episodes; the entities that have any; at an epoch that is captured, identities.
//! Ties    occurrences fold in their row order (onset first); the identity hangs on the earliest arrival (`identity.rs`).
//! State   per entity since when it is well, and by kind its occurrences, in slots of a minute, what the slots come to, and the
//!         episodes. Folding by slot first bounds the work of a storm: a repeat looks at its minute, then at one partial per
//!         minute. Episodes of other minutes are not made anew.
//! See docs/semantics.md, section 6.

use std::sync::Arc;

use differential_dataflow::AsCollection;
use schemas::catalogue::Kind;
use schemas::ids::{EpisodeId, Hashing, Tenant, hash64};
use schemas::object::ObjectState;
use schemas::object::health::well_since;
use schemas::time::{Diff, EventTime};
use schemas::view::{EpisodeRow, Shared};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::core::OkErr;

use crate::operators::each::each_key_kept;
use crate::operators::episodes::folded::{Changed, Folded, Minute};
use crate::operators::episodes::identity::Identity;
use crate::operators::episodes::run::Run;
use crate::operators::recoveries;
use crate::ordered::Ordered;
use crate::retained::Retained;
use crate::rows::{Cite, Episode, Named, Occurrence, Subject};
use crate::types::{Ticks, Updates};
use crate::values::Values;

mod folded;
pub(crate) mod identity;
mod run;
mod slot;
#[cfg(test)]
mod tests;

/// Width of a slot. Occurrences of one slot are always of one episode, because the gap is at least as wide.
pub(crate) const SLOT_MS: i64 = 60_000;

/// What is told of one entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Part {
    /// It is well since then.
    Well(EventTime),
    /// An episode that goes on is known by this; told once.
    Identity(Kind, Identity),
    Occurrence(Kind, Arc<Occurrence>),
}

impl Part {
    /// The slot that it is told of.
    fn slot(&self) -> Option<(Kind, Minute)> {
        match self {
            Part::Well(_) | Part::Identity(..) => None,
            Part::Occurrence(kind, occurrence) => Some((*kind, occurrence.onset.0.div_euclid(SLOT_MS))),
        }
    }

    fn occurrence(self) -> Option<Arc<Occurrence>> {
        match self {
            Part::Well(_) | Part::Identity(..) => None,
            Part::Occurrence(_, occurrence) => Some(occurrence),
        }
    }
}

/// What is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Found {
    Episode(Arc<Episode>),
    /// An entity has episodes.
    Named(Tenant, Named),
    /// Kept as of an epoch that is captured; never retracted.
    Retained(Box<Retained>),
}

/// What is found, each on its own stream.
pub(crate) struct Episodes<'scope> {
    pub(crate) episodes: Updates<'scope, Arc<Episode>>,
    /// The entities that have any.
    pub(crate) troubled: Updates<'scope, Place>,
    /// What a snapshot holds of it.
    pub(crate) retained: Updates<'scope, Retained>,
}

/// An entity of a tenant.
type Place = (Tenant, Named);

/// What episodes are made with.
struct Tools {
    gap_ms: i64,
    hashing: Hashing,
}

/// One entity.
#[derive(Default)]
struct Known {
    well: Values<EventTime>,
    kinds: Ordered<Kind, Folded>,
}

/// Folds occurrences into episodes; ends those that the states of objects show to be over.
pub(crate) fn episodes<'scope>(
    occurrences: Updates<'scope, (Subject, Arc<Occurrence>)>,
    latest: Updates<'scope, (Tenant, (Cite, Arc<ObjectState>))>,
    identities: Updates<'scope, (Subject, Identity)>,
    ticks: Ticks<'scope>,
    gap_ms: i64,
) -> Episodes<'scope> {
    let told = occurrences
        .map(|(Subject { tenant, on, kind }, occurrence)| ((tenant, on), Part::Occurrence(kind, occurrence)));
    let well = latest.flat_map(|(tenant, (_, state))| {
        well_since(&state).map(|since| ((tenant, Named::of(tenant, &state.entity)), Part::Well(since)))
    });
    let identities = identities
        .map(|(Subject { tenant, on, kind }, identity)| ((tenant, on), Part::Identity(kind, identity)));
    let mut tools = Tools { gap_ms, hashing: Hashing::default() };
    let told = told.concat(well).concat(identities);
    let change = move |place: &Place, known: &mut Known, changes, emit: &mut dyn FnMut(Found, Diff)| {
        known.change(place, changes, &mut tools, emit);
        !known.is_empty()
    };
    let found =
        each_key_kept(told, ticks, "Episodes", change, |place, known, give| known.retain(place, give));
    let (episodes, rest) = found.inner.ok_err(|(found, epoch, diff)| match found {
        Found::Episode(episode) => Ok((episode, epoch, diff)),
        Found::Named(tenant, on) => Err((Ok((tenant, on)), epoch, diff)),
        Found::Retained(kept) => Err((Err(kept), epoch, diff)),
    });
    let rest: Updates<'scope, Result<Place, Box<Retained>>> = rest.as_collection();
    let (troubled, retained) = rest.inner.ok_err(|(rest, epoch, diff)| match rest {
        Ok(place) => Ok((place, epoch, diff)),
        Err(kept) => Err((*kept, epoch, diff)),
    });
    let (episodes, troubled) = (episodes.as_collection(), troubled.as_collection());
    Episodes { episodes, troubled, retained: retained.as_collection() }
}

impl Known {
    fn is_empty(&self) -> bool {
        self.well.is_empty() && self.kinds.is_empty()
    }

    fn change(
        &mut self,
        place: &Place,
        mut changes: Vec<(Part, Diff)>,
        tools: &mut Tools,
        emit: &mut dyn FnMut(Found, Diff),
    ) {
        let (since, named) = (self.well.first().copied(), !self.kinds.is_empty());
        // In order: since when it is well, and then what is told of a kind, and of a minute, side by side.
        changes.sort_by(|left, right| left.0.cmp(&right.0));
        let mut changes = changes.into_iter();
        let count = changes.as_slice().partition_point(|(part, _)| matches!(part, Part::Well(_)));
        let well = changes.by_ref().take(count).filter_map(|(part, diff)| match part {
            Part::Well(since) => Some((since, diff)),
            Part::Identity(..) | Part::Occurrence(..) => None,
        });
        self.well.apply(well.collect());
        let restored = self.restore(&mut changes);
        let changed = self.apply(changes);
        if !restored && self.well.first().copied() == since {
            for same in changed.chunk_by(|left, right| left.0 == right.0) {
                let minutes: Vec<Minute> = same.iter().map(|(_, minute)| *minute).collect();
                self.fold(place, same[0].0, Changed::Slots(&minutes), tools, emit);
            }
        } else {
            // Episodes of every kind may be over now; a kind of which a snapshot had episodes may have none.
            let kinds: Vec<Kind> = self.kinds.iter().map(|(kind, _)| *kind).collect();
            kinds.into_iter().for_each(|kind| self.fold(place, kind, Changed::All, tools, emit));
        }
        if named == self.kinds.is_empty() {
            emit(Found::Named(place.0, place.1.clone()), if named { -1 } else { 1 });
        }
    }

    /// Takes the identities that a snapshot had, which come first; tells whether there were any.
    fn restore(&mut self, changes: &mut std::vec::IntoIter<(Part, Diff)>) -> bool {
        let mut restored = false;
        while let Some((Part::Identity(kind, identity), _)) = changes.as_slice().first() {
            self.kinds.or_default(*kind).restore(*identity);
            changes.next();
            restored = true;
        }
        restored
    }

    /// Tells what episodes are known by.
    fn retain(&self, (tenant, on): &Place, give: &mut dyn FnMut(Found)) {
        for (kind, folded) in self.kinds.iter() {
            for identity in folded.identities() {
                let (tenant, on, kind) = (*tenant, on.clone(), *kind);
                give(Found::Retained(Box::new(Retained::Identity { tenant, on, kind, identity })));
            }
        }
    }

    /// Changes occurrences, which come in order; tells their slots, in order.
    fn apply(&mut self, mut rest: std::vec::IntoIter<(Part, Diff)>) -> Vec<(Kind, Minute)> {
        let mut changed = Vec::new();
        while let Some((kind, minute)) = rest.as_slice().first().and_then(|(part, _)| part.slot()) {
            let same = |(part, _): &&(Part, Diff)| part.slot() == Some((kind, minute));
            let count = rest.as_slice().iter().take_while(same).count();
            // With no room to spare: a slot that is new keeps this list.
            let mut of_slot = Vec::with_capacity(count);
            of_slot.extend(
                rest.by_ref()
                    .take(count)
                    .filter_map(|(part, diff)| part.occurrence().map(|occurrence| (occurrence, diff))),
            );
            self.kinds.or_default(kind).change(minute, of_slot);
            changed.push((kind, minute));
        }
        changed
    }

    /// Brings the episodes of a kind to what its occurrences come to.
    fn fold(
        &mut self,
        (tenant, on): &Place,
        kind: Kind,
        changed: Changed<'_>,
        Tools { gap_ms, hashing }: &mut Tools,
        emit: &mut dyn FnMut(Found, Diff),
    ) {
        let since = self.well.first().copied();
        let Some(folded) = self.kinds.get_mut(&kind) else { return };
        let subject = Subject { tenant: *tenant, on: on.clone(), kind };
        let make = |run, earlier| Arc::new(episode(&subject, run, earlier, since, hashing));
        folded.fold(changed, *gap_ms, make, |episode, diff| emit(Found::Episode(episode), diff));
        if folded.is_empty() {
            self.kinds.remove(&kind);
        }
    }
}

fn episode(
    subject: &Subject,
    Run { span, evidence, detail }: Run,
    earlier: u32,
    well: Option<EventTime>,
    hashing: &mut Hashing,
) -> Episode {
    let id = EpisodeId(hash64(&[
        &subject.tenant.0.to_le_bytes(),
        &subject.on.id.0.to_le_bytes(),
        subject.kind.id().as_bytes(),
        &span.anchor.event.0.to_le_bytes(),
        &earlier.to_le_bytes(),
    ]));
    let mut row = EpisodeRow {
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
    row.ended = recoveries::ended(&row, span.standing, well);
    Episode {
        tenant: subject.tenant,
        on: subject.on.clone(),
        standing: span.standing,
        anchor: span.anchor,
        row: Shared::of(row, hashing),
    }
}
