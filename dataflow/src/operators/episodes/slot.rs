//! The occurrences of one subject in one minute, with what they come to. Pure.

use std::sync::Arc;

use schemas::time::Diff;

use super::run::{Run, Span};
use crate::rows::Occurrence;
use crate::values::Values;

/// Some occurrences; none only until the first is told.
#[derive(Default)]
pub(super) struct Slot {
    occurrences: Values<Arc<Occurrence>>,
    /// What several come to: most minutes have one, from which it is made when it is asked for.
    several: Option<Box<Run>>,
}

impl Slot {
    /// Changes occurrences, which come in order; false if none is left.
    pub(super) fn change(&mut self, changes: Vec<(Arc<Occurrence>, Diff)>) -> bool {
        if self.goes_on(&changes) {
            let mut run = self.several.take().unwrap_or_else(|| Box::new(self.run()));
            changes.iter().for_each(|(occurrence, copies)| run.take(occurrence, *copies));
            self.several = Some(run);
            self.occurrences.apply(changes);
            return true;
        }
        self.several = None;
        self.occurrences.apply(changes);
        if 1 < self.occurrences.len() {
            self.several = Some(Box::new(self.run()));
        }
        !self.occurrences.is_empty()
    }

    /// Whether changes, in order, only add to what was folded. Citations and detail stand if nothing comes before the occurrence that the
    /// last citation is of, or, while there is room for citations, before the last one; all else does not hang on the order. A hot subject
    /// mostly hears of what came after all it knows, or nearly.
    fn goes_on(&self, changes: &[(Arc<Occurrence>, Diff)]) -> bool {
        let before = match self.several.as_ref().and_then(|run| run.last_cited()) {
            Some(event) => self.occurrences.distinct().find(|known| known.cite.event == event),
            None => self.occurrences.last(),
        };
        let after = changes.first().map(|(occurrence, _)| occurrence);
        before.zip(after).is_some_and(|(before, after)| before < after)
            && changes.iter().all(|(_, copies)| 0 < *copies)
    }

    /// What its occurrences come to, whatever their order.
    pub(super) fn span(&self) -> Span {
        match &self.several {
            Some(run) => run.span,
            None => {
                let (only, copies) = self.first();
                Span::of(only, copies)
            }
        }
    }

    /// What its occurrences come to.
    pub(super) fn run(&self) -> Run {
        if let Some(run) = &self.several {
            return Run::clone(run);
        }
        let (first, copies) = self.first();
        let mut run = Run::of(first, copies);
        self.occurrences.iter().skip(1).for_each(|(later, copies)| run.take(later, copies));
        run
    }

    /// Adds what its occurrences come to.
    pub(super) fn continue_run(&self, run: &mut Run) {
        match &self.several {
            Some(several) => run.join(several),
            None => self.occurrences.iter().for_each(|(only, copies)| run.take(only, copies)),
        }
    }

    fn first(&self) -> (&Occurrence, Diff) {
        match self.occurrences.iter().next() {
            Some((first, copies)) => (first, copies),
            None => panic!("a slot without occurrences was kept"),
        }
    }
}
