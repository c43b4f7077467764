//! The current revision of each event.
//!
//! Input   live events; some have a key. The sealed `now` of each epoch.
//! Output  per key the one with the greatest revision, as long as it counts; every event without a key.
//! Ties    the later arrival wins.
//! State   the live revisions of each key; ends of alerts that count still. A snapshot needs none of it: live events come back.
//! See docs/semantics.md, section 1.

use std::collections::BTreeSet;

use differential_dataflow::AsCollection;
use schemas::ids::Tenant;
use schemas::time::EventTime;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::OkErr;

use crate::operators::admit::LiveEvent;
use crate::operators::each::each_tick;
use crate::operators::maintain::{Due, summarize};
use crate::types::{Tick, Ticks, Updates};

type Live<'scope> = Updates<'scope, (Tenant, LiveEvent)>;

/// The current events of all tenants.
pub(crate) fn current<'scope>(live: Live<'scope>, ticks: Ticks<'scope>) -> Live<'scope> {
    let (keyed, alone) = live.inner.ok_err(|((tenant, event), epoch, diff)| match event.0.key() {
        Some(key) => Ok((((tenant, key), event), epoch, diff)),
        None => Err(((tenant, event), epoch, diff)),
    });
    let newest = summarize(keyed.as_collection(), "Current", |(tenant, _), revisions| {
        // LiveEvent orders by revision, then arrival.
        revisions.last().map(|event| (*tenant, event.clone()))
    });
    let (ending, lasting) =
        newest.inner.ok_err(|((tenant, event), epoch, diff)| match event.0.counts_until() {
            Some(until) => Ok(((until, (tenant, event)), epoch, diff)),
            None => Err(((tenant, event), epoch, diff)),
        });
    let counting = counting(ending.as_collection(), ticks);
    alone.as_collection().concat(lasting.as_collection()).concat(counting)
}

/// Events until a time.
fn counting<'scope>(
    ending: Updates<'scope, (EventTime, (Tenant, LiveEvent))>,
    ticks: Ticks<'scope>,
) -> Live<'scope> {
    let mut counting: BTreeSet<(EventTime, (Tenant, LiveEvent))> = BTreeSet::new();
    each_tick(ending, ticks, Pipeline, "Counting", move |Tick { now, .. }, rows, emit| {
        // Of one event an epoch says one thing: that it is current, or that it is no more.
        for (entry, diff) in rows {
            if diff < 0 {
                if counting.remove(&entry) {
                    emit(entry.1, -1);
                }
            } else if now < entry.0 && counting.insert(entry.clone()) {
                emit(entry.1, 1);
            }
        }
        while let Some((_, row)) = counting.pop_first_if_due(now) {
            emit(row, -1);
        }
    })
}
