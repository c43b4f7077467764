//! Incidents outlive the views: a store that follows them into the database.
//!
//! Key     tenant and incident.
//! Order   one transaction per batch, which begins by seeing that no other process has taken the shard over, and says how far
//!         this one has come.
//! Repeat  any number of times. Each process begins anew, with what its recovery brings back: the same incidents again, also
//!         after the event log was replaced; what it does not bring back is not live.
//! Limits  an incident that the views have no more stays, with `live` 0, until it is older than `keep`.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::feed::Change;
use schemas::ids::TenantId;
use schemas::state::StateError;
use schemas::time::{Epoch, EventTime};
use schemas::view::{IncidentRow, Row as ViewRow, ViewName};
use sqlx::{Any, Row, Transaction};
use tokio::time::timeout;

use super::list::written;
use super::{Database, PATIENCE};
use crate::store::{Batch, Pace, Progress, Refusal, Store, StoreError, latest};

const TAKE: &str = "INSERT INTO followed (shard, owner, epoch) VALUES ($1, $2, 0) \
    ON CONFLICT (shard) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch";
// A write, so that whoever takes the shard over meanwhile waits for the end of this transaction.
const OWN: &str = "UPDATE followed SET epoch = $3 WHERE shard = $1 AND owner = $2";
const TENANTS: &str = "SELECT tenant FROM followed_tenants WHERE shard = $1";
const TENANT: &str = "INSERT INTO followed_tenants (shard, tenant) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const CLOSE: &str = "UPDATE incidents SET live = 0 WHERE tenant = $1 AND shard = $2 AND live = 1";
const PUT: &str = "INSERT INTO incidents (tenant, id, shard, live, epoch, started_at, last_at, incident) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, id) DO UPDATE SET shard = excluded.shard, \
    live = excluded.live, epoch = excluded.epoch, started_at = excluded.started_at, last_at = excluded.last_at, \
    incident = excluded.incident";
const FORGET: &str = "DELETE FROM incidents WHERE tenant = $1 AND live = 0 AND last_at < $2";

/// The store.
pub struct History {
    database: Database,
    shard: String,
    owner: String,
    opened: bool,
    applied: Option<Progress>,
}

impl History {
    /// The incidents of a shard, brought by a process that is called `owner`.
    pub fn new(database: Database, shard: &str, owner: &str) -> Self {
        let (shard, owner) = (shard.to_owned(), owner.to_owned());
        History { database, shard, owner, opened: false, applied: None }
    }

    /// Takes the shard over.
    async fn take(&self) -> Result<(), StateError> {
        self.database.ready().await?;
        let take = sqlx::query(TAKE).bind(self.shard.clone()).bind(self.owner.clone());
        take.execute(&self.database.pool).await.map(drop).map_err(self.database.failed())
    }

    /// No other process has taken the shard over, nor will before the end of the transaction.
    async fn own(&self, transaction: &mut Transaction<'static, Any>, epoch: Epoch) -> Result<(), StateError> {
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        let own = sqlx::query(OWN).bind(self.shard.clone()).bind(self.owner.clone()).bind(epoch);
        let owned = own.execute(&mut **transaction).await.map_err(self.database.failed())?;
        if owned.rows_affected() == 0 {
            let (name, shard) = (&self.database.name, &self.shard);
            let line = format!("another process brings the incidents of shard {shard}");
            return Err(StateError::Broken(format!("state.database: {name}: {line}")));
        }
        Ok(())
    }

    async fn write(&self, batch: &Batch) -> Result<(), StateError> {
        let failed = self.database.failed();
        let mut transaction = self.database.begin().await?;
        self.own(&mut transaction, batch.progress.epoch).await?;
        if self.applied.is_none() || batch.epochs.first().is_some_and(|first| first.whole) {
            self.close(&mut transaction).await?;
        }
        let changes = latest(&batch.epochs);
        let incidents = changes.into_iter().filter(|(_, change)| change.view == ViewName::Incidents);
        let incidents: Vec<_> = incidents.collect();
        let tenants: BTreeSet<&TenantId> = incidents.iter().map(|(_, change)| &change.tenant).collect();
        let now = batch.epochs.last().map(|last| last.now).unwrap_or_default();
        for tenant in tenants {
            let known = sqlx::query(TENANT).bind(self.shard.clone()).bind(tenant.to_string());
            known.execute(&mut *transaction).await.map_err(&failed)?;
            self.database.see(&mut transaction, tenant).await.map_err(&failed)?;
            for (epoch, change) in incidents.iter().filter(|(_, change)| change.tenant == *tenant) {
                if let ViewRow::Incident(incident) = &change.row {
                    self.put(&mut transaction, *epoch, change, incident).await?;
                }
            }
            self.forget(&mut transaction, tenant, now).await?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// What is not told again is not live.
    async fn close(&self, transaction: &mut Transaction<'static, Any>) -> Result<(), StateError> {
        let failed = self.database.failed();
        let tenants = sqlx::query(TENANTS).bind(self.shard.clone());
        for row in tenants.fetch_all(&mut **transaction).await.map_err(&failed)? {
            let tenant: String = row.try_get("tenant").map_err(&failed)?;
            // Only ids of tenants are ever written there.
            let Ok(tenant) = tenant.parse::<TenantId>() else { continue };
            self.database.see(transaction, &tenant).await.map_err(&failed)?;
            let close = sqlx::query(CLOSE).bind(tenant.to_string()).bind(self.shard.clone());
            close.execute(&mut **transaction).await.map_err(&failed)?;
        }
        Ok(())
    }

    async fn put(
        &self,
        transaction: &mut Transaction<'static, Any>,
        epoch: Epoch,
        change: &Change,
        incident: &IncidentRow,
    ) -> Result<(), StateError> {
        let put = sqlx::query(PUT)
            .bind(change.tenant.to_string())
            .bind(incident.incident_id.to_string())
            .bind(self.shard.clone())
            .bind(i64::from(change.live))
            .bind(i64::try_from(epoch).unwrap_or(i64::MAX))
            .bind(incident.started_at.0)
            .bind(incident.last_at.0)
            .bind(written(incident)?);
        put.execute(&mut **transaction).await.map(drop).map_err(self.database.failed())
    }

    async fn forget(
        &self,
        transaction: &mut Transaction<'static, Any>,
        tenant: &TenantId,
        now: EventTime,
    ) -> Result<(), StateError> {
        let before = now.plus_ms(-self.database.keep_ms);
        let forget = sqlx::query(FORGET).bind(tenant.to_string()).bind(before.0);
        forget.execute(&mut **transaction).await.map(drop).map_err(self.database.failed())
    }
}

impl Store for History {
    fn pace(&self) -> Pace {
        // Incidents are few; each batch is a transaction.
        Pace { changes: 50_000, every: Duration::from_millis(500) }
    }

    async fn open(&mut self) -> Result<Option<Progress>, StoreError> {
        if !self.opened {
            patient(self.take()).await?;
            self.opened = true;
        }
        Ok(self.applied.clone())
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Refusal>, StoreError> {
        patient(self.write(batch)).await?;
        self.applied = Some(batch.progress.clone());
        Ok(Vec::new())
    }
}

async fn patient<T>(work: impl Future<Output = Result<T, StateError>>) -> Result<T, StoreError> {
    let away = || StoreError::Away(format!("state.database: no answer within {PATIENCE:?}"));
    timeout(PATIENCE, work).await.map_err(|_| away())?.map_err(|error| match error {
        StateError::Away(line) => StoreError::Away(line),
        broken => StoreError::Broken(broken.to_string()),
    })
}
