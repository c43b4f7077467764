//! A refused record on its way to the dead-letter topic.

use crate::error::Reject;

/// Suffix of dead-letter topics.
pub const SUFFIX: &str = ".dlq";

/// Headers that together say which record a letter is about.
pub const POSITION_HEADERS: [&str; 4] =
    ["x-original-topic", "x-original-partition", "x-original-offset", "x-original-item"];

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

/// Where dead letters go. A letter is known by the position that it is about.
pub trait DeadLetterSink: Send {
    /// Writes a letter, unless it stands there already. An error says what to do; the same letter is then sent again.
    fn send(&mut self, letter: &DeadLetter) -> Result<(), String>;

    /// Every letter sent is durable when it returns.
    fn flush(&mut self) -> Result<(), String>;
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
            ("x-original-topic", position.topic.as_ref().to_owned()),
            ("x-original-partition", position.partition.to_string()),
            ("x-original-offset", position.offset.to_string()),
            ("x-original-item", position.item.to_string()),
        ]
    }
}
