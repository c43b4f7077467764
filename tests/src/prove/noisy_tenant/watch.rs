//! When records become visible: a subscription to the events of each tenant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use schemas::ids::TenantId;
use serde_json::Value;
use tokio::task::JoinSet;

/// Between two looks whether a tenant is known.
const LOOK: Duration = Duration::from_millis(50);

/// When each record was first visible, by tenant and position as views write it; what went wrong.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) shown: BTreeMap<(usize, String), Instant>,
    pub(super) failure: Option<String>,
}

/// Follows tenants until it is dropped.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    _followers: JoinSet<()>,
}

impl Watch {
    /// Within a runtime.
    pub(super) fn start(listen: &str, tenants: &[TenantId]) -> Self {
        let (seen, mut followers) = (Arc::<Mutex<Seen>>::default(), JoinSet::new());
        for (index, tenant) in tenants.iter().enumerate() {
            let url = format!("http://{listen}/api/v1/changes?tenant_id={tenant}&view=events");
            let seen = Arc::clone(&seen);
            followers.spawn(async move {
                if let Err(failure) = follow(&url, index, &seen).await {
                    lock(&seen).failure = Some(failure);
                }
            });
        }
        Watch { seen, _followers: followers }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn follow(url: &str, tenant: usize, seen: &Mutex<Seen>) -> Result<(), String> {
    let failed = |error: reqwest::Error| format!("{url}: {error}");
    let mut looks = tokio::time::interval(LOOK);
    // A tenant is known from its first record on.
    let mut response = loop {
        looks.tick().await;
        let response = reqwest::get(url).await.map_err(failed)?;
        if response.status() != reqwest::StatusCode::NOT_FOUND {
            break response.error_for_status().map_err(failed)?;
        }
    };
    let mut rest: Vec<u8> = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        let at = Instant::now();
        rest.extend(chunk);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        let lines: Vec<u8> = rest.drain(..=end).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            let Some(text) = line.strip_prefix("data:").map(str::trim).filter(|text| !text.is_empty()) else {
                continue;
            };
            let change: Value =
                serde_json::from_str(text).map_err(|error| format!("{url}: {error}: {text}"))?;
            if change["diff"].as_i64().is_some_and(|diff| 0 < diff) {
                let position = change["row"]["position"].to_string();
                lock(seen).shown.entry((tenant, position)).or_insert(at);
            }
        }
    }
    Err(format!("{url}: the subscription ended"))
}
