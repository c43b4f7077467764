//! Rows that other rows show, and what rows have in common: shared, with the hash of what they contain.
//!
//! An episode is shown by its links, those by chains, and each of these rows is hashed when it comes and when it goes: hashed by what
//! they show, a chain of fifty links would hash a hundred episodes.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::{Digest, Hashing, hash_of};

/// A row that many show, or what many have in common. Cheap to clone; hashed by its digest, written as the row.
pub struct Shared<T>(Arc<Digested<T>>);

struct Digested<T> {
    digest: Digest,
    row: T,
}

impl<T: Hash> Shared<T> {
    /// Shares a row. Whoever makes many of them hashes all with one.
    pub fn of(row: T, hashing: &mut Hashing) -> Self {
        let digest = Digest(hashing.of(&row));
        Shared(Arc::new(Digested { digest, row }))
    }
}

impl<T: Hash> From<T> for Shared<T> {
    fn from(row: T) -> Self {
        Shared(Arc::new(Digested { digest: Digest(hash_of(&row)), row }))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.row
    }
}

impl<T> AsRef<T> for Shared<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.digest == other.0.digest && **self == **other)
    }
}

impl<T: Eq> Eq for Shared<T> {}

impl<T: Ord> PartialOrd for Shared<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Shared<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { (**self).cmp(&**other) }
    }
}

impl<T> Hash for Shared<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.digest.hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + Hash> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Shared::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_equal_and_hash_alike_if_they_contain_the_same() {
        let of = |text: &str, number: u32| Shared::from((text.to_owned(), number));
        let (one, same, other) = (of("a", 1), of("a", 1), of("a", 2));
        assert_eq!((&one, hash_of(&one)), (&same, hash_of(&same)));
        assert_ne!(one, other);
        assert_ne!(hash_of(&one), hash_of(&other));
        assert!(one < other && one.cmp(&same) == Ordering::Equal);
    }

    #[test]
    fn a_row_is_written_as_itself() {
        let row = Shared::from(("a".to_owned(), 1_u32));
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text, r#"["a",1]"#);
        let read: Shared<(String, u32)> = serde_json::from_str(&text).unwrap();
        assert_eq!((read.clone(), hash_of(&read)), (row.clone(), hash_of(&row)));
    }
}
