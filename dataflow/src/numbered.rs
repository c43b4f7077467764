//! Things by small numbers, so that others can name them in four bytes and find them at once.
//!
//! A number is used again once what it stood for is gone: whoever removes something sees to it that nothing names it any
//! more. Numbers say nothing of order. Room is given back from the end, so the lowest number that is free is used first.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Numbered<T> {
    places: Vec<Option<T>>,
    /// Those without anything, all before the last one that has something.
    free: BTreeSet<u32>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Numbered { places: Vec::new(), free: BTreeSet::new() }
    }
}

impl<T> Numbered<T> {
    /// The number that the next thing gets.
    pub(crate) fn next(&self) -> u32 {
        self.free.first().copied().unwrap_or(self.places.len() as u32)
    }

    /// Gives something a number.
    pub(crate) fn insert(&mut self, new: T) -> u32 {
        if let Some(number) = self.free.pop_first() {
            self.places[number as usize] = Some(new);
            return number;
        }
        let Ok(number) = u32::try_from(self.places.len()) else {
            panic!("a worker holds more than four billion things of one sort")
        };
        self.places.push(Some(new));
        number
    }

    /// Takes a number back.
    pub(crate) fn remove(&mut self, number: u32) -> T {
        let Some(old) = self.places[number as usize].take() else { panic!("a number was taken back twice") };
        self.free.insert(number);
        while let Some(None) = self.places.last() {
            self.places.pop();
            self.free.remove(&(self.places.len() as u32));
        }
        if 4 * self.places.len() < self.places.capacity() {
            self.places.shrink_to(2 * self.places.len());
        }
        old
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.free.is_empty()
    }

    /// The numbers that stand for something.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.places).filter(|(_, place)| place.is_some()).map(|(number, _)| number)
    }
}

impl<T> Index<u32> for Numbered<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        match &self.places[number as usize] {
            Some(there) => there,
            None => panic!("a number is used after what it stood for was removed"),
        }
    }
}

impl<T> IndexMut<u32> for Numbered<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        match &mut self.places[number as usize] {
            Some(there) => there,
            None => panic!("a number is used after what it stood for was removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_room_is_given_back() {
        let mut numbered = Numbered::default();
        assert_eq!(["a", "b", "c", "d"].map(|new| numbered.insert(new)), [0, 1, 2, 3]);
        assert_eq!((numbered.remove(2), numbered.remove(1)), ("c", "b"));
        assert_eq!(
            (numbered.insert("e"), numbered[1], numbered[3]),
            (1, "e", "d"),
            "the lowest free one first"
        );
        assert_eq!((numbered.remove(3), numbered.places.len()), ("d", 2), "what is free at the end is gone");
        assert_eq!((numbered.next(), numbered.insert("f")), (2, 2));
        assert_eq!(numbered.remove(1), "e");
        assert_eq!(numbered.numbers().collect::<Vec<_>>(), [0, 2]);
        assert_eq!((numbered.next(), numbered.insert("e")), (1, 1));
        assert_eq!([0, 1, 2].map(|number| numbered.remove(number)), ["a", "e", "f"]);
        assert!(numbered.is_empty());
    }
}
