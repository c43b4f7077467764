//! The values of one key: a sorted list with multiplicities. Most keys have one value, for which a tree would take ten
//! times the memory.

use schemas::time::Diff;

/// So few changes are looked up one by one; each moves what comes after it. So few values are looked through, and kept without room for
/// more.
const FEW: usize = 4;

/// Values in order, each with its multiplicity, which is never zero.
#[derive(Debug)]
pub(crate) struct Values<V>(Vec<(V, Diff)>);

impl<V> Default for Values<V> {
    fn default() -> Self {
        Values(Vec::new())
    }
}

impl<V: Ord> Values<V> {
    /// Applies changes, in any order. Values before the least of them are not looked at.
    pub(crate) fn apply(&mut self, mut changes: Vec<(V, Diff)>) {
        if !self.0.is_empty() && changes.len() <= FEW {
            changes.into_iter().for_each(|(value, diff)| self.add(value, diff));
            return;
        }
        let Some(least) = changes.iter().map(|(value, _)| value).min() else { return };
        let mut later = self.0.split_off(self.0.partition_point(|(known, _)| known < least));
        if later.is_empty() {
            // A key that is new keeps the list as it is: most have few values, and a list that grows has room for more.
            later = changes;
        } else {
            later.append(&mut changes);
        }
        // What was there is in order already, and the stable sort makes use of that.
        later.sort_by(|left, right| left.0.cmp(&right.0));
        later.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        later.retain(|(_, copies)| *copies != 0);
        if self.0.is_empty() {
            self.0 = later;
        } else {
            self.0.append(&mut later);
        }
        self.shrink();
    }

    fn add(&mut self, value: V, diff: Diff) {
        match self.place(&value) {
            Err(_) if diff == 0 => {}
            Err(place) => {
                if self.0.len() < FEW {
                    // Most keys have few for good, and a list that grows by itself has room for four.
                    self.0.reserve_exact(1);
                }
                self.0.insert(place, (value, diff));
            }
            Ok(place) if self.0[place].1 + diff == 0 => {
                self.0.remove(place);
                self.shrink();
            }
            Ok(place) => self.0[place].1 += diff,
        }
    }

    /// Where a value is, or would be. What is taken back mostly is the very row that was given: equality of shared rows sees
    /// that at once, while order looks at all fields.
    fn place(&self, value: &V) -> Result<usize, usize> {
        let same =
            if self.0.len() <= FEW { self.0.iter().position(|(known, _)| known == value) } else { None };
        same.map_or_else(|| self.0.binary_search_by(|(known, _)| known.cmp(value)), Ok)
    }

    fn shrink(&mut self) {
        if 2 * self.0.len() < self.0.capacity() {
            self.0.shrink_to_fit();
        }
    }
}

impl<V> Values<V> {
    /// In order, with their multiplicities.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&V, Diff)> {
        self.0.iter().map(|(value, copies)| (value, *copies))
    }

    /// In order, each once.
    pub(crate) fn distinct(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.iter().map(|(value, _)| value)
    }

    /// The least.
    pub(crate) fn first(&self) -> Option<&V> {
        self.distinct().next()
    }

    /// The greatest.
    pub(crate) fn last(&self) -> Option<&V> {
        self.distinct().next_back()
    }

    /// How many different ones.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes the least ones.
    pub(crate) fn forget_first(&mut self, count: usize) {
        self.0.drain(..count.min(self.0.len()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn few_values_of_a_new_key_have_no_room_for_more() {
        for count in 1..FEW {
            let mut values = Values::default();
            values.apply((0..count).map(|value| (value, 1)).collect());
            assert_eq!((values.len(), values.0.capacity()), (count, count));
        }
    }

    #[test]
    fn what_comes_late_into_many_values_is_put_where_it_belongs() {
        let mut values = Values::default();
        values.apply((0..100).map(|value| (2 * value, 1)).collect());
        values.apply(vec![(151, 1), (160, -1), (3, 2), (160, 3), (199, 1), (198, -1)]);
        let mut wanted = BTreeMap::from_iter((0..99).map(|value| (2 * value, 1)));
        wanted.extend([(151, 1), (160, 3), (3, 2), (199, 1)]);
        let found = values.iter().map(|(value, copies)| (*value, copies));
        assert_eq!(found.collect::<Vec<_>>(), Vec::from_iter(wanted));
    }
}
