//! What was decided, from the moment at which it is kept until the audit stream has it.

use schemas::audit::{AuditRecord, Decision};
use schemas::ids::TenantId;
use schemas::state::StateError;
use sqlx::{Any, Row, Transaction};

use super::Database;
use super::list::written;

const PUT: &str = "INSERT INTO audit (tenant, investigation, number, at, told, record) \
    VALUES ($1, $2, $3, $4, 0, $5) ON CONFLICT (tenant, investigation, number) DO NOTHING";
const MARK: &str = "INSERT INTO audited (tenant, marks) VALUES ($1, 1) \
    ON CONFLICT (tenant) DO UPDATE SET marks = audited.marks + 1";
const MARKED: &str = "SELECT tenant, marks FROM audited ORDER BY tenant LIMIT $1";
const UNMARK: &str = "DELETE FROM audited WHERE tenant = $1 AND marks = $2";
const UNTOLD: &str = "SELECT record FROM audit WHERE tenant = $1 AND told = 0 \
    ORDER BY at, investigation, number LIMIT $2";
const TOLD: &str = "UPDATE audit SET told = 1 WHERE tenant = $1 AND investigation = $2 AND number = $3";
const LAST: &str = "SELECT record FROM audit WHERE tenant = $1 AND investigation = $2 \
    ORDER BY number DESC LIMIT 1";
const FORGET: &str = "DELETE FROM audit WHERE tenant = $1 AND at < $2";

/// A tenant with decisions that were not told yet, and how often one was kept.
pub(crate) struct Marked {
    pub(crate) tenant: TenantId,
    marks: i64,
}

impl Database {
    /// Keeps decisions, as part of a transaction that sees their tenant.
    pub(super) async fn decided(
        &self,
        transaction: &mut Transaction<'static, Any>,
        tenant: &TenantId,
        records: &[AuditRecord],
        now: i64,
    ) -> Result<(), StateError> {
        let failed = self.failed();
        for record in records {
            let put = sqlx::query(PUT).bind(tenant.to_string()).bind(record.investigation_id.clone());
            let put = put.bind(i64::from(record.number)).bind(now).bind(written(record)?);
            put.execute(&mut **transaction).await.map_err(&failed)?;
        }
        let mark = sqlx::query(MARK).bind(tenant.to_string());
        mark.execute(&mut **transaction).await.map_err(&failed)?;
        let before = now.saturating_sub(self.keep_ms);
        let forget = sqlx::query(FORGET).bind(tenant.to_string()).bind(before);
        forget.execute(&mut **transaction).await.map(drop).map_err(&failed)
    }

    /// Keeps a record that says something else than the last one of its name.
    pub(super) async fn signal(
        &self,
        tenant: &TenantId,
        record: &AuditRecord,
        now: i64,
    ) -> Result<bool, StateError> {
        let mut transaction = self.of(tenant).await?;
        let last = sqlx::query(LAST).bind(tenant.to_string()).bind(record.investigation_id.clone());
        let last = last.fetch_optional(&mut *transaction).await.map_err(self.failed())?;
        let last: Option<AuditRecord> = last.map(|row| self.document(&row, "record")).transpose()?;
        let before = last.as_ref().map_or(Decision::PatternEnded, |last| last.decision);
        if before == record.decision {
            return Ok(false);
        }
        let number = last.map_or(0, |last| last.number.saturating_add(1));
        let record = AuditRecord { number, ..record.clone() };
        self.decided(&mut transaction, tenant, &[record], now).await?;
        transaction.commit().await.map(|()| true).map_err(self.failed())
    }

    /// Keeps a record under its own name.
    pub(super) async fn note(
        &self,
        tenant: &TenantId,
        record: &AuditRecord,
        now: i64,
    ) -> Result<(), StateError> {
        let mut transaction = self.of(tenant).await?;
        self.decided(&mut transaction, tenant, std::slice::from_ref(record), now).await?;
        transaction.commit().await.map_err(self.failed())
    }

    /// Tenants with decisions that were not told yet.
    pub(crate) async fn marked(&self, limit: i64) -> Result<Vec<Marked>, StateError> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        let rows = sqlx::query(MARKED).bind(limit).fetch_all(&mut *transaction).await.map_err(&failed)?;
        let mut marked = Vec::with_capacity(rows.len());
        for row in rows {
            let tenant: String = row.try_get("tenant").map_err(&failed)?;
            // Only ids of tenants are ever written there.
            let Ok(tenant) = tenant.parse() else { continue };
            marked.push(Marked { tenant, marks: row.try_get("marks").map_err(&failed)? });
        }
        Ok(marked)
    }

    /// The oldest decisions of a tenant that were not told yet.
    pub(crate) async fn untold(&self, tenant: &TenantId, limit: i64) -> Result<Vec<AuditRecord>, StateError> {
        let mut transaction = self.of(tenant).await?;
        let untold = sqlx::query(UNTOLD).bind(tenant.to_string()).bind(limit);
        let rows = untold.fetch_all(&mut *transaction).await.map_err(self.failed())?;
        rows.iter().map(|row| self.document(row, "record")).collect()
    }

    /// Decisions of a tenant were told.
    pub(crate) async fn told(&self, tenant: &TenantId, records: &[AuditRecord]) -> Result<(), StateError> {
        let failed = self.failed();
        let mut transaction = self.of(tenant).await?;
        for record in records {
            let told = sqlx::query(TOLD).bind(tenant.to_string()).bind(record.investigation_id.clone());
            let told = told.bind(i64::from(record.number));
            told.execute(&mut *transaction).await.map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// Nothing of a tenant is left to tell, unless something was kept meanwhile.
    pub(crate) async fn unmark(&self, marked: &Marked) -> Result<(), StateError> {
        let failed = self.failed();
        let mut transaction = self.begin().await?;
        let unmark = sqlx::query(UNMARK).bind(marked.tenant.to_string()).bind(marked.marks);
        unmark.execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }
}
