//! Sources: where records come from, how they are decoded, and whose turn it is.

pub mod clock;
pub(crate) mod decode;
pub mod embedded;
pub mod kafka;
pub mod log;
pub mod past;
pub mod registry;
pub mod share;
pub mod source;
