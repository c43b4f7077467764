//! What waits in an operator until its epoch is complete, with the right to answer in it.

use std::collections::BTreeMap;

use schemas::time::{Diff, Epoch};
use timely::dataflow::operators::Capability;

use crate::types::Tick;

/// Rows by epoch, in the containers in which they came: an epoch has thousands, and a list that grows moves them again and again.
pub(crate) struct Stash<D>(BTreeMap<Epoch, (Capability<Epoch>, Vec<Container<D>>)>);

/// Ticks by epoch.
#[derive(Default)]
pub(crate) struct StashedTicks(BTreeMap<Epoch, (Capability<Epoch>, Tick)>);

type Container<D> = Vec<(D, Epoch, Diff)>;

impl<D> Default for Stash<D> {
    fn default() -> Self {
        Stash(BTreeMap::new())
    }
}

impl<D> Stash<D> {
    /// Files rows under their own epoch; a container may carry rows of several.
    pub(crate) fn keep(&mut self, capability: Option<Capability<Epoch>>, rows: &mut Container<D>) {
        // A container without a stamp holds no rows.
        let Some(capability) = capability else { return };
        for (epoch, run) in runs(rows) {
            let (_, containers) =
                self.0.entry(epoch).or_insert_with(|| (capability.delayed(&epoch), Vec::new()));
            containers.push(run);
        }
    }

    /// The first epoch with rows, if it is complete.
    pub(crate) fn pop_complete(
        &mut self,
        complete: impl Fn(&Epoch) -> bool,
    ) -> Option<(Capability<Epoch>, Vec<(D, Diff)>)> {
        let first = self.0.first_entry().filter(|first| complete(first.key()))?;
        let (capability, containers) = first.remove();
        Some((capability, together(containers)))
    }

    /// The rows of an epoch that is complete; none if nothing came.
    pub(crate) fn take(&mut self, epoch: Epoch) -> Vec<(D, Diff)> {
        self.0.remove(&epoch).map(|(_, containers)| together(containers)).unwrap_or_default()
    }
}

/// Takes a container apart into runs of rows of one epoch. One whose rows are all of one epoch is not copied if it is at least
/// half full.
fn runs<D>(rows: &mut Container<D>) -> Vec<(Epoch, Container<D>)> {
    let Some((_, first, _)) = rows.first() else { return Vec::new() };
    let first = *first;
    if rows.capacity() <= 2 * rows.len() && rows.iter().all(|(_, epoch, _)| *epoch == first) {
        return vec![(first, std::mem::take(rows))];
    }
    let mut runs: Vec<(Epoch, Container<D>)> = Vec::new();
    for row in rows.drain(..) {
        match runs.last_mut() {
            Some((epoch, run)) if *epoch == row.1 => run.push(row),
            _ => runs.push((row.1, vec![row])),
        }
    }
    runs
}

fn together<D>(containers: Vec<Container<D>>) -> Vec<(D, Diff)> {
    let mut rows = Vec::with_capacity(containers.iter().map(Vec::len).sum());
    for container in containers {
        rows.extend(container.into_iter().map(|(row, _, diff)| (row, diff)));
    }
    rows
}

impl StashedTicks {
    /// Files the tick of an epoch, of which every worker is told one.
    pub(crate) fn keep(&mut self, capability: Option<Capability<Epoch>>, ticks: &mut Vec<Tick>) {
        let Some(capability) = capability else { return };
        let Some(tick) = ticks.drain(..).next_back() else { panic!("a container with a stamp holds a tick") };
        self.0.insert(*capability.time(), (capability, tick));
    }

    /// The first epoch, if it is complete.
    pub(crate) fn pop_complete(
        &mut self,
        complete: impl Fn(&Epoch) -> bool,
    ) -> Option<(Capability<Epoch>, Tick)> {
        let first = self.0.first_entry().filter(|first| complete(first.key()))?;
        Some(first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_comes_apart_by_epochs_in_its_order() {
        let mut rows = vec![('a', 1, 1), ('b', 1, 1), ('c', 3, 1), ('d', 1, -1), ('e', 2, 1), ('f', 2, 1)];
        let wanted = vec![
            (1, vec![('a', 1, 1), ('b', 1, 1)]),
            (3, vec![('c', 3, 1)]),
            (1, vec![('d', 1, -1)]),
            (2, vec![('e', 2, 1), ('f', 2, 1)]),
        ];
        assert_eq!(runs(&mut rows), wanted);
        assert!(runs(&mut rows).is_empty());
    }

    #[test]
    fn a_full_container_is_not_copied_and_room_that_nothing_fills_is_not_kept() {
        let (mut full, mut roomy) = (vec![('a', 1, 1), ('b', 1, 1)], Vec::with_capacity(100));
        let place = full.as_ptr();
        assert_eq!(runs(&mut full)[0].1.as_ptr(), place);
        roomy.push(('a', 1, 1));
        assert!(runs(&mut roomy)[0].1.capacity() < 100);
        assert!(roomy.is_empty());
    }
}
