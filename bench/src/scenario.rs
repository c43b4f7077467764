//! Seeded outages of a made-up shop, in the vendors' own formats, with the truth beside them.
//!
//! The same seed gives the same bytes: no clock, no map of random order. A scenario is a list of records in the order
//! of their arrival; some are late, some come twice, some are corrected later.

use schemas::codec::Format;
use schemas::time::EventTime;
use serde::Serialize;
use serde_json::Value;

mod delivery;
mod objects;
pub mod planted;
pub mod random;
mod story;
mod telemetry;

pub use story::{Family, generate, joint};

/// One record as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Topic family.
    pub family: &'static str,
    /// Encoding.
    pub format: Format,
    /// When it arrives at the log.
    pub at: EventTime,
    /// The vendor's document.
    pub document: Value,
}

/// What a scenario's outage really was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Truth {
    /// Fault family.
    pub family: &'static str,
    /// The root cause, as `kind/namespace/name`.
    pub root: String,
    /// Kinds by which it may be named.
    pub root_kinds: Vec<&'static str>,
    /// Things that look guilty and are not.
    pub red_herrings: Vec<String>,
    /// When the fault was injected.
    pub injected_at: EventTime,
    /// Ways in which people ask.
    pub questions: Vec<String>,
}

/// A generated outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// In order of arrival.
    pub records: Vec<Record>,
    /// What really happened.
    pub truth: Truth,
}

impl Scenario {
    /// The recording: one line per record.
    pub fn recording(&self, tenant: &str) -> String {
        let line = |record: &Record| {
            let topic = format!("{}-{tenant}", record.family);
            serde_json::json!({"topic": topic, "at": record.at, "format": record.format.as_str(), "record": record.document}).to_string()
        };
        let mut lines: Vec<String> = self.records.iter().map(line).collect();
        lines.push(String::new());
        lines.join("\n")
    }
}
