//! How many records of whom become part of the next epoch: tenants share it evenly, and none has more than its quota.
//! Pure.
//!
//! A tenant that sends more than its share waits in its own partitions; the others do not wait with it.

use std::collections::BTreeMap;

use schemas::ids::TenantId;
use schemas::time::EventTime;

/// Quota of every tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Records a second; 0 for no limit.
    pub records_per_s: u64,
}

/// What each tenant may still take.
#[derive(Debug)]
pub(crate) struct Shares {
    quota: Quota,
    /// Allowance in thousandths of a record, and when it was brought up to date.
    allowances: BTreeMap<TenantId, (u64, EventTime)>,
    /// Whose turn comes first.
    turn: usize,
}

impl Shares {
    /// Nobody has taken anything.
    pub(crate) fn new(quota: Quota) -> Self {
        Shares { quota, allowances: BTreeMap::new(), turn: 0 }
    }

    /// Divides an epoch of `limit` records among tenants, in the order in which they are to be served.
    pub(crate) fn divide<'a>(
        &mut self,
        tenants: &'a [TenantId],
        limit: usize,
        now: EventTime,
    ) -> Vec<(&'a TenantId, usize)> {
        if tenants.is_empty() {
            return Vec::new();
        }
        self.turn = (self.turn + 1) % tenants.len();
        let share = (limit / tenants.len()).max(1);
        let (first, last) = tenants.split_at(self.turn);
        last.iter().chain(first).map(|tenant| (tenant, share.min(self.allowance(tenant, now)))).collect()
    }

    /// Records that a tenant may take now, whatever its share.
    pub(crate) fn allowance(&mut self, tenant: &TenantId, now: EventTime) -> usize {
        let rate = self.quota.records_per_s;
        if rate == 0 {
            return usize::MAX;
        }
        // A second's worth may be saved up: a burst of that size is no flood.
        let full = rate.saturating_mul(1_000);
        let (allowance, since) = self.allowances.entry(tenant.clone()).or_insert((full, now));
        let passed_ms = u64::try_from(now.ms_since(*since)).unwrap_or(0);
        *allowance = allowance.saturating_add(passed_ms.saturating_mul(rate)).min(full);
        *since = now.max(*since);
        usize::try_from(*allowance / 1_000).unwrap_or(usize::MAX)
    }

    /// A tenant has taken records.
    pub(crate) fn spend(&mut self, tenant: &TenantId, records: usize) {
        if let Some((allowance, _)) = self.allowances.get_mut(tenant) {
            let spent = u64::try_from(records).unwrap_or(u64::MAX).saturating_mul(1_000);
            *allowance = allowance.saturating_sub(spent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(names: &[&str]) -> Vec<TenantId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn an_epoch_is_shared_evenly_and_turns_rotate() {
        let mut shares = Shares::new(Quota { records_per_s: 0 });
        let tenants = tenants(&["a", "b", "c"]);
        let firsts: Vec<String> =
            (0..3).map(|_| shares.divide(&tenants, 300, EventTime(0))[0].0.to_string()).collect();
        assert_eq!(firsts, ["b", "c", "a"]);
        assert!(shares.divide(&tenants, 300, EventTime(0)).iter().all(|(_, share)| *share == 100));
    }

    #[test]
    fn a_quota_is_spent_and_comes_back_with_time() {
        let mut shares = Shares::new(Quota { records_per_s: 50 });
        let tenant = &tenants(&["a"])[0];
        assert_eq!(shares.allowance(tenant, EventTime(1_000)), 50);
        shares.spend(tenant, 50);
        assert_eq!(shares.allowance(tenant, EventTime(1_000)), 0);
        assert_eq!(shares.allowance(tenant, EventTime(1_100)), 5);
        assert_eq!(shares.allowance(tenant, EventTime(999_000)), 50, "no more than a second is saved up");
    }
}
