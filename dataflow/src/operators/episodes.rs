//! Episodes: runs of one kind on one entity.
//!
//! Input   occurrences by subject.
//! Output  episodes.
//! Ties    occurrences fold in their row order (onset first); the identity hangs on the earliest arrival.
//! State   the occurrences, in slots of a minute; the partial episodes of each slot; the episodes. Folding by slot
//!         first bounds the work of a storm: a repeat looks at its minute, then at one partial per minute.
//! See docs/semantics.md, section 6.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::entity::Entity;
use schemas::ids::{EpisodeId, EventId, hash64};
use schemas::time::{Diff, EventTime};
use schemas::view::EpisodeRow;
use serde::{Deserialize, Serialize};

use crate::operators::maintain::{maintain, summarize};
use crate::rows::{Cite, Episode, Occurrence, Subject};
use crate::types::Updates;
use crate::values::Values;

/// Width of a slot. Occurrences of one slot are always of one episode, because the gap is at least as wide.
pub(crate) const SLOT_MS: i64 = 60_000;

/// Events cited by an episode.
const EVIDENCE_MAX: usize = 8;

/// Occurrences folded, in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Run {
    onset: EventTime,
    /// Greatest `last` or `ended`: what the gap is measured from.
    reach: EventTime,
    earliest: EventTime,
    last: EventTime,
    /// `None` as soon as one occurrence has no end.
    ended: Option<EventTime>,
    standing: bool,
    count: u64,
    severity: schemas::envelope::Severity,
    anchor: Cite,
    evidence: Vec<EventId>,
    detail: String,
    magnitude: u32,
}

/// Folds occurrences into episodes.
pub(crate) fn episodes<'scope>(
    occurrences: Updates<'scope, (Subject, Arc<Occurrence>)>,
    gap_ms: i64,
) -> Updates<'scope, Arc<Episode>> {
    let slotted = occurrences
        .map(|(subject, occurrence)| ((subject, occurrence.onset.0.div_euclid(SLOT_MS)), occurrence));
    let partial = summarize(slotted, "EpisodeSlots", |(subject, slot), occurrences| {
        let mut runs = occurrences.iter().map(|(occurrence, count)| run(occurrence, count));
        let first = runs.next().map(|first| runs.fold(first, join));
        first.map(|run| (subject.clone(), (*slot, run)))
    });
    maintain(partial, "Episodes", move |subject, slots: &Values<(i64, Run)>| {
        let mut episodes: Vec<Run> = Vec::new();
        for (_, next) in slots.distinct() {
            match episodes.pop() {
                Some(open) if next.onset <= open.reach.plus_ms(gap_ms) => {
                    episodes.push(join(open, next.clone()))
                }
                Some(closed) => episodes.extend([closed, next.clone()]),
                None => episodes.push(next.clone()),
            }
        }
        let mut anchored: BTreeMap<EventId, u32> = BTreeMap::new();
        let number = |run: Run| {
            // One event can begin two episodes of one subject, also by arriving twice; they are told apart by their order.
            let earlier = anchored.entry(run.anchor.event).or_default();
            *earlier += 1;
            Arc::new(episode(subject, run, *earlier - 1))
        };
        episodes.into_iter().map(number).collect()
    })
}

fn run(occurrence: &Occurrence, copies: Diff) -> Run {
    Run {
        onset: occurrence.onset,
        reach: occurrence.ended.map_or(occurrence.last, |ended| ended.max(occurrence.last)),
        earliest: occurrence.earliest,
        last: occurrence.last,
        ended: occurrence.ended,
        standing: occurrence.standing,
        count: occurrence.count.saturating_mul(copies.unsigned_abs()),
        severity: occurrence.severity,
        anchor: occurrence.cite,
        evidence: vec![occurrence.cite.event],
        detail: occurrence.detail.clone(),
        magnitude: occurrence.magnitude,
    }
}

fn join(mut open: Run, next: Run) -> Run {
    open.onset = open.onset.min(next.onset);
    open.reach = open.reach.max(next.reach);
    open.earliest = open.earliest.min(next.earliest);
    open.last = open.last.max(next.last);
    open.ended = open.ended.zip(next.ended).map(|(left, right)| left.max(right));
    open.standing |= next.standing;
    open.count = open.count.saturating_add(next.count);
    open.severity = open.severity.max(next.severity);
    open.anchor = open.anchor.min(next.anchor);
    open.magnitude = open.magnitude.max(next.magnitude);
    for event in next.evidence {
        if open.evidence.len() < EVIDENCE_MAX && !open.evidence.contains(&event) {
            open.evidence.push(event);
        }
    }
    open
}

fn episode(subject: &Subject, run: Run, earlier: u32) -> Episode {
    let id = EpisodeId(hash64(&[
        &subject.tenant.0.to_le_bytes(),
        &subject.on.id.0.to_le_bytes(),
        subject.kind.id().as_bytes(),
        &run.anchor.event.0.to_le_bytes(),
        &earlier.to_le_bytes(),
    ]));
    let row = EpisodeRow {
        episode_id: id,
        entity: Entity::clone(&subject.on.entity),
        kind: subject.kind,
        class: subject.kind.spec().class,
        onset: run.onset,
        earliest: run.earliest,
        last: run.last,
        ended: run.ended,
        count: run.count,
        severity: run.severity,
        event_ids: run.evidence,
        detail: run.detail,
        magnitude: run.magnitude,
    };
    Episode {
        tenant: subject.tenant,
        on: subject.on.clone(),
        standing: run.standing,
        anchor: run.anchor,
        row: Arc::new(row),
    }
}
