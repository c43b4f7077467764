//! Product state: investigations and what was decided in them, the service→repository map, past incidents; and how it
//! answers the API.
//!
//! Key     tenant first, then an id, a service or an incident.
//! Order   each request is a transaction of its own; requests overtake each other.
//! Repeat  an investigation is kept once, as it was answered first; all else is as it was last written.
//! Limits  lists come in parts; what is older than `keep` goes when something of its tenant is written; a request that
//!         takes longer than [`PATIENCE`] is given up.
//!
//! One set of statements for SQLite and PostgreSQL. On PostgreSQL, row-level security keeps tenants apart as well.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use schemas::ids::TenantId;
use schemas::state::{Reply, StateError, StateRequest};
use sqlx::{Any, AnyPool, Transaction};
use tokio::sync::{OnceCell, mpsc};
use tokio::time::timeout;

use crate::cache::Cache;

mod approvals;
mod audit;
mod cases;
mod error;
pub mod history;
mod incidents;
mod investigations;
mod list;
mod open;
mod repositories;
mod spending;

pub use open::{Place, PlaceError};

/// How long a request may take.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Requests that are being answered at once; more of them wait.
const REQUESTS_MAX: usize = 16;

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: AnyPool,
    /// For people: where it is, without a password.
    name: String,
    place: Place,
    keep_ms: i64,
    opened: Arc<OnceCell<()>>,
}

impl Database {
    /// Begins a transaction that sees one tenant.
    async fn of(&self, tenant: &TenantId) -> Result<Transaction<'static, Any>, StateError> {
        let mut transaction = self.begin().await?;
        self.see(&mut transaction, tenant).await.map_err(self.failed())?;
        Ok(transaction)
    }

    /// Begins a transaction that sees no tenant yet.
    async fn begin(&self) -> Result<Transaction<'static, Any>, StateError> {
        self.ready().await?;
        self.pool.begin().await.map_err(self.failed())
    }

    /// From here on a transaction sees one tenant.
    async fn see(
        &self,
        transaction: &mut Transaction<'static, Any>,
        tenant: &TenantId,
    ) -> Result<(), sqlx::Error> {
        if matches!(self.place, Place::Server(..)) {
            let set = sqlx::query("SELECT set_config('app.tenant', $1, true)").bind(tenant.to_string());
            set.execute(&mut **transaction).await?;
        }
        Ok(())
    }

    fn failed(&self) -> impl Fn(sqlx::Error) -> StateError {
        |error| error::told(&self.name, &error)
    }
}

/// Answers requests until nobody can ask any more.
pub async fn serve(database: Database, cache: Cache, requests: mpsc::Receiver<StateRequest>) {
    let requests = futures_util::stream::unfold(requests, async |mut requests| {
        requests.recv().await.map(|request| (request, requests))
    });
    requests.for_each_concurrent(REQUESTS_MAX, |request| answer(&database, &cache, request)).await;
}

async fn answer(database: &Database, cache: &Cache, request: StateRequest) {
    use StateRequest as R;
    match request {
        R::Keep(investigated, reply) => give(reply, database.keep(&investigated)).await,
        R::Investigation(tenant, id, reply) => give(reply, database.investigation(&tenant, &id)).await,
        R::Investigations(tenant, part, reply) => give(reply, database.investigations(&tenant, &part)).await,
        R::Map(tenant, repository, reply) => give(reply, database.map(&tenant, &repository)).await,
        R::Unmap(tenant, service, reply) => give(reply, database.unmap(&tenant, &service)).await,
        R::Repository(tenant, service, reply) => give(reply, database.repository(&tenant, &service)).await,
        R::Repositories(tenant, part, reply) => give(reply, database.repositories(&tenant, &part)).await,
        R::Incident(tenant, id, reply) => give(reply, database.incident(&tenant, id)).await,
        R::Incidents(tenant, part, reply) => give(reply, database.incidents(&tenant, &part)).await,
        R::Learn(tenant, case, reply) => give(reply, database.learn(&tenant, &case)).await,
        R::Cases(tenant, reply) => give(reply, database.cases(&tenant)).await,
        R::Teach(tenant, id, lessons, reply) => {
            give(reply, database.teach(&tenant, id, &lessons.0, lessons.1.as_ref())).await;
        }
        R::Signal(tenant, record, reply) => give(reply, database.signal(&tenant, &record, now())).await,
        R::Note(tenant, record, reply) => give(reply, database.note(&tenant, &record, now())).await,
        R::Reserve(tenant, aside, limit, reply) => {
            give(reply, database.reserve(&tenant, &aside, limit, now())).await;
        }
        R::Settle(tenant, id, micros, reply) => {
            give(reply, database.settle(&tenant, &id, micros, now())).await
        }
        R::Spending(tenant, reply) => give(reply, database.spending(&tenant, now())).await,
        R::Approve(tenant, approval, reply) => give(reply, database.approve(&tenant, &approval)).await,
        R::Use(tenant, id, reply) => give(reply, database.use_approval(&tenant, &id, now())).await,
        R::Admit(tenant, reply) => give(reply, async { Ok(cache.admit(&tenant).await) }).await,
        R::Recall(tenant, key, reply) => give(reply, async { Ok(cache.recall(&tenant, &key).await) }).await,
        R::Remember(tenant, key, value, reply) => {
            give(reply, async {
                cache.remember(&tenant, &key, value).await;
                Ok(())
            })
            .await;
        }
    }
}

/// Milliseconds since 1970.
fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// Does what was asked, and says how it ended; nobody may be left to hear it.
async fn give<T>(reply: Reply<T>, work: impl Future<Output = Result<T, StateError>>) {
    let done = timeout(PATIENCE, work).await;
    let done = done.unwrap_or_else(|_| {
        Err(StateError::Away(format!("state.database: no answer within {PATIENCE:?}; is it overloaded?")))
    });
    if let Err(error @ (StateError::Away(_) | StateError::Broken(_))) = &done {
        metrics::counter!("kgroot_state_failures_total").increment(1);
        tracing::error!(%error, "product state");
    }
    let _nobody_left = reply.send(done);
}
