//! The current revision of each event.
//!
//! Input   live events by (tenant, event key).
//! Output  per key the one with the greatest revision.
//! Ties    the later arrival wins.
//! State   the live revisions of each key.

use schemas::ids::{EventKey, Tenant};

use crate::operators::admit::LiveEvent;
use crate::operators::maintain::summarize;
use crate::types::Updates;

/// The current events of all tenants.
pub(crate) fn current<'scope>(
    live: Updates<'scope, ((Tenant, EventKey), LiveEvent)>,
) -> Updates<'scope, (Tenant, LiveEvent)> {
    summarize(live, "Current", |(tenant, _), revisions| {
        // LiveEvent orders by revision, then arrival.
        revisions.last().map(|event| (*tenant, event.clone()))
    })
}
