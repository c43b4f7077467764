//! Cost curves: what an event costs the engine, and what a live one holds, as one thing grows.
//!
//! An axis is a family of workloads that differ in one number. Events are those of the peers' benchmark (`peers::workload`), so
//! that they reach kgroot's engine decoded. Every point is measured in a process of its own.

use serde::{Deserialize, Serialize};

use crate::peers::generate::{Size, generate};
use crate::peers::workload::Event;

mod draw;
pub mod point;
mod shapes;

pub use draw::svg;

/// Event time of workloads that are a whole cluster, in milliseconds: more than a horizon.
const DURATION_MS: i64 = 9_000_000;
/// Services of a cluster when something else grows.
const SERVICES: u32 = 100;
/// Live events for each service of such a cluster, roughly.
const LIVE_OF_SERVICE: u64 = 1_000;
/// Events handed over at once, as in the guard. In a cluster that grows it grows too: it is what comes in the same time.
const BATCH: usize = 2_000;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Its name, also that of its file.
    pub name: &'static str,
    /// What the numbers are, for people.
    pub title: &'static str,
    /// The points, least first.
    pub values: &'static [u64],
    /// Whether the axis is drawn by its logarithm.
    pub logarithmic: bool,
}

/// All curves.
pub const AXES: [Axis; 8] = [
    Axis { name: "tenants", title: "tenants", values: &[1, 10, 100, 1_000, 10_000], logarithmic: true },
    Axis {
        name: "live",
        title: "live events (about)",
        values: &[10_000, 100_000, 1_000_000, 10_000_000],
        logarithmic: true,
    },
    Axis { name: "fan-out", title: "pods of a service", values: &[1, 10, 100, 1_000], logarithmic: true },
    Axis {
        name: "chain-length",
        title: "links from root to last effect",
        values: &[2, 10, 50, 100, 200],
        logarithmic: false,
    },
    Axis {
        name: "hot-key",
        title: "percent of signals on one pod",
        values: &[0, 10, 50, 90, 99],
        logarithmic: false,
    },
    Axis {
        name: "late",
        title: "percent of events ten minutes late",
        values: &[0, 1, 10, 50],
        logarithmic: false,
    },
    Axis { name: "series", title: "metric series", values: &[100, 1_000, 10_000], logarithmic: true },
    Axis { name: "workers", title: "workers", values: &[1, 2], logarithmic: false },
];

/// What is fed at a point.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Events in the order of their delivery, each of one of the tenants.
    pub events: Vec<(u64, Event)>,
    /// Worker threads of the engine.
    pub workers: usize,
    /// Events handed over at once.
    pub batch: usize,
}

/// What a point came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// Of the axis.
    pub value: u64,
    /// Events fed.
    pub events: u64,
    /// Events that count at the end.
    pub live: u64,
    /// Wall-clock and processor seconds.
    pub wall_s: f64,
    /// Of all threads.
    pub cpu_s: f64,
    /// Resident memory beyond what the process had with the workload in it.
    pub bytes: u64,
    /// Links and chains at the end, so that one can see what was computed.
    pub links: u64,
    /// Chains.
    pub chains: u64,
}

impl Point {
    /// Events for each second of a processor.
    pub fn per_processor_s(&self) -> f64 {
        self.events as f64 / self.cpu_s.max(0.01)
    }

    /// Memory for each live event.
    pub fn bytes_per_live(&self) -> f64 {
        self.bytes as f64 / self.live.max(1) as f64
    }
}

/// The workload of a point.
pub fn feed(axis: &str, value: u64) -> Option<Feed> {
    let small = u32::try_from(value).unwrap_or(u32::MAX);
    let cluster = |services| generate(1, Size { services, duration_ms: DURATION_MS });
    let of_one = |events: Vec<Event>| events.into_iter().map(|event| (0, event)).collect();
    let (mut workers, mut batch) = (1, BATCH);
    let events = match axis {
        "tenants" => shapes::tenants(value),
        "live" => {
            let services = u32::try_from(value / LIVE_OF_SERVICE).unwrap_or(u32::MAX).max(2);
            batch = BATCH * usize::try_from(services).unwrap_or(1) / SERVICES as usize;
            of_one(cluster(services))
        }
        "fan-out" => of_one(shapes::fan_out(small)),
        "chain-length" => of_one(shapes::chains(small)),
        "series" => of_one(shapes::series(small)),
        "hot-key" => of_one(shapes::hot(value)),
        "late" => of_one(shapes::late(cluster(SERVICES), value)),
        "workers" => {
            workers = usize::try_from(value).unwrap_or(1);
            of_one(cluster(SERVICES))
        }
        _ => return None,
    };
    Some(Feed { events, workers, batch })
}
