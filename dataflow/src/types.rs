//! The differential types that the engine names, in one place: an upgrade of the libraries starts here.

use differential_dataflow::VecCollection;
use schemas::time::{Diff, Epoch, EventTime};
use timely::dataflow::StreamVec;

/// A changing multiset of rows.
pub(crate) type Updates<'scope, D> = VecCollection<'scope, Epoch, D, Diff>;

/// The sealed `now` of each epoch, on every worker.
pub(crate) type Ticks<'scope> = StreamVec<'scope, Epoch, EventTime>;
