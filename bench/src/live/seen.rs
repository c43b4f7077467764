//! What a reader sees and when: every count of events that the views of a tenant come to, with its instant.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use schemas::ids::TenantId;
use schemas::read::{Changes, ViewReader};
use schemas::time::Epoch;
use schemas::view::{Row, ViewName};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::PATIENCE;

/// Between two looks whether a tenant is known.
const LOOK: Duration = Duration::from_millis(5);

/// When records were due, and what the views count once they have all of them.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// When they were to be appended.
    pub at: Instant,
    /// Events that are counted then, of all that was appended so far.
    pub wanted: u64,
}

/// The views as of a complete epoch.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Instant,
    epoch: Epoch,
    counted: u64,
}

/// A subscriber to the counts of a tenant.
pub struct Observer {
    seen: Arc<Mutex<Vec<Seen>>>,
    counted: watch::Receiver<u64>,
    /// It ends when this is dropped.
    _following: JoinSet<()>,
}

impl Observer {
    /// Waits until the tenant is known and follows its counts from then on.
    pub async fn start(reader: &ViewReader, tenant: &TenantId) -> Result<Observer> {
        let changes = subscribe(reader, tenant, ViewName::Coverage).await?;
        let seen = Arc::default();
        let (tell, counted) = watch::channel(0);
        let mut following = JoinSet::new();
        following.spawn(follow(changes, Arc::clone(&seen), tell));
        Ok(Observer { seen, counted, _following: following })
    }

    /// Waits until at least so many events are counted.
    pub async fn counted(&self, wanted: u64) -> Result<()> {
        let mut counted = self.counted.clone();
        let counting = counted.wait_for(|counted| wanted <= *counted);
        let Ok(counting) = tokio::time::timeout(PATIENCE, counting).await else {
            let found = *self.counted.borrow();
            bail!("{wanted} events were to be visible, {found} are after {PATIENCE:?}");
        };
        counting.map(drop).context("the engine has stopped, or the subscription was cut off")
    }

    /// Waits until no count has come for a while, and gives the last one.
    pub async fn quiet(&self, silence: Duration) -> u64 {
        let mut counted = self.counted.clone();
        while let Ok(Ok(())) = tokio::time::timeout(silence, counted.changed()).await {}
        *counted.borrow()
    }

    /// Forgets what was seen so far: of a long run it would become much.
    pub fn forget(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// When an epoch was visible, if it changed a count.
    pub fn visible(&self, epoch: Epoch) -> Option<Instant> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let index = seen.binary_search_by_key(&epoch, |seen| seen.epoch).ok()?;
        Some(seen[index].at)
    }

    /// The milliseconds from when each was due until it was visible; both grow. What is not visible yet is left out.
    pub fn freshness_ms(&self, dues: &[Due]) -> Vec<f64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let visible = |due: &Due| {
            let index = seen.partition_point(|seen| seen.counted < due.wanted);
            Some(seen.get(index)?.at.saturating_duration_since(due.at).as_secs_f64() * 1_000.0)
        };
        dues.iter().filter_map(visible).collect()
    }
}

/// Subscribes to a view once the tenant is known: its first event has to be accepted.
pub async fn subscribe(
    reader: &ViewReader,
    tenant: &TenantId,
    view: ViewName,
) -> Result<mpsc::Receiver<Changes>> {
    let mut look = tokio::time::interval(LOOK);
    let begun = Instant::now();
    loop {
        match reader.subscribe(tenant.clone(), view).await {
            Ok(changes) => return Ok(changes),
            Err(error) if PATIENCE < begun.elapsed() => return Err(error.into()),
            Err(_) => drop(look.tick().await),
        }
    }
}

async fn follow(mut changes: mpsc::Receiver<Changes>, seen: Arc<Mutex<Vec<Seen>>>, tell: watch::Sender<u64>) {
    let mut by_source: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(Changes { epoch, rows, .. }) = changes.recv().await {
        let at = Instant::now();
        for (row, diff) in rows {
            let Row::Coverage(row) = row else { continue };
            if 0 < diff {
                let rejected: u64 = row.rejected.iter().map(|(_, count)| count).sum();
                by_source.insert(row.source.clone(), row.accepted + row.duplicate + rejected);
            }
        }
        let counted = by_source.values().sum();
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(Seen { at, epoch, counted });
        tell.send_replace(counted);
    }
}
