//! What the engine keeps of the past: the rows of a snapshot.
//!
//! These are inputs, with entities named (`named_fact.rs`), not what operators made of them, but for what episodes and incidents are known by,
//! which no input brings back: every view is computed again from them. Read and written by name (a self-describing form), so that a later version of the program reads what an earlier one
//! of the same format kept.

use std::sync::Arc;

use schemas::catalogue::Kind;
use schemas::error::Reject;
use schemas::ids::{EpisodeId, EventId, Tenant, hash64};
use schemas::time::{Diff, EventTime};
use serde::{Deserialize, Serialize};

use crate::operators::admit::{EventDelivery, Outcome, Version};
use crate::operators::episodes::identity::Identity;
use crate::operators::incidents::first::First;
use crate::rows::Named;

/// One thing that is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Retained {
    /// An admitted event that has not expired.
    Event {
        tenant: Tenant,
        id: EventId,
        /// Its object versions were not withdrawn.
        objects_live: bool,
        delivery: Arc<EventDelivery>,
    },
    /// An event was withdrawn, until then.
    Withdrawal { tenant: Tenant, id: EventId, until: EventTime },
    /// A refused record that is still shown, until then.
    Reject { tenant: Tenant, until: EventTime, reject: Box<Reject> },
    /// Deliveries of one source with one outcome, since the beginning.
    Count { tenant: Tenant, source: String, outcome: Outcome, count: u64 },
    /// Greatest event time admitted of one source.
    Reached { tenant: Tenant, source: String, at: EventTime },
    /// A version of an object.
    Version { tenant: Tenant, version: Version, copies: Diff },
    /// What an episode that goes on is known by.
    Identity { tenant: Tenant, on: Named, kind: Kind, identity: Identity },
    /// What an incident that goes on is known by, where that is gone, with a grave episode of it.
    Incident { tenant: Tenant, heir: EpisodeId, first: First },
}

impl Retained {
    /// Where it is kept: the same for the same thing, evenly spread, independent of the number of workers.
    pub(crate) fn hash(&self) -> u64 {
        let of = |tenant: &Tenant, parts: &[&[u8]]| {
            let tenant = tenant.0.to_le_bytes();
            hash64(&[&[&tenant[..]], parts].concat())
        };
        match self {
            Retained::Event { tenant, id, .. } | Retained::Withdrawal { tenant, id, .. } => {
                of(tenant, &[&id.0.to_le_bytes()])
            }
            Retained::Reject { tenant, reject, .. } => of(tenant, &[reject.position.to_string().as_bytes()]),
            Retained::Count { tenant, source, .. } | Retained::Reached { tenant, source, .. } => {
                of(tenant, &[source.as_bytes()])
            }
            Retained::Version { tenant, version, .. } => {
                of(tenant, &[&crate::operators::objects::object_key(&version.state).to_le_bytes()])
            }
            Retained::Identity { tenant, on, .. } => of(tenant, &[&on.id.0.to_le_bytes()]),
            Retained::Incident { tenant, heir, .. } => of(tenant, &[&heir.0.to_le_bytes()]),
        }
    }

    /// Whose it is.
    pub(crate) fn tenant(&self) -> Tenant {
        match self {
            Retained::Event { tenant, .. }
            | Retained::Withdrawal { tenant, .. }
            | Retained::Reject { tenant, .. }
            | Retained::Count { tenant, .. }
            | Retained::Reached { tenant, .. }
            | Retained::Version { tenant, .. }
            | Retained::Identity { tenant, .. }
            | Retained::Incident { tenant, .. } => *tenant,
        }
    }
}
