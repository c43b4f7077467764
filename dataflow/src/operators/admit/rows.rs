//! What goes into admission and what comes out of it.

use std::cmp::Ordering;
use std::sync::Arc;

use schemas::error::{Reject, RejectCode};
use schemas::ids::{Digest, EpisodeId, EventId, EventKey, Tenant, TenantId};
use schemas::object::ObjectState;
use schemas::time::EventTime;
use schemas::view::EventRow;
use serde::{Deserialize, Serialize};

use crate::named_fact::Stated;
use crate::operators::episodes::identity::Identity;
use crate::operators::incidents::first::First;
use crate::retained::Retained;
use crate::rows::{Cite, Subject};

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
    /// The event that withdraws `id` was delivered; `at`, `expiry` and `stands` are that event's.
    Withdrawal { at: EventTime, expiry: EventTime, stands: bool },
    /// A data error found before sealing.
    Reject(Box<Reject>),
    /// A snapshot retained it.
    Retained(Box<Retained>),
}

/// An event as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct EventDelivery {
    /// Its number: one sealer numbers all arrivals, and what a snapshot brings back keeps its own.
    pub(crate) seq: u64,
    /// Hash of everything but time and position.
    pub(crate) content: Digest,
    pub(crate) expiry: EventTime,
    pub(crate) row: Arc<EventRow>,
    #[serde(rename = "facts")]
    pub(crate) stated: Stated,
    /// What few events have.
    pub(crate) seldom: Option<Box<Seldom>>,
}

/// What few events have: a key with a revision, versions of objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Seldom {
    /// Of events of one key the one with the greatest revision counts.
    pub(crate) key: Option<EventKey>,
    pub(crate) revision: i64,
    /// Of an alert of which a revision can tell the end: until when it counts. Once it is over it stands for its key for longer.
    pub(crate) alert: Option<EventTime>,
    pub(crate) objects: Box<[Arc<ObjectState>]>,
}

impl EventDelivery {
    /// What it shares with other revisions of it, if there can be any.
    pub(crate) fn key(&self) -> Option<EventKey> {
        self.seldom.as_ref().and_then(|seldom| seldom.key)
    }

    /// The states of objects that it tells.
    pub(crate) fn objects(&self) -> &[Arc<ObjectState>] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.objects)
    }

    /// Whether it is of an alert of which a revision can tell the end.
    pub(crate) fn stands(&self) -> bool {
        self.seldom.as_ref().is_some_and(|seldom| seldom.alert.is_some())
    }

    /// Until when it counts, if not until it expires.
    pub(crate) fn counts_until(&self) -> Option<EventTime> {
        let until = self.seldom.as_ref().and_then(|seldom| seldom.alert);
        until.filter(|until| *until < self.expiry)
    }

    fn revision(&self) -> i64 {
        self.seldom.as_ref().map_or(0, |seldom| seldom.revision)
    }
}

/// A live event. Known by its number. Ordered by revision, then arrival.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LiveEvent(pub(crate) Arc<EventDelivery>);

impl LiveEvent {
    /// What cites it.
    pub(crate) fn cite(&self) -> Cite {
        Cite { seq: self.0.seq, event: self.0.row.event_id }
    }
}

impl PartialEq for LiveEvent {
    fn eq(&self, other: &Self) -> bool {
        self.0.seq == other.0.seq
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
        let of = |event: &Self| (event.0.revision(), event.0.seq);
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
    /// A snapshot says what an episode is known by; never retracted.
    Identity(Box<(Subject, Identity)>),
    /// A snapshot says what the incident of an episode is known by; never retracted.
    Incident(Tenant, EpisodeId, First),
    /// Kept as of an epoch that is captured; never retracted.
    Retained(Box<Retained>),
}
