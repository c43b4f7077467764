//! Alerts of our own, followed for every tenant that the views know.

use std::collections::BTreeSet;
use std::time::Duration;

use agents::{Desk, watch};
use schemas::ids::TenantId;
use schemas::read::ViewReader;
use schemas::state::ProductState;

/// A new tenant is followed after so long at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Follows the alerts of every tenant until the engine stops.
pub async fn alerts(desk: Desk, reader: ViewReader, state: ProductState) {
    let mut followed: BTreeSet<TenantId> = BTreeSet::new();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let Ok(status) = reader.status().await else { return };
        for tenant in status.tenants {
            if followed.insert(tenant.clone()) {
                let following = watch::follow(desk.clone(), reader.clone(), state.clone(), tenant);
                #[expect(clippy::disallowed_methods, reason = "tasks are spawned in this crate only")]
                drop(tokio::spawn(following));
            }
        }
    }
}
