//! A refused record on its way to the dead-letter topic.

use crate::error::Reject;

/// Suffix of dead-letter topics.
pub const SUFFIX: &str = ".dlq";

/// The original record and why it was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why, and where it came from.
    pub reject: Reject,
    /// Key of the original record.
    pub key: Vec<u8>,
    /// Value of the original record.
    pub value: Vec<u8>,
}

impl DeadLetter {
    /// The topic that it goes to.
    pub fn topic(&self) -> String {
        format!("{}{SUFFIX}", self.reject.position.topic)
    }

    /// Headers that say why and where from.
    pub fn headers(&self) -> [(&'static str, String); 6] {
        let position = &self.reject.position;
        [
            ("x-error-code", self.reject.error.code.to_string()),
            ("x-error-detail", self.reject.error.detail.clone()),
            ("x-original-topic", position.topic.clone()),
            ("x-original-partition", position.partition.to_string()),
            ("x-original-offset", position.offset.to_string()),
            ("x-original-item", position.item.to_string()),
        ]
    }
}
