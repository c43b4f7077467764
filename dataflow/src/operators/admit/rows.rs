//! What goes into admission and what comes out of it.

use std::cmp::Ordering;
use std::sync::Arc;

use schemas::error::{Reject, RejectCode};
use schemas::ids::{Digest, EventId, EventKey, Tenant, TenantId};
use schemas::object::ObjectState;
use schemas::time::EventTime;
use schemas::view::EventRow;
use serde::{Deserialize, Serialize};

use crate::named_fact::Stated;
use crate::retained::Retained;
use crate::rows::Cite;

/// An arrival as it was sealed, routed to the keeper of `id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// Order of sealing, over all epochs; first, so that sorting restores it.
    pub(crate) seq: u64,
    pub(crate) tenant: Tenant,
    pub(crate) id: EventId,
    pub(crate) delivery: Delivery,
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Delivery {
    /// An event of the tenant of this name.
    Event(TenantId, Arc<EventDelivery>),
    /// The event that withdraws `id` was delivered; `at` and `expiry` are that event's.
    Withdrawal { at: EventTime, expiry: EventTime },
    /// A data error found before sealing.
    Reject(Box<Reject>),
    /// A snapshot retained it.
    Retained(Box<Retained>),
}

/// An event as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct EventDelivery {
    pub(crate) key: Option<EventKey>,
    pub(crate) revision: i64,
    /// Hash of everything but time and position.
    pub(crate) content: Digest,
    pub(crate) expiry: EventTime,
    pub(crate) row: Arc<EventRow>,
    #[serde(rename = "facts")]
    pub(crate) stated: Stated,
    pub(crate) objects: Box<[Arc<ObjectState>]>,
}

/// A live event. Known by its number: one sealer numbers all arrivals, and what a snapshot brings back keeps its own. Ordered by
/// revision, then arrival.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LiveEvent {
    pub(crate) seq: u64,
    pub(crate) delivery: Arc<EventDelivery>,
}

impl LiveEvent {
    /// What cites it.
    pub(crate) fn cite(&self) -> Cite {
        Cite { seq: self.seq, event: self.delivery.row.event_id }
    }
}

impl PartialEq for LiveEvent {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}

impl Eq for LiveEvent {}

impl PartialOrd for LiveEvent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LiveEvent {
    fn cmp(&self, other: &Self) -> Ordering {
        let of = |event: &Self| (event.delivery.revision, event.seq);
        of(self).cmp(&of(other))
    }
}

/// A version of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) at: EventTime,
    pub(crate) resource_version: i64,
    pub(crate) cite: Cite,
    pub(crate) state: Arc<ObjectState>,
}

/// What became of a delivery, for the `coverage` view. The count is the multiplicity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Distinct and valid.
    Admitted,
    /// There already.
    Duplicate,
    /// Refused.
    Rejected(RejectCode),
}

/// Output of admission.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Admitted {
    /// A live event.
    Live(Tenant, LiveEvent),
    /// A version of an object.
    Version(Tenant, Version),
    /// A refused delivery.
    Reject(Tenant, Box<Reject>),
    /// Deliveries of an epoch, counted for their source by the multiplicity.
    Count(Tenant, String, Outcome),
    /// Greatest event time admitted of a source in an epoch.
    Reached(Tenant, String, EventTime),
    /// Kept as of an epoch that is captured; never retracted.
    Retained(Box<Retained>),
}
