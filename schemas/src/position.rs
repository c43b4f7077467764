//! Where a record came from. A claim is only as good as its way back to bytes.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Topic, partition and offset of the record; `item` counts the envelopes that one record held.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourcePosition {
    /// Topic name, or the path of a replayed file; shared by the records of a read.
    pub topic: Arc<str>,
    /// Partition of the topic; 0 for files.
    pub partition: i32,
    /// Offset in the partition; line or document number for files, from 0.
    pub offset: i64,
    /// Which envelope of the record, from 0.
    pub item: u32,
}

impl SourcePosition {
    /// The partition that the record stands in.
    pub fn partition(&self) -> Partition {
        Partition { topic: Arc::clone(&self.topic), number: self.partition }
    }
}

/// A partition of a topic: what a log keeps in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Number in the topic, from 0.
    pub number: i32,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.topic, self.number)
    }
}

impl fmt::Display for SourcePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.offset)?;
        if self.item == 0 { Ok(()) } else { write!(f, "#{}", self.item) }
    }
}
