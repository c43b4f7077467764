//! Episodes made step by step say what episodes made at once say.

use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::Hashable;
use schemas::catalogue::Kind;
use schemas::entity::{Entity, EntityKind};
use schemas::envelope::Severity;
use schemas::ids::{EventId, Hashing, Tenant};
use schemas::time::{Diff, EventTime};

use super::folded::{Changed, Folded};
use super::identity::Identity;
use super::slot::Slot;
use super::{Known, Part, SLOT_MS, Tools, episode};
use crate::rows::{Cite, Episode, Named, Occurrence, Subject};

const GAP_MS: i64 = 90_000;

fn draw(seed: u64, step: u64, what: u64, below: u64) -> u64 {
    (seed, step, what).hashed() % below
}

/// Of few events, so that several episodes begin with one.
fn occurrence(number: u64) -> Arc<Occurrence> {
    let onset = EventTime(draw(number, 0, 1, 40) as i64 * 20_000);
    let lasts = draw(number, 0, 2, 4) as i64 * 30_000;
    let event = draw(number, 0, 3, 6);
    Arc::new(Occurrence {
        onset,
        cite: Cite { seq: event, event: EventId(u128::from(event)) },
        earliest: onset,
        last: onset.plus_ms(lasts),
        ended: (draw(number, 0, 4, 2) == 0).then(|| onset.plus_ms(lasts)),
        standing: false,
        count: 1,
        severity: Severity::Error,
        detail: format!("{number}").into(),
        magnitude: 0,
    })
}

fn subject() -> Subject {
    let on = Named::of(Tenant(1), &Entity::namespaced(EntityKind::Pod, "shop", "cart"));
    Subject { tenant: Tenant(1), on, kind: Kind::named("k8s.pod.OOMKilled") }
}

/// Changes occurrences, and perhaps since when the subject is well; tells the episodes that come and go.
fn step(
    folded: &mut Folded,
    (all, well): (bool, Option<EventTime>),
    mut changes: Vec<(Arc<Occurrence>, Diff)>,
    seen: &mut BTreeMap<Arc<Episode>, Diff>,
) {
    let subject = subject();
    changes.sort();
    let minute = |change: &(Arc<Occurrence>, Diff)| change.0.onset.0.div_euclid(SLOT_MS);
    let mut minutes = Vec::new();
    for same in changes.chunk_by(|left, right| minute(left) == minute(right)) {
        folded.change(minute(&same[0]), same.to_vec());
        minutes.push(minute(&same[0]));
    }
    let changed = if all { Changed::All } else { Changed::Slots(&minutes) };
    let mut hashing = Hashing::default();
    let make = |run, earlier| Arc::new(episode(&subject, run, earlier, well, &mut hashing));
    folded.fold(changed, GAP_MS, make, |episode, diff| *seen.entry(episode).or_default() += diff);
    seen.retain(|_, copies| *copies != 0);
}

#[test]
fn episodes_are_the_same_whether_all_or_some_are_made_anew() {
    let (mut joined, mut numbered) = (0, 0);
    for seed in 0..200 {
        let (mut folded, mut seen) = (Folded::default(), BTreeMap::new());
        let (mut present, mut well) = (BTreeMap::<u64, Diff>::new(), None);
        for at in 0..30 {
            let told = (0..1 + draw(seed, at, 0, 3)).map(|which| {
                let number = draw(seed, at, 10 + which, 12);
                let gone = present.contains_key(&number) && draw(seed, at, 20 + which, 2) == 0;
                let diff = if gone { -1 } else { 1 };
                let copies = present.entry(number).or_default();
                *copies += diff;
                if *copies == 0 {
                    present.remove(&number);
                }
                (occurrence(number), diff)
            });
            let told: Vec<_> = told.collect();
            let turns = draw(seed, at, 30, 4) == 0;
            if turns {
                well = Some(EventTime(draw(seed, at, 31, 1_000_000) as i64));
            }
            let known: Vec<_> = folded.identities().collect();
            step(&mut folded, (turns, well), told, &mut seen);
            let (mut fresh, mut wanted) = (Folded::default(), BTreeMap::new());
            known.into_iter().for_each(|identity| fresh.restore(identity));
            let all = present.iter().map(|(number, copies)| (occurrence(*number), *copies)).collect();
            step(&mut fresh, (true, well), all, &mut wanted);
            assert_eq!(seen, wanted, "seed {seed}, step {at}");
            let mut anchors: Vec<EventId> = seen.keys().map(|episode| episode.anchor.event).collect();
            joined += usize::from(seen.len() < present.len());
            anchors.sort_unstable();
            numbered += usize::from(anchors.windows(2).any(|pair| pair[0] == pair[1]));
        }
    }
    assert!(1_000 < joined && 1_000 < numbered, "{joined}, {numbered}");
}

