//! Admission: which deliveries count.
//!
//! Input   sealed arrivals, and the sealed `now` of each epoch.
//! Output  live events (inserted when admitted, retracted when they expire or are withdrawn), object versions (never
//!         retracted by age: an object's last state stands however old it is), rejects (retracted a horizon after
//!         they arrived), counts per source, and how far each source has come. At an epoch that is captured, also
//!         what it keeps, once, for a snapshot.
//! Ties    arrivals are taken in the order of sealing; the first content of an idempotency key wins.
//! State   one entry per idempotency key until the event expires; one per withdrawal, two days at least; one calendar
//!         entry for each time at which they may expire; one number per source and outcome. What a snapshot retained
//!         comes back as a delivery of its own, before any other. See docs/semantics.md, section 1.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use differential_dataflow::Hashable;
use schemas::error::{DecodeError, Reject};
use schemas::fact::ALERT_LIFETIME_MS;
use schemas::ids::{EventId, Tenant, TenantId};
use schemas::time::{Diff, Epoch, EventTime};
use schemas::view::EventRow;
use timely::dataflow::channels::pact::Exchange;

use crate::config::EngineConfig;
use crate::operators::each::each_tick;
use crate::operators::maintain::Due;
use crate::rows::Cite;
use crate::types::{Tick, Ticks, Updates};

mod accounts;
mod calendar;
mod events;
mod refusal;
mod retain;
mod rows;

use accounts::Accounts;
use calendar::Calendar;
use events::{Entry, Events};
use refusal::{conflict, refusal};
use retain::Restored;
pub(crate) use rows::{Admitted, Delivery, EventDelivery, LiveEvent, Outcome, Sealed, Seldom, Version};

/// A table with room for so many events is not made smaller.
const EVENTS_ROOM_MIN: usize = 65_536;

struct Remembered {
    delivery: Arc<EventDelivery>,
    live: bool,
    objects_live: bool,
}

#[derive(Default)]
struct Keeper {
    events: Events,
    withdrawals: BTreeMap<(Tenant, EventId), EventTime>,
    calendar: Calendar,
    rejects: BTreeSet<(EventTime, (Tenant, Reject))>,
    /// Since the beginning; what is reached is kept elsewhere.
    accounts: Accounts,
}

/// Applies the rules of admission.
pub(crate) fn admit<'scope>(
    arrivals: Updates<'scope, Sealed>,
    ticks: Ticks<'scope>,
    config: &EngineConfig,
) -> Updates<'scope, Admitted> {
    let config = config.clone();
    let route = Exchange::new(|(sealed, _, _): &(Sealed, Epoch, Diff)| (sealed.tenant, sealed.id).hashed());
    let mut keeper = Keeper::default();
    each_tick(arrivals, ticks, route, "Admit", move |Tick { now, capture }, arrivals, emit| {
        keeper.step(&config, now, arrivals, &mut *emit);
        if capture {
            keeper.retain(|kept| emit(Admitted::Retained(Box::new(kept)), 1));
        }
    })
}

impl Keeper {
    fn step(
        &mut self,
        config: &EngineConfig,
        now: EventTime,
        mut arrivals: Vec<(Sealed, Diff)>,
        mut emit: impl FnMut(Admitted, Diff),
    ) {
        arrivals.sort();
        // Keys to look at again. What is delivered needs none: it is live at once, or withdrawn already.
        let mut touched = Vec::new();
        let mut fresh = Accounts::default();
        let mut restored = Restored::default();
        for (sealed, _) in arrivals {
            let name = (sealed.tenant, sealed.id);
            match sealed.delivery {
                Delivery::Retained(kept) => {
                    self.restore(*kept, &mut restored, &mut fresh, &mut emit);
                    touched.push(name);
                }
                Delivery::Reject(reject) => {
                    fresh.of(sealed.tenant, "unknown").count(&Outcome::Rejected(reject.error.code), 1);
                    self.reject(config, now, sealed.tenant, *reject, &mut emit);
                }
                Delivery::Withdrawal { at, expiry, stands } => {
                    let in_time = refusal(config, now, at, (expiry, stands)).is_none();
                    if in_time {
                        // No alert outlives its withdrawal, nor does its end.
                        self.withdraw(name, expiry.max(at.plus_ms(2 * ALERT_LIFETIME_MS)));
                        touched.push(name);
                    }
                }
                Delivery::Event(tenant, delivery) => {
                    let row = Arc::clone(&delivery.row);
                    let outcome = self.deliver(config, now, (tenant, name), delivery, &mut emit);
                    let account = fresh.of(name.0, &row.origin.source);
                    account.count(&outcome, 1);
                    if outcome == Outcome::Admitted {
                        account.reached = account.reached.max(Some(row.at));
                    }
                }
            }
        }
        self.take_back(restored);
        self.settle_accounts(&fresh, &mut emit);
        touched.append(&mut self.calendar.take_due(now));
        touched.sort_unstable();
        touched.dedup();
        for name in touched {
            self.settle(now, name, &mut emit);
        }
        if EVENTS_ROOM_MIN < self.events.capacity() && 4 * self.events.len() < self.events.capacity() {
            // A burst has expired: a table gives nothing back by itself.
            self.events.shrink_to(2 * self.events.len());
        }
        while let Some((_, (tenant, row))) = self.rejects.pop_first_if_due(now) {
            emit(Admitted::Reject(tenant, Box::new(row)), -1);
        }
    }

