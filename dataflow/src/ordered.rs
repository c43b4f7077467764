//! A map in order of its keys: a sorted list while it is short, a tree beyond.
//!
//! Most entities have few edges, causes, effects and kinds of trouble, for which a tree would take ten times the memory. A hub has a hundred
//! thousand, of which a list would move half for each one that comes or goes.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

#[cfg(test)]
mod tests;

/// A list is never longer: to move so many small entries costs about as much as to find one in a large tree.
const LIST_MAX: usize = 256;
/// A tree is never shorter. Well below the longest list, so that one more and one less do not rebuild it each time.
const TREE_MIN: usize = LIST_MAX / 4;

/// See the head of this file.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "trees are few: one in place would make every list a third larger")]
pub(crate) enum Ordered<K, V> {
    List(Vec<(K, V)>),
    Tree(Box<BTreeMap<K, V>>),
}

/// Keys alone.
pub(crate) type OrderedSet<K> = Ordered<K, ()>;

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Ordered::List(Vec::new())
    }
}

impl<K: Copy + Ord, V> Ordered<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Ordered::List(list) => list.is_empty(),
            Ordered::Tree(tree) => tree.is_empty(),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        match self {
            Ordered::List(list) => place(list, key).ok().map(|place| &list[place].1),
            Ordered::Tree(tree) => tree.get(key),
        }
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self {
            Ordered::List(list) => place(list, key).ok().map(|place| &mut list[place].1),
            Ordered::Tree(tree) => tree.get_mut(key),
        }
    }

    /// Gives a key a value, instead of the one it has.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.make_room();
        match self {
            Ordered::List(list) => match place(list, &key) {
                Ok(place) => list[place].1 = value,
                Err(place) => insert_at(list, place, (key, value)),
            },
            Ordered::Tree(tree) => {
                tree.insert(key, value);
            }
        }
    }

    /// The value of a key, the default one if it had none.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.make_room();
        match self {
            Ordered::List(list) => {
                let place = place(list, &key).unwrap_or_else(|place| {
                    insert_at(list, place, (key, V::default()));
                    place
                });
                &mut list[place].1
            }
            Ordered::Tree(tree) => tree.entry(key).or_default(),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Ordered::List(list) => {
                let (_, value) = list.remove(place(list, key).ok()?);
                if 2 * list.len() < list.capacity() {
                    list.shrink_to_fit();
                }
                Some(value)
            }
            Ordered::Tree(tree) => {
                let value = tree.remove(key);
                if tree.len() < TREE_MIN {
                    *self = Ordered::List(std::mem::take(&mut **tree).into_iter().collect());
                }
                value
            }
        }
    }

    /// All, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let (list, tree) = match self {
            Ordered::List(list) => (Some(list), None),
            Ordered::Tree(tree) => (None, Some(tree.iter())),
        };
        list.into_iter().flatten().map(|(key, value)| (key, value)).chain(tree.into_iter().flatten())
    }

    /// Those from one key to another, which is not before it, in order.
    pub(crate) fn range(&self, keys: RangeInclusive<K>) -> impl Iterator<Item = (&K, &V)> {
        let (list, tree) = match self {
            Ordered::List(list) => (Some(&list[places(list, &keys)]), None),
            Ordered::Tree(tree) => (None, Some(tree.range(keys))),
        };
        list.into_iter().flatten().map(|(key, value)| (key, value)).chain(tree.into_iter().flatten())
    }

    /// As [`Ordered::range`], to change what they have.
    pub(crate) fn range_mut(&mut self, keys: RangeInclusive<K>) -> impl Iterator<Item = (&K, &mut V)> {
        let (list, tree) = match self {
            Ordered::List(list) => {
                let places = places(list, &keys);
                (Some(&mut list[places]), None)
            }
            Ordered::Tree(tree) => (None, Some(tree.range_mut(keys))),
        };
        list.into_iter().flatten().map(|(key, value)| (&*key, value)).chain(tree.into_iter().flatten())
    }

    /// A list that is full becomes a tree.
    fn make_room(&mut self) {
        if let Ordered::List(list) = self
            && list.len() == LIST_MAX
        {
            *self = Ordered::Tree(Box::new(std::mem::take(list).into_iter().collect()));
        }
    }
}

/// Where a key is, or would be.
fn place<K: Ord, V>(list: &[(K, V)], key: &K) -> Result<usize, usize> {
    list.binary_search_by(|(known, _)| known.cmp(key))
}

fn places<K: Ord, V>(list: &[(K, V)], keys: &RangeInclusive<K>) -> std::ops::Range<usize> {
    let first = list.partition_point(|(key, _)| key < keys.start());
    first..first + list[first..].partition_point(|(key, _)| key <= keys.end())
}

/// Most lists stay at one, for which room for four would be a waste.
fn insert_at<T>(list: &mut Vec<T>, place: usize, new: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.insert(place, new);
}