#[test]
fn an_episode_keeps_its_name_while_it_goes_on() {
    let at = |seconds: i64, seq: u64| {
        let (onset, cite) = (EventTime(seconds * 1_000), Cite { seq, event: EventId(u128::from(seq)) });
        let like = Occurrence::clone(&occurrence(0));
        Arc::new(Occurrence { onset, cite, earliest: onset, last: onset, ended: None, ..like })
    };
    let (mut folded, mut seen) = (Folded::default(), BTreeMap::new());
    let mut named = |come: &[(i64, u64)], gone: &[(i64, u64)]| {
        let come = come.iter().map(|(seconds, seq)| (at(*seconds, *seq), 1));
        let gone = gone.iter().map(|(seconds, seq)| (at(*seconds, *seq), -1));
        step(&mut folded, (false, None), come.chain(gone).collect(), &mut seen);
        let mut episodes: Vec<_> =
            seen.keys().map(|episode| (episode.row.onset, episode.row.episode_id)).collect();
        episodes.sort_unstable();
        episodes.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
    };
    let first = named(&[(0, 1)], &[])[0];
    assert_eq!(named(&[(60, 2), (120, 3)], &[]), [first], "it goes on");
    assert_eq!(named(&[(0, 4)], &[(0, 1)]), [first], "a revision takes the place of its first event");
    assert_eq!(named(&[(180, 5), (240, 6)], &[(0, 4), (60, 2)]), [first], "its first events go");
    assert_eq!(named(&[(40, 7)], &[]), [first], "something of before it comes late");
    let apart = named(&[], &[(120, 3)]);
    assert_eq!((apart.len(), apart[0]), (2, first), "what tied them is withdrawn");
    assert_eq!(named(&[], &[(40, 7)]), apart[1..], "each keeps its own");
    assert_eq!(named(&[(300, 8)], &[(180, 5), (240, 6)]), apart[1..], "all but what is new goes");
    let other = named(&[(900, 9)], &[(300, 8)])[0];
    assert!(![first, apart[1]].contains(&other), "other trouble has another name");
}

#[test]
fn what_a_snapshot_had_and_is_not_there_any_more_is_forgotten() {
    let Subject { tenant, on, kind } = subject();
    let (mut known, mut tools) = (Known::default(), Tools { gap_ms: GAP_MS, hashing: Hashing::default() });
    let anchor = Cite { seq: 1, event: EventId(1) };
    let identity = Identity { from: EventTime(0), to: EventTime(1), anchor };
    let mut found = Vec::new();
    let told = vec![(Part::Identity(kind, identity), 1)];
    known.change(&(tenant, on), told, &mut tools, &mut |what, diff| found.push((what, diff)));
    assert!(known.is_empty() && found.is_empty());
}

/// What a slot says that heard of all at once.
fn at_once(present: &BTreeMap<Arc<Occurrence>, Diff>) -> String {
    let mut slot = Slot::default();
    slot.change(present.iter().map(|(occurrence, copies)| (Arc::clone(occurrence), *copies)).collect());
    format!("{:?}", slot.run())
}

#[test]
fn a_minute_says_the_same_whenever_it_hears_of_what() {
    for seed in 0..100 {
        let (mut slot, mut present) = (Slot::default(), BTreeMap::<Arc<Occurrence>, Diff>::new());
        for at in 0..40 {
            let mut changes = BTreeMap::<Arc<Occurrence>, Diff>::new();
            for which in 0..1 + draw(seed, at, 0, 8) {
                // Mostly of now, some of any time before; one event is told of in several.
                let now = 15 + at * 10;
                let before = if draw(seed, at, 10 + which, 3) == 0 { now } else { 15 };
                let onset = EventTime((now - draw(seed, at, 20 + which, before)).cast_signed());
                let event = draw(seed, at, 40 + which, 60);
                let cite = Cite { seq: event, event: EventId(u128::from(event)) };
                let like = Occurrence::clone(&occurrence(event));
                let told = Occurrence { onset, cite, earliest: onset, last: onset, ..like };
                *changes.entry(Arc::new(told)).or_default() += 1;
            }
            if draw(seed, at, 1, 8) == 0 {
                let which = draw(seed, at, 2, present.len() as u64 + 1) as usize;
                present.iter().skip(which).take(3).for_each(|(gone, copies)| {
                    *changes.entry(Arc::clone(gone)).or_default() -= copies;
                });
            }
            for (told, diff) in &changes {
                *present.entry(Arc::clone(told)).or_default() += diff;
            }
            present.retain(|_, copies| *copies != 0);
            let left = slot.change(changes.into_iter().filter(|(_, diff)| *diff != 0).collect());
            assert_eq!(left, !present.is_empty());
            assert!(!left || format!("{:?}", slot.run()) == at_once(&present), "seed {seed}, step {at}");
        }
    }
}
