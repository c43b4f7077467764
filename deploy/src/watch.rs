//! Alerts of our own, followed for every tenant that the views know, once recovery is over.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use agents::{Desk, watch};
use schemas::ids::TenantId;
use schemas::read::ViewReader;
use schemas::state::ProductState;

/// A new tenant is followed after so long at most; so is one whose following has ended.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Follows the alerts of every tenant until the engine stops.
pub async fn alerts(desk: Desk, reader: ViewReader, state: ProductState, ready: Arc<AtomicBool>) {
    let followed: Arc<Mutex<BTreeSet<TenantId>>> = Arc::default();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let Ok(status) = reader.status().await else { return };
        if !ready.load(Ordering::Relaxed) {
            continue;
        }
        for tenant in status.tenants {
            if !followed.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone()) {
                continue;
            }
            let following = Followed { tenant: tenant.clone(), all: followed.clone() };
            let work = watch::follow(desk.clone(), reader.clone(), state.clone(), tenant);
            #[expect(clippy::disallowed_methods, reason = "tasks are spawned in this crate only")]
            drop(tokio::spawn(async move {
                if let Err(error) = work.await {
                    tracing::info!(tenant = %following.tenant, %error, "its alerts are not followed any more");
                }
            }));
        }
    }
}

/// A tenant that is followed; however that ends, it may be followed again.
struct Followed {
    tenant: TenantId,
    all: Arc<Mutex<BTreeSet<TenantId>>>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tenant);
    }
}
