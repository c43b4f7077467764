//! The current revision of each event.
//!
//! Input   live events; some have a key.
//! Output  per key the one with the greatest revision; every event without a key.
//! Ties    the later arrival wins.
//! State   the live revisions of each key.

use differential_dataflow::AsCollection;
use schemas::ids::Tenant;
use timely::dataflow::operators::core::OkErr;

use crate::operators::admit::LiveEvent;
use crate::operators::maintain::summarize;
use crate::types::Updates;

/// The current events of all tenants.
pub(crate) fn current<'scope>(
    live: Updates<'scope, (Tenant, LiveEvent)>,
) -> Updates<'scope, (Tenant, LiveEvent)> {
    let (keyed, alone) = live.inner.ok_err(|((tenant, event), epoch, diff)| match event.0.key() {
        Some(key) => Ok((((tenant, key), event), epoch, diff)),
        None => Err(((tenant, event), epoch, diff)),
    });
    let newest = summarize(keyed.as_collection(), "Current", |(tenant, _), revisions| {
        // LiveEvent orders by revision, then arrival.
        revisions.last().map(|event| (*tenant, event.clone()))
    });
    newest.concat(alone.as_collection())
}
