//! Words that are looked for in what passes, whatever protocol it is: a request in which one stands loses its answer, and
//! an answer in which one stands is counted. A word may be divided among packets. Pure.

use std::collections::{BTreeMap, VecDeque};

/// Bytes of some length.
pub type Word = &'static [u8];

/// A request that is to lose its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What stands in it.
    pub word: Word,
    /// Requests with the word that pass before.
    pub skip: u64,
}

/// What one direction of a connection carried last: a word may have begun in it.
#[derive(Debug, Default)]
pub struct Passing {
    tail: Vec<u8>,
}

/// Requests that are to lose their answers, and what was counted.
#[derive(Debug, Default)]
pub struct Words {
    waiting: VecDeque<Lost>,
    lost: u64,
    counted: BTreeMap<Word, u64>,
}

impl Words {
    /// Lets a request lose its answer.
    pub fn lose(&mut self, lost: Lost) {
        self.waiting.push_back(lost);
    }

    /// Counts a word in answers from now on.
    pub fn count(&mut self, word: Word) {
        self.counted.entry(word).or_default();
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// How often a word that is counted stood in answers.
    pub fn counted(&self, word: Word) -> u64 {
        self.counted.get(word).copied().unwrap_or(0)
    }

    /// Bytes of a request came; says whether its answer is to be lost.
    pub fn request(&mut self, passing: &mut Passing, bytes: &[u8]) -> bool {
        let mut losing = false;
        let longest = self.waiting.iter().map(|lost| lost.word.len()).max().unwrap_or(0);
        let window = passing.with(bytes);
        self.waiting.retain_mut(|lost| {
            let found = window.ends(lost.word);
            let due = lost.skip < found;
            lost.skip = lost.skip.saturating_sub(found);
            losing |= due;
            !due
        });
        passing.keep(window, longest);
        losing
    }

    /// Bytes of an answer came.
    pub fn answer(&mut self, passing: &mut Passing, bytes: &[u8]) {
        let longest = self.counted.keys().map(|word| word.len()).max().unwrap_or(0);
        let window = passing.with(bytes);
        for (word, count) in &mut self.counted {
            *count += window.ends(word);
        }
        passing.keep(window, longest);
    }

    /// An answer came that is not passed on.
    pub fn swallowed(&mut self) {
        self.lost += 1;
    }
}

/// New bytes behind what a word may have begun in.
struct Window {
    bytes: Vec<u8>,
    old: usize,
}

impl Window {
    /// How often a word ends in the new bytes.
    fn ends(&self, word: &[u8]) -> u64 {
        let places = self.bytes.windows(word.len().max(1)).enumerate();
        places.filter(|(at, found)| self.old < at + word.len() && *found == word).count() as u64
    }
}

impl Passing {
    fn with(&self, bytes: &[u8]) -> Window {
        Window { bytes: [&self.tail, bytes].concat(), old: self.tail.len() }
    }

    fn keep(&mut self, window: Window, longest: usize) {
        let from = window.bytes.len().saturating_sub(longest.saturating_sub(1));
        self.tail = window.bytes[from..].to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_loses_its_answer_when_it_is_its_turn() {
        let mut words = Words::default();
        let mut passing = Passing::default();
        words.lose(Lost { word: b"POST /_bulk", skip: 1 });
        words.lose(Lost { word: b"PUT", skip: 0 });
        assert!(!words.request(&mut passing, b"POST /_bulk HTTP/1.1"));
        assert!(words.request(&mut passing, b"PUT /x HTTP/1.1"));
        assert!(!words.request(&mut passing, b"PUT /x HTTP/1.1 POST /_b"));
        assert!(words.request(&mut passing, b"ulk HTTP/1.1"));
        assert!(!words.request(&mut passing, b"POST /_bulk HTTP/1.1"));
    }

    #[test]
    fn a_word_is_counted_once_however_it_is_divided() {
        let mut words = Words::default();
        words.count(b"deadlock");
        let text = b"no deadlock, deadlockdeadlock and a dead lock";
        for size in 1..=text.len() {
            let (before, mut passing) = (words.counted(b"deadlock"), Passing::default());
            text.chunks(size).for_each(|bytes| words.answer(&mut passing, bytes));
            assert_eq!(words.counted(b"deadlock") - before, 3, "in packets of {size}");
        }
        assert_eq!(words.counted(b"other"), 0);
    }
}
