//! Where each topic begins and ends, and which of them grew. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

/// All topics.
#[derive(Default)]
pub(super) struct Topics {
    ends: BTreeMap<Arc<str>, Ends>,
    /// Each topic under the number of its last append, so that nobody who looks for news looks at the others.
    grown: BTreeMap<u64, Arc<str>>,
    appends: u64,
}

/// Offsets of a topic.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends {
    /// That of the oldest record: what was removed is not looked through again.
    pub(super) oldest: i64,
    /// That of the record that comes next.
    pub(super) next: i64,
    /// Number of its last append.
    grown: u64,
}

impl Topics {
    /// Topics of which the oldest and the next offset are known, all of which grew.
    pub(super) fn of(known: BTreeMap<Arc<str>, (i64, i64)>) -> Topics {
        let mut topics = Topics::default();
        for (topic, (oldest, next)) in known {
            topics.grow(&topic, next);
            topics.forget(&topic, oldest);
        }
        topics
    }

    /// Offsets of a topic; of one that is not known, none.
    pub(super) fn ends(&self, topic: &str) -> Ends {
        self.ends.get(topic).copied().unwrap_or_default()
    }

    pub(super) fn all(&self) -> BTreeMap<Arc<str>, Ends> {
        self.ends.clone()
    }

    /// How often any of them grew.
    pub(super) fn appends(&self) -> u64 {
        self.appends
    }

    /// Those that grew after so many appends.
    pub(super) fn grown_since(&self, appends: u64) -> impl Iterator<Item = &Arc<str>> {
        self.grown.range(appends + 1..).map(|(_, topic)| topic)
    }

    /// A topic has records up to an offset now.
    pub(super) fn grow(&mut self, topic: &str, next: i64) {
        self.appends += 1;
        let before = self.grown.remove(&self.ends(topic).grown);
        let topic = before.unwrap_or_else(|| Arc::from(topic));
        let ends = self.ends.entry(Arc::clone(&topic)).or_default();
        (ends.next, ends.grown) = (next, self.appends);
        self.grown.insert(self.appends, topic);
    }

    /// What stands before an offset of a topic is gone.
    pub(super) fn forget(&mut self, topic: &str, before: i64) {
        if let Some(ends) = self.ends.get_mut(topic) {
            ends.oldest = ends.oldest.max(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_for_news_finds_each_topic_that_grew_once() {
        let mut topics =
            Topics::of([("a", (2, 5)), ("b", (0, 1))].map(|(name, ends)| (name.into(), ends)).into());
        let news = |topics: &Topics, seen| -> Vec<String> {
            topics.grown_since(seen).map(|topic| topic.to_string()).collect()
        };
        let seen = topics.appends();
        assert_eq!(news(&topics, 0), ["a", "b"]);
        assert_eq!(news(&topics, seen), [""; 0]);
        for (topic, next) in [("a", 6), ("c", 1), ("a", 9)] {
            topics.grow(topic, next);
        }
        assert_eq!(news(&topics, seen), ["c", "a"]);
        topics.forget("a", 4);
        let of = |topic: &str| (topics.ends(topic).oldest, topics.ends(topic).next);
        assert_eq!([of("a"), of("b"), of("c"), of("d")], [(4, 9), (0, 1), (0, 1), (0, 0)]);
    }
}
