//! What was delivered, by source: for the `coverage` view.

use std::collections::BTreeMap;

use schemas::ids::Tenant;
use schemas::time::EventTime;

use super::Outcome;

/// One source.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Deliveries by outcome.
    pub(super) counts: BTreeMap<Outcome, u64>,
    /// Greatest event time admitted.
    pub(super) reached: Option<EventTime>,
}

/// All sources of all tenants.
#[derive(Debug, Default)]
pub(super) struct Accounts(BTreeMap<Tenant, BTreeMap<String, Account>>);

impl Accounts {
    /// The account of a source.
    pub(super) fn of(&mut self, tenant: Tenant, source: &str) -> &mut Account {
        let sources = self.0.entry(tenant).or_default();
        // Looked up first: an entry would copy the name for every delivery.
        if !sources.contains_key(source) {
            sources.insert(source.to_owned(), Account::default());
        }
        match sources.get_mut(source) {
            Some(account) => account,
            None => panic!("an account that was inserted is there"),
        }
    }

    /// Each account, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Tenant, &str, &Account)> {
        self.0.iter().flat_map(|(tenant, sources)| {
            sources.iter().map(|(source, account)| (*tenant, source.as_str(), account))
        })
    }
}

impl Account {
    /// Counts deliveries.
    pub(super) fn count(&mut self, outcome: &Outcome, count: u64) {
        match self.counts.get_mut(outcome) {
            Some(counted) => *counted += count,
            None => {
                self.counts.insert(outcome.clone(), count);
            }
        }
    }
}
