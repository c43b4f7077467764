//! The occurrences of one subject in slots of a minute, and the episodes that they come to. Pure.
//!
//! An episode is of consecutive slots. All slots are looked at for a change, but only those episodes are made anew whose slots have
//! changed: a subject has many in a day, of which one goes on. So are the few that have an anchor of these, and all where the subject
//! is well since another time.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::ids::EventId;
use schemas::time::{Diff, EventTime};

use super::identity::{Identity, joined};
use super::run::Run;
use super::slot::Slot;
use crate::operators::maintain::replace;
use crate::ordered::Ordered;
use crate::rows::{Episode, Occurrence};

/// A minute, by its number.
pub(super) type Minute = i64;

/// Slots of a subject that have changed since its episodes were made.
#[derive(Clone, Copy)]
pub(super) enum Changed<'a> {
    /// Of these minutes, in order.
    Slots(&'a [Minute]),
    /// No slot need have, but the episodes come to something else.
    All,
}

impl Changed<'_> {
    fn touches(self, from: Minute, to: Minute) -> bool {
        match self {
            Changed::Slots(minutes) => {
                let first = minutes.partition_point(|minute| *minute < from);
                minutes.get(first).is_some_and(|minute| *minute <= to)
            }
            Changed::All => true,
        }
    }
}

/// An episode of the slots from one to another.
struct Made {
    from: Minute,
    to: Minute,
    /// What the gap is measured from.
    reach: EventTime,
    episode: Arc<Episode>,
}

impl Made {
    fn identity(&self) -> Identity {
        Identity { from: self.episode.row.onset, to: self.reach, anchor: self.episode.anchor }
    }
}

/// Consecutive slots that are one episode: the same as before, or what they come to now.
enum Piece {
    Same(Made),
    Anew(Minute, Minute, Run),
}

impl Piece {
    fn onset(&self) -> EventTime {
        match self {
            Piece::Same(made) => made.episode.row.onset,
            Piece::Anew(.., run) => run.span.onset,
        }
    }
}

/// See the head of this file.
#[derive(Default)]
pub(super) struct Folded {
    slots: Ordered<Minute, Slot>,
    /// In order.
    episodes: Vec<Made>,
    /// Of episodes that a snapshot had, which are to be made.
    restored: Vec<Identity>,
}

impl Folded {
    /// Changes occurrences of a minute, which come in order.
    pub(super) fn change(&mut self, minute: Minute, changes: Vec<(Arc<Occurrence>, Diff)>) {
        match self.slots.get_mut(&minute) {
            Some(slot) => {
                if !slot.change(changes) {
                    self.slots.remove(&minute);
                }
            }
            None => {
                let mut slot = Slot::default();
                if slot.change(changes) {
                    self.slots.insert(minute, slot);
                }
            }
        }
    }

    /// A snapshot had an episode of this identity. Told before any is made.
    pub(super) fn restore(&mut self, identity: Identity) {
        self.restored.push(identity);
    }

    /// What the episodes are known by, in order.
    pub(super) fn identities(&self) -> impl Iterator<Item = Identity> {
        self.episodes.iter().map(Made::identity)
    }

