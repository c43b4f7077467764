//! The differential types that the engine names, in one place: an upgrade of the libraries starts here.

use differential_dataflow::VecCollection;
use schemas::ids::TenantId;
use schemas::time::{Diff, Epoch, EventTime};
use serde::{Deserialize, Serialize};
use timely::dataflow::StreamVec;

/// A changing multiset of rows.
pub(crate) type Updates<'scope, D> = VecCollection<'scope, Epoch, D, Diff>;

/// What every worker is told of an epoch beside its arrivals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Tick {
    /// The sealed clock reading.
    pub(crate) now: EventTime,
    /// What is retained as of this epoch goes into a snapshot.
    pub(crate) capture: bool,
}

/// What a process that follows is told of an epoch, for its views.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The epoch.
    pub(crate) epoch: Epoch,
    /// Its clock reading.
    pub(crate) now: EventTime,
    /// Greatest event time so far.
    pub(crate) event_time: EventTime,
    /// Tenants that appear in it for the first time.
    pub(crate) tenants: Vec<TenantId>,
}

/// The tick of each epoch, on every worker.
pub(crate) type Ticks<'scope> = StreamVec<'scope, Epoch, Tick>;
