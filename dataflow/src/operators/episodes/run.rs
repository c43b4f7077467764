//! Occurrences folded in order, and what they come to. Pure.

use std::sync::Arc;

use schemas::envelope::Severity;
use schemas::ids::EventId;
use schemas::time::{Diff, EventTime};

use crate::rows::{Cite, Occurrence};

/// Events cited by an episode.
const EVIDENCE_MAX: usize = 8;

/// Occurrences folded, in order.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) span: Span,
    pub(super) evidence: Vec<EventId>,
    /// Of the first.
    pub(super) detail: Arc<str>,
}

/// What occurrences come to, whatever their order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) onset: EventTime,
    /// Greatest `last` or `ended`: what the gap is measured from.
    pub(super) reach: EventTime,
    pub(super) earliest: EventTime,
    pub(super) last: EventTime,
    /// `None` as soon as one occurrence has no end.
    pub(super) ended: Option<EventTime>,
    pub(super) standing: bool,
    pub(super) count: u64,
    pub(super) severity: Severity,
    pub(super) anchor: Cite,
    pub(super) magnitude: u32,
}

impl Span {
    pub(super) fn of(occurrence: &Occurrence, copies: Diff) -> Span {
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
    pub(super) fn of(occurrence: &Occurrence, copies: Diff) -> Run {
        let (span, evidence) = (Span::of(occurrence, copies), vec![occurrence.cite.event]);
        Run { span, evidence, detail: Arc::clone(&occurrence.detail) }
    }

    /// Goes on with an occurrence. A hot subject has thousands in a minute, and a run of its own is not made for each.
    pub(super) fn take(&mut self, next: &Occurrence, copies: Diff) {
        self.span.join(&Span::of(next, copies));
        self.cite(next.cite.event);
    }

    /// Goes on with another run.
    pub(super) fn join(&mut self, next: &Run) {
        self.span.join(&next.span);
        next.evidence.iter().for_each(|event| self.cite(*event));
    }

    /// The last event that it cites, if it has room for no other.
    pub(super) fn last_cited(&self) -> Option<EventId> {
        self.evidence.get(EVIDENCE_MAX - 1).copied()
    }

    fn cite(&mut self, event: EventId) {
        if self.evidence.len() < EVIDENCE_MAX && !self.evidence.contains(&event) {
            self.evidence.push(event);
        }
    }
}
