//! The vocabulary of questions about series: what people who run services ask of any metrics system.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What is measured. Queries, configured ones too, answer in the unit of their measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Share of requests that failed.
    ErrorRate,
    /// The 99th percentile of how long requests take.
    LatencyP99,
    /// Requests a second.
    RequestRate,
    /// Processor use.
    Cpu,
    /// Share of scheduling periods in which the processor was withheld.
    CpuThrottling,
    /// Memory in use.
    Memory,
    /// Memory in use by its limit.
    MemoryLimitRatio,
    /// Restarts of containers within an interval.
    Restarts,
    /// Processor use by its limit.
    Saturation,
    /// Messages that wait for a consumer.
    QueueLag,
    /// How much of it is there: 1 or the number of what is up.
    Up,
}

impl Measure {
    /// All of them.
    pub const ALL: [Measure; 11] = [
        Measure::ErrorRate,
        Measure::LatencyP99,
        Measure::RequestRate,
        Measure::Cpu,
        Measure::CpuThrottling,
        Measure::Memory,
        Measure::MemoryLimitRatio,
        Measure::Restarts,
        Measure::Saturation,
        Measure::QueueLag,
        Measure::Up,
    ];

    /// What its numbers count.
    pub fn unit(self) -> &'static str {
        match self {
            Measure::ErrorRate | Measure::CpuThrottling | Measure::MemoryLimitRatio | Measure::Saturation => {
                "ratio"
            }
            Measure::LatencyP99 => "seconds",
            Measure::RequestRate => "requests per second",
            Measure::Cpu => "cores",
            Measure::Memory => "bytes",
            Measure::Restarts => "restarts",
            Measure::QueueLag => "messages",
            Measure::Up => "instances up",
        }
    }
}

/// The schema of a measure.
pub(super) fn schema() -> Value {
    json!({ "type": "string", "enum": Measure::ALL, "description": "what is measured" })
}
