//! Things known by a key, by small numbers, until they are of no use.
//!
//! A thing has a number from the first time that its key is asked for until it is found to be of no use. That is looked at when all
//! changes of an epoch are made ([`Keyed::forget`]), so that within an epoch a number means the same. Numbers are given as keys
//! come: nothing that is emitted may depend on their order.

use std::hash::Hash;
use std::ops::{Index, IndexMut};

use crate::numbered::Numbered;

/// Numbers by keys; nobody sees the order of the table. Its hash is keyed anew in each process: keys come from producers.
#[expect(clippy::disallowed_types, reason = "its order is seen by nobody")]
pub(crate) type Numbers<K, N> = std::collections::HashMap<K, N, ahash::RandomState>;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Keyed<K, T> {
    numbers: Numbers<K, u32>,
    things: Numbered<(K, T)>,
    /// Those that may be of no use: they are new, or have lost something.
    doubtful: Vec<u32>,
}

impl<K, T> Default for Keyed<K, T> {
    fn default() -> Self {
        Keyed { numbers: Numbers::default(), things: Numbered::default(), doubtful: Vec::new() }
    }
}

impl<K: Copy + Eq + Hash, T: Default> Keyed<K, T> {
    /// The number of a thing, which gets one if it has none.
    pub(crate) fn number(&mut self, key: K) -> u32 {
        *self.numbers.entry(key).or_insert_with(|| {
            let number = self.things.insert((key, T::default()));
            self.doubtful.push(number);
            number
        })
    }

    /// The number of a thing, if it has one.
    pub(crate) fn find(&self, key: K) -> Option<u32> {
        self.numbers.get(&key).copied()
    }

    /// A thing has lost something, and may be of no use.
    pub(crate) fn doubt(&mut self, number: u32) {
        self.doubtful.push(number);
    }

    /// The numbers of all things.
    pub(crate) fn all(&self) -> impl Iterator<Item = u32> {
        self.things.numbers()
    }

    /// Forgets the things that are of no use. Nothing may name them any more.
    pub(crate) fn forget(&mut self, is_unused: impl Fn(&T) -> bool) {
        let mut doubtful = std::mem::take(&mut self.doubtful);
        doubtful.sort_unstable();
        doubtful.dedup();
        for number in doubtful {
            if is_unused(&self.things[number].1) {
                let (key, _) = self.things.remove(number);
                self.numbers.remove(&key);
            }
        }
        // What a burst needed is given back by the table, and by the numbers as far as they are at the end.
        if 4 * self.numbers.len() < self.numbers.capacity() {
            self.numbers.shrink_to(2 * self.numbers.len());
        }
    }
}

impl<K, T> Index<u32> for Keyed<K, T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        &self.things[number].1
    }
}

impl<K, T> IndexMut<u32> for Keyed<K, T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.things[number].1
    }
}

#[cfg(test)]
impl<K, T> Keyed<K, T> {
    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.things.is_empty() && self.doubtful.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_no_use_is_forgotten_once_it_is_in_doubt() {
        let mut keyed = Keyed::<char, u8>::default();
        let (a, b) = (keyed.number('a'), keyed.number('b'));
        assert_eq!((keyed.number('a'), keyed[a], keyed[b]), (a, 0, 0));
        (keyed[a], keyed[b]) = (1, 1);
        let of_no_use = |uses: &u8| *uses == 0;
        keyed.forget(of_no_use);
        keyed[a] = 0;
        keyed.forget(of_no_use);
        assert_eq!(keyed.all().collect::<Vec<_>>(), [a, b], "nobody doubts it");
        keyed.doubt(a);
        keyed.doubt(a);
        keyed.forget(of_no_use);
        assert_eq!(keyed.all().collect::<Vec<_>>(), [b]);
        assert_eq!((keyed.number('c'), keyed.number('b')), (a, b), "its number is used again");
        keyed.forget(of_no_use);
        keyed[b] = 0;
        keyed.doubt(b);
        keyed.forget(of_no_use);
        assert!(keyed.is_empty(), "who is new and unused is forgotten without being doubted");
    }

    #[test]
    fn the_room_of_a_burst_is_given_back_and_who_stays_is_found() {
        let mut keyed = Keyed::<u32, ()>::default();
        let numbers = (0..10_000).map(|key| keyed.number(key));
        assert!(numbers.eq(0..10_000));
        // Those that stay have come into use since.
        keyed.doubtful.retain(|number| 10 <= *number);
        keyed.forget(|()| true);
        assert!(keyed.numbers.capacity() < 100);
        assert!((0..10).all(|key| keyed.number(key) == key) && keyed.number(10) == 10);
    }
}
