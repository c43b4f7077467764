//! What is kept for a while: what sessions left, and how many investigations a tenant has asked.
//!
//! Key     tenant, then what a session chose.
//! Order   the last word under a key counts; admissions are counted one by one, however many ask at once.
//! Repeat  an admission that was counted and whose answer was lost is counted.
//! Limits  so many bytes in this process, each entry for [`KEPT`]; so many investigations an hour for each tenant.
//!
//! In this process, or in Redis when it is configured, so that all processes share it. Redis that is away stops nobody: this
//! process goes on with what it knows itself, tries Redis again every second, and returns to it. What happens then is that
//! a session may be unknown, and that a tenant may ask more, at most as often again in each process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemas::ids::TenantId;
use schemas::state::{Admission, StateError};

mod local;
mod redis;

use local::Local;
use redis::Redis;

/// How long an entry is kept.
pub const KEPT: Duration = Duration::from_hours(24);
/// Within which so many investigations may be asked.
const WINDOW: Duration = Duration::from_hours(1);
/// Between two attempts at Redis that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// The cache.
pub struct Cache {
    local: Local,
    shared: Option<Shared>,
}

/// Redis, and whether it is there.
struct Shared {
    redis: Redis,
    away: AtomicBool,
    tried: Mutex<Instant>,
}

impl Cache {
    /// A cache in this process. Investigations an hour of each tenant; 0 for no limit.
    pub fn local(per_hour: u32) -> Self {
        Cache { local: Local::new(per_hour), shared: None }
    }

    /// A cache in Redis; an address that cannot be one is refused, a server that is away is not.
    pub fn shared(address: &str, per_hour: u32) -> Result<Self, StateError> {
        let redis = Redis::new(address, per_hour)?;
        let shared = Shared { redis, away: AtomicBool::new(false), tried: Mutex::new(Instant::now()) };
        Ok(Cache { local: Local::new(per_hour), shared: Some(shared) })
    }

    /// Whether Redis answers, for `kgroot doctor`.
    pub async fn ping(&self) -> Result<(), StateError> {
        match &self.shared {
            Some(shared) => shared.redis.ping().await.map_err(StateError::Away),
            None => Ok(()),
        }
    }

    /// Counts an investigation of a tenant; nothing when they are not limited.
    pub async fn admit(&self, tenant: &TenantId) -> Option<Admission> {
        let here = || self.local.admit(tenant);
        match &self.shared {
            Some(shared) => shared.or(shared.redis.admit(tenant), here).await,
            None => here(),
        }
    }

    /// What is under a key of a tenant.
    pub async fn recall(&self, tenant: &TenantId, key: &str) -> Option<Vec<u8>> {
        let here = || self.local.recall(tenant, key);
        match &self.shared {
            Some(shared) => shared.or(shared.redis.recall(tenant, key), here).await,
            None => here(),
        }
    }

    /// Puts something under a key of a tenant.
    pub async fn remember(&self, tenant: &TenantId, key: &str, value: Vec<u8>) {
        let here = || self.local.remember(tenant, key, value.clone());
        match &self.shared {
            Some(shared) => shared.or(shared.redis.remember(tenant, key, &value), here).await,
            None => here(),
        }
    }
}

impl Shared {
    /// What Redis says, or what is known here.
    async fn or<T>(&self, asked: impl Future<Output = Result<T, String>>, here: impl FnOnce() -> T) -> T {
        if self.away.load(Ordering::Relaxed) && !self.due() {
            return here();
        }
        match asked.await {
            Ok(answer) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    tracing::info!("Redis is back");
                }
                metrics::gauge!("kgroot_cache_redis_up").set(1.0);
                answer
            }
            Err(reason) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    tracing::warn!(reason, "Redis is away: this process goes on alone, and tries it again");
                }
                metrics::gauge!("kgroot_cache_redis_up").set(0.0);
                here()
            }
        }
    }

    /// Whether Redis is to be tried again; true once for each time.
    fn due(&self) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let due = AGAIN <= tried.elapsed();
        if due {
            *tried = Instant::now();
        }
        due
    }
}
