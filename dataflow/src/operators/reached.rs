//! Reached: how far each source has come.
//!
//! Input   the greatest event time that a worker admitted of a source in an epoch; the sealed `now`.
//! Output  the greatest of all; at an epoch that is captured, also for a snapshot.
//! Ties    none. State  one time per source.

use schemas::ids::Tenant;
use schemas::time::EventTime;

use crate::operators::maintain::{Maintained, maintain_clocked};
use crate::retained::Retained;
use crate::types::{Ticks, Updates};
use serde::{Deserialize, Serialize};

/// How far a source has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Reached {
    /// Greatest event time admitted.
    Now(Tenant, String, EventTime),
    /// Kept as of an epoch that is captured; never retracted.
    Retained(Retained),
}

/// Keeps the greatest event time of each source.
pub(crate) fn reached<'scope>(
    admitted: Updates<'scope, ((Tenant, String), EventTime)>,
    ticks: Ticks<'scope>,
) -> Updates<'scope, Reached> {
    maintain_clocked(
        admitted,
        ticks,
        "Reached",
        |(tenant, source), times, _now| {
            times.forget_first(times.len().saturating_sub(1));
            let greatest = times.first();
            let output = greatest.map(|at| Reached::Now(*tenant, source.clone(), *at)).into_iter().collect();
            Maintained { output, wake: None }
        },
        |(tenant, source), at, _copies| {
            Reached::Retained(Retained::Reached { tenant: *tenant, source: source.clone(), at: *at })
        },
    )
}