    /// Takes an event, or not.
    fn deliver(
        &mut self,
        config: &EngineConfig,
        now: EventTime,
        (tenant, name): (TenantId, (Tenant, EventId)),
        delivery: Arc<EventDelivery>,
        emit: &mut impl FnMut(Admitted, Diff),
    ) -> Outcome {
        if let Some(error) = refusal(config, now, delivery.row.at, (delivery.expiry, delivery.stands())) {
            return self.refuse(config, now, tenant, &delivery.row, error, emit);
        }
        let place = match self.events.entry(name) {
            Entry::Occupied(known) if now < known.get().delivery.expiry => {
                let known = &known.get().delivery;
                if known.content == delivery.content {
                    return Outcome::Duplicate;
                }
                let error = conflict(&known.row.position(), name.1);
                return self.refuse(config, now, tenant, &delivery.row, error, emit);
            }
            place => place,
        };
        self.calendar.insert(delivery.expiry, name);
        let live = self.withdrawals.get(&name).is_none_or(|until| *until <= now);
        let fresh = Remembered { delivery, live, objects_live: live };
        if live {
            emit(live_row(name.0, &fresh), 1);
            emit_versions(name, &fresh, 1, emit);
        }
        match place {
            Entry::Vacant(place) => drop(place.insert(fresh)),
            // An expired predecessor was settled when it expired, or is about to be replaced in this very epoch.
            Entry::Occupied(mut expired) => retract(name.0, &expired.insert(fresh), emit),
        }
        Outcome::Admitted
    }

    /// An event is withdrawn until a time.
    fn withdraw(&mut self, name: (Tenant, EventId), until: EventTime) {
        // Told again, it is in the calendar already.
        if self.withdrawals.get(&name).is_none_or(|known| *known < until) {
            self.withdrawals.insert(name, until);
            self.calendar.insert(until, name);
        }
    }

    /// Adds an epoch's accounts to those since the beginning.
    fn settle_accounts(&mut self, fresh: &Accounts, emit: &mut impl FnMut(Admitted, Diff)) {
        for (tenant, source, account) in fresh.iter() {
            let total = self.accounts.of(tenant, source);
            for (outcome, count) in &account.counts {
                total.count(outcome, *count);
                let copies = Diff::try_from(*count).unwrap_or(Diff::MAX);
                emit(Admitted::Count(tenant, source.to_owned(), outcome.clone()), copies);
            }
            if let Some(at) = account.reached {
                emit(Admitted::Reached(tenant, source.to_owned(), at), 1);
            }
        }
    }

    /// Brings the outputs of one key to what its entries say as of `now`.
    fn settle(&mut self, now: EventTime, name: (Tenant, EventId), emit: &mut impl FnMut(Admitted, Diff)) {
        if self.withdrawals.get(&name).is_some_and(|until| *until <= now) {
            self.withdrawals.remove(&name);
        }
        let withdrawn = self.withdrawals.contains_key(&name);
        let Entry::Occupied(mut known) = self.events.entry(name) else { return };
        let entry = known.get_mut();
        let unexpired = now < entry.delivery.expiry;
        let live = unexpired && !withdrawn;
        if entry.live != live {
            entry.live = live;
            emit(live_row(name.0, entry), if live { 1 } else { -1 });
        }
        if unexpired && withdrawn && entry.objects_live {
            entry.objects_live = false;
            emit_versions(name, entry, -1, emit);
        }
        if !unexpired {
            known.remove();
        }
    }

    fn refuse(
        &mut self,
        config: &EngineConfig,
        now: EventTime,
        tenant: TenantId,
        row: &EventRow,
        error: DecodeError,
        emit: &mut impl FnMut(Admitted, Diff),
    ) -> Outcome {
        let outcome = Outcome::Rejected(error.code);
        let key = tenant.key();
        let reject = Reject { tenant, position: row.position(), error, at: Some(row.at) };
        self.reject(config, now, key, reject, emit);
        outcome
    }

    fn reject(
        &mut self,
        config: &EngineConfig,
        now: EventTime,
        tenant: Tenant,
        reject: Reject,
        emit: &mut impl FnMut(Admitted, Diff),
    ) {
        // Equal rejects are one row: the later arrival of the same one extends it.
        let until = now.plus_ms(config.horizon_ms);
        emit(Admitted::Reject(tenant, Box::new(reject.clone())), 1);
        if !self.rejects.insert((until, (tenant, reject.clone()))) {
            emit(Admitted::Reject(tenant, Box::new(reject)), -1);
        }
    }
}

fn live_row(tenant: Tenant, entry: &Remembered) -> Admitted {
    Admitted::Live(tenant, LiveEvent(Arc::clone(&entry.delivery)))
}

fn emit_versions(
    name: (Tenant, EventId),
    entry: &Remembered,
    diff: Diff,
    emit: &mut impl FnMut(Admitted, Diff),
) {
    let cite = Cite { seq: entry.delivery.seq, event: name.1 };
    for state in entry.delivery.objects() {
        let (at, resource_version) = (state.at, state.resource_version);
        emit(
            Admitted::Version(name.0, Version { at, resource_version, cite, state: Arc::clone(state) }),
            diff,
        );
    }
}

fn retract(tenant: Tenant, entry: &Remembered, emit: &mut impl FnMut(Admitted, Diff)) {
    if entry.live {
        emit(live_row(tenant, entry), -1);
    }
}
