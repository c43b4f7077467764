//! Things by small numbers, so that others can name them in four bytes and find them at once.
//!
//! A number is used again once what it stood for is gone: whoever removes something sees to it that nothing names it any
//! more. Numbers say nothing of order. Room is given back from the end, so the lowest number that is free is used first.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Option<T>>,
    /// Those without anything, all before the last one that has something.
    free: BTreeSet<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { slots: Vec::new(), free: BTreeSet::new() }
    }
}

impl<T> Slots<T> {
    /// Gives something a number.
    pub(super) fn insert(&mut self, new: T) -> u32 {
        if let Some(number) = self.free.pop_first() {
            self.slots[number as usize] = Some(new);
            return number;
        }
        let Ok(number) = u32::try_from(self.slots.len()) else {
            panic!("a worker holds more than four billion entities or subjects")
        };
        self.slots.push(Some(new));
        number
    }

    /// Takes a number back.
    pub(super) fn remove(&mut self, number: u32) -> T {
        let Some(old) = self.slots[number as usize].take() else { panic!("a number was taken back twice") };
        self.free.insert(number);
        while let Some(None) = self.slots.last() {
            self.slots.pop();
            self.free.remove(&(self.slots.len() as u32));
        }
        if 4 * self.slots.len() < self.slots.capacity() {
            self.slots.shrink_to(2 * self.slots.len());
        }
        old
    }
}

impl<T> Index<u32> for Slots<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        match &self.slots[number as usize] {
            Some(there) => there,
            None => panic!("a number is used after what it stood for was removed"),
        }
    }
}

impl<T> IndexMut<u32> for Slots<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        match &mut self.slots[number as usize] {
            Some(there) => there,
            None => panic!("a number is used after what it stood for was removed"),
        }
    }
}

#[cfg(test)]
impl<T> Slots<T> {
    /// Whether nothing is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.free.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_room_is_given_back() {
        let mut slots = Slots::default();
        assert_eq!(["a", "b", "c", "d"].map(|new| slots.insert(new)), [0, 1, 2, 3]);
        assert_eq!((slots.remove(2), slots.remove(1)), ("c", "b"));
        assert_eq!((slots.insert("e"), slots[1], slots[3]), (1, "e", "d"), "the lowest free one first");
        assert_eq!((slots.remove(3), slots.slots.len()), ("d", 2), "what is free at the end is gone");
        assert_eq!(slots.insert("f"), 2);
        assert_eq!([0, 1, 2].map(|number| slots.remove(number)), ["a", "e", "f"]);
        assert!(slots.is_empty());
    }
}
