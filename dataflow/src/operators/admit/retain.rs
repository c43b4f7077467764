//! What admission gives to a snapshot, and takes back from one.

use std::sync::Arc;

use schemas::ids::{EventId, Tenant};
use schemas::time::Diff;

use super::{Accounts, Admitted, Keeper, Remembered};
use crate::retained::Retained;
use crate::rows::Subject;

/// Events of a snapshot: a million entries, for which there is to be room at once.
#[derive(Default)]
pub(super) struct Restored(Vec<((Tenant, EventId), Remembered)>);

impl Keeper {
    /// Takes back what a snapshot retained; its events go to `restored`. Live rows follow when the key is settled.
    pub(super) fn restore(
        &mut self,
        kept: Retained,
        restored: &mut Restored,
        fresh: &mut Accounts,
        emit: &mut impl FnMut(Admitted, Diff),
    ) {
        match kept {
            Retained::Event { tenant, id, objects_live, delivery } => {
                restored.0.push(((tenant, id), Remembered { delivery, live: false, objects_live }));
            }
            Retained::Withdrawal { tenant, id, until } => {
                self.withdraw((tenant, id), until);
            }
            Retained::Reject { tenant, until, reject } => {
                emit(Admitted::Reject(tenant, reject.clone()), 1);
                self.rejects.insert((until, (tenant, *reject)));
            }
            Retained::Count { tenant, source, outcome, count } => {
                fresh.of(tenant, &source).count(&outcome, count);
            }
            Retained::Reached { tenant, source, at } => emit(Admitted::Reached(tenant, source, at), 1),
            Retained::Version { tenant, version, copies } => emit(Admitted::Version(tenant, version), copies),
            Retained::Identity { tenant, on, kind, identity } => {
                emit(Admitted::Identity(Box::new((Subject { tenant, on, kind }, identity))), 1);
            }
            Retained::Incident { tenant, heir, first } => emit(Admitted::Incident(tenant, heir, first), 1),
        }
    }

    /// Takes back the events of a snapshot.
    pub(super) fn take_back(&mut self, Restored(events): Restored) {
        for (name, event) in &events {
            self.calendar.insert(event.delivery.expiry, *name);
        }
        self.events.extend(events);
    }

    /// Gives out everything that a snapshot must hold of this operator.
    pub(super) fn retain(&self, mut give: impl FnMut(Retained)) {
        for ((tenant, id), entry) in &self.events {
            give(Retained::Event {
                tenant: *tenant,
                id: *id,
                objects_live: entry.objects_live,
                delivery: Arc::clone(&entry.delivery),
            });
        }
        for ((tenant, id), until) in &self.withdrawals {
            give(Retained::Withdrawal { tenant: *tenant, id: *id, until: *until });
        }
        for (until, (tenant, reject)) in &self.rejects {
            let reject = Box::new(reject.clone());
            give(Retained::Reject { tenant: *tenant, until: *until, reject });
        }
        for (tenant, source, account) in self.accounts.iter() {
            for (outcome, count) in &account.counts {
                let (source, outcome) = (source.to_owned(), outcome.clone());
                give(Retained::Count { tenant, source, outcome, count: *count });
            }
        }
    }
}
