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
pub(super) struct Accounts {
    /// Where the account of each is.
    places: BTreeMap<Tenant, BTreeMap<String, usize>>,
    accounts: Vec<(Tenant, String, Account)>,
    /// Place of the one that was asked for last: deliveries of one source often come one after the other.
    last: usize,
}

impl Accounts {
    /// The account of a source.
    pub(super) fn of(&mut self, tenant: Tenant, source: &str) -> &mut Account {
        let same = |(of, known, _): &(Tenant, String, Account)| *of == tenant && known == source;
        if !self.accounts.get(self.last).is_some_and(same) {
            self.last = self.place(tenant, source);
        }
        &mut self.accounts[self.last].2
    }

    /// Each account, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Tenant, &str, &Account)> {
        self.places.values().flat_map(BTreeMap::values).map(|place| {
            let (tenant, source, account) = &self.accounts[*place];
            (*tenant, source.as_str(), account)
        })
    }

    /// The place of a source's account, which begins if there is none.
    fn place(&mut self, tenant: Tenant, source: &str) -> usize {
        let sources = self.places.entry(tenant).or_default();
        // Looked up first: an entry would copy the name of a source that is known.
        if let Some(place) = sources.get(source) {
            return *place;
        }
        let place = self.accounts.len();
        sources.insert(source.to_owned(), place);
        self.accounts.push((tenant, source.to_owned(), Account::default()));
        place
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_of_every_tenant_has_one_account_whichever_was_asked_for_last() {
        let mut accounts = Accounts::default();
        let asked = [(2, "b"), (2, "a"), (1, "a"), (2, "a"), (2, "a"), (2, "b"), (1, "a")];
        for (tenant, source) in asked {
            accounts.of(Tenant(tenant), source).count(&Outcome::Admitted, 1);
        }
        let found = accounts.iter().map(|(tenant, source, account)| {
            let counts: Vec<u64> = account.counts.values().copied().collect();
            (tenant, source, counts)
        });
        let wanted = [(1, "a", 2), (2, "a", 3), (2, "b", 2)];
        let wanted = wanted.map(|(tenant, source, count)| (Tenant(tenant), source, vec![count]));
        assert_eq!(found.collect::<Vec<_>>(), wanted);
    }
}
