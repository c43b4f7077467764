//! The questions: HTTP over the views. The only crate that serves.
//!
//! A request names its tenant first ([`access`]), asks the engine through one reader, and gets rows with the epoch at
//! which they were true. Every refusal is a problem document (RFC 9457).

mod access;
mod mcp;
mod problem;
mod protobuf;
mod router;
mod routes;
mod runs;
mod senders;
mod state;

pub use problem::Problem;
pub use router::{TIMEOUT, router};
pub use senders::Senders;
pub use state::{Api, Append, Appender, Appending, Investigator, OnItsWay, Searcher, Searching, Steps};
