//! The cache in this process.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use moka::sync::Cache as Entries;
use schemas::ids::TenantId;
use schemas::state::Admission;

use super::{KEPT, WINDOW};

/// Bytes of all entries, their keys included.
const BYTES_MAX: u64 = 16 << 20;
/// Tenants that are counted before those that may ask as much as ever are forgotten.
const TENANTS_MAX: usize = 4_096;

/// Counts by tenant.
type Limiter = RateLimiter<TenantId, HashMapStateStore<TenantId>, DefaultClock, StateInformationMiddleware>;

/// Entries and counts.
pub(super) struct Local {
    entries: Entries<(TenantId, String), Vec<u8>>,
    limiter: Option<(NonZeroU32, Limiter)>,
    clock: DefaultClock,
}

impl Local {
    pub(super) fn new(per_hour: u32) -> Self {
        let weight = |(tenant, key): &(TenantId, String), value: &Vec<u8>| {
            u32::try_from(tenant.as_str().len() + key.len() + value.len()).unwrap_or(u32::MAX)
        };
        let entries = Entries::builder().max_capacity(BYTES_MAX).weigher(weight).time_to_live(KEPT).build();
        let clock = DefaultClock::default();
        let limiter = NonZeroU32::new(per_hour).map(|limit| {
            let (quota, counts) = (Quota::per_hour(limit), HashMapStateStore::default());
            (limit, Limiter::new(quota, counts, clock.clone()))
        });
        Local { entries, limiter, clock }
    }

    pub(super) fn admit(&self, tenant: &TenantId) -> Option<Admission> {
        let (limit, limiter) = self.limiter.as_ref()?;
        if TENANTS_MAX < limiter.len() {
            limiter.retain_recent();
        }
        let (remaining, refused_for_ms) = match limiter.check_key(tenant) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(refused) => (0, Some(whole_ms(refused.wait_time_from(self.clock.now())))),
        };
        Some(Admission { limit: limit.get(), window_s: WINDOW.as_secs(), remaining, refused_for_ms })
    }

    pub(super) fn recall(&self, tenant: &TenantId, key: &str) -> Option<Vec<u8>> {
        self.entries.get(&(tenant.clone(), key.to_owned()))
    }

    pub(super) fn remember(&self, tenant: &TenantId, key: &str, value: Vec<u8>) {
        self.entries.insert((tenant.clone(), key.to_owned()), value);
    }
}

/// Milliseconds, never none: who is refused waits.
fn whole_ms(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)
}