    /// Whether there is no occurrence.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Brings the episodes to what the slots say. `make` is told how many before an episode have its anchor: one event can begin two
    /// episodes of one subject, also by arriving twice.
    pub(super) fn fold(
        &mut self,
        changed: Changed<'_>,
        gap_ms: i64,
        mut make: impl FnMut(Run, u32) -> Arc<Episode>,
        emit: impl FnMut(Arc<Episode>, Diff),
    ) {
        let known: Vec<Identity> = self.identities().chain(self.restored.iter().copied()).collect();
        self.restored = Vec::new();
        let (mut pieces, mut gone) = self.pieces(changed, gap_ms);
        identify(&mut pieces, known, gap_ms);
        let anew = pieces.iter().filter_map(|piece| match piece {
            Piece::Same(_) => None,
            Piece::Anew(.., run) => Some(run.span.anchor.event),
        });
        // Of each anchor that came, went or stayed with a change, how many pieces so far have it: their numbers may be others now.
        let mut touched: BTreeMap<EventId, u32> =
            gone.iter().map(|episode| episode.anchor.event).chain(anew).map(|anchor| (anchor, 0)).collect();
        let (mut episodes, mut fresh) = (Vec::with_capacity(pieces.len()), Vec::new());
        for piece in pieces {
            let (from, to, run) = match piece {
                Piece::Same(made) if !touched.contains_key(&made.episode.anchor.event) => {
                    episodes.push(made);
                    continue;
                }
                Piece::Same(Made { from, to, episode, .. }) => {
                    let mut run = self.run(from, to);
                    run.span.anchor = episode.anchor;
                    gone.push(episode);
                    (from, to, run)
                }
                Piece::Anew(from, to, run) => (from, to, run),
            };
            let (reach, earlier) = (run.span.reach, touched.entry(run.span.anchor.event).or_default());
            let episode = make(run, *earlier);
            *earlier += 1;
            fresh.push(Arc::clone(&episode));
            episodes.push(Made { from, to, reach, episode });
        }
        self.episodes = episodes;
        gone.sort_unstable();
        replace(&mut gone, fresh, emit);
    }

    /// Which slots are one episode, in order, and the episodes that are none any more or are to be made anew.
    fn pieces(&mut self, changed: Changed<'_>, gap_ms: i64) -> (Vec<Piece>, Vec<Arc<Episode>>) {
        let mut known = std::mem::take(&mut self.episodes).into_iter().peekable();
        let (mut pieces, mut gone) = (Vec::with_capacity(known.len() + 1), Vec::new());
        let mut slots = self.slots.iter().peekable();
        while let Some((from, first)) = slots.next() {
            let (mut to, mut reach) = (from, first.span().reach);
            while let Some((next, slot)) =
                slots.next_if(|(_, slot)| slot.span().onset <= reach.plus_ms(gap_ms))
            {
                (to, reach) = (next, reach.max(slot.span().reach));
            }
            let (from, to) = (*from, *to);
            while let Some(made) = known.next_if(|made| made.from < from) {
                gone.push(made.episode);
            }
            pieces.push(match known.next_if(|made| made.from == from) {
                Some(made) if made.to == to && !changed.touches(from, to) => Piece::Same(made),
                made => {
                    gone.extend(made.map(|made| made.episode));
                    Piece::Anew(from, to, self.run(from, to))
                }
            });
        }
        gone.extend(known.map(|made| made.episode));
        (pieces, gone)
    }

    /// What the slots from one to another come to.
    fn run(&self, from: Minute, to: Minute) -> Run {
        let mut slots = self.slots.range(from..=to);
        let Some((_, first)) = slots.next() else { panic!("an episode has a slot") };
        let mut run = first.run();
        slots.for_each(|(_, slot)| slot.continue_run(&mut run));
        run
    }
}

/// Has each piece known by what was known of it: the first one that lies where an episode did, as far as that goes with what is now no
/// further from it than the gap. Others keep to their own earliest arrival.
fn identify(pieces: &mut [Piece], mut known: Vec<Identity>, gap_ms: i64) {
    known.extend(pieces.iter().filter_map(|piece| match piece {
        // It is known already, and nothing is near it.
        Piece::Same(_) => None,
        Piece::Anew(.., run) => Some(Identity::of(&run.span)),
    }));
    let mut known = joined(known, gap_ms).into_iter().peekable();
    for piece in pieces {
        let onset = piece.onset();
        while known.next_if(|identity| identity.to < onset).is_some() {}
        let first = known.next_if(|identity| identity.from <= onset);
        if let (Piece::Anew(.., run), Some(identity)) = (piece, first) {
            run.span.anchor = identity.anchor;
        }
    }
}
