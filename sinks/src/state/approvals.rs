//! Approvals: kept once, used once, worth nothing after they have expired. Whoever wants to use one that is good for nothing
//! leaves a record of that.

use schemas::audit::{approved, refused};
use schemas::ids::TenantId;
use schemas::state::{Approval, StateError, Used};
use schemas::time::EventTime;
use sqlx::Row;

use super::Database;
use super::list::written;

const APPROVE: &str = "INSERT INTO approvals (tenant, id, expires_at, used_at, approval) \
    VALUES ($1, $2, $3, 0, $4) ON CONFLICT (tenant, id) DO NOTHING";
const USE: &str =
    "UPDATE approvals SET used_at = $3 WHERE tenant = $1 AND id = $2 AND used_at = 0 AND expires_at > $3";
const ONE: &str = "SELECT expires_at, used_at, approval FROM approvals WHERE tenant = $1 AND id = $2";
const FORGET: &str = "DELETE FROM approvals WHERE tenant = $1 AND expires_at < $2";

impl Database {
    /// Keeps an approval.
    pub(super) async fn approve(&self, tenant: &TenantId, approval: &Approval) -> Result<(), StateError> {
        let failed = self.failed();
        let mut transaction = self.of(tenant).await?;
        let approve = sqlx::query(APPROVE).bind(tenant.to_string()).bind(approval.approval_id.clone());
        let approve = approve.bind(approval.expires_at.0).bind(written(approval)?);
        approve.execute(&mut *transaction).await.map_err(&failed)?;
        self.decided(&mut transaction, tenant, &[approved(tenant, approval)], super::now()).await?;
        let before = approval.expires_at.0.saturating_sub(self.keep_ms);
        let forget = sqlx::query(FORGET).bind(tenant.to_string()).bind(before);
        forget.execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// Uses an approval: of any number of requests, one.
    pub(super) async fn use_approval(
        &self,
        tenant: &TenantId,
        id: &str,
        now: i64,
    ) -> Result<Used, StateError> {
        let failed = self.failed();
        let mut transaction = self.of(tenant).await?;
        let use_it = sqlx::query(USE).bind(tenant.to_string()).bind(id.to_owned()).bind(now);
        let now_used = use_it.execute(&mut *transaction).await.map_err(&failed)?.rows_affected() == 1;
        let one = sqlx::query(ONE).bind(tenant.to_string()).bind(id.to_owned());
        let row = one.fetch_optional(&mut *transaction).await.map_err(&failed)?;
        let Some(row) = row else { return Ok(Used::Unknown) };
        let used_at: i64 = row.try_get("used_at").map_err(&failed)?;
        let approval: Approval = self.document(&row, "approval")?;
        if now_used {
            let approval = Approval { used_at: Some(EventTime(used_at)), ..approval };
            self.decided(&mut transaction, tenant, &[approved(tenant, &approval)], now).await?;
            transaction.commit().await.map_err(&failed)?;
            return Ok(Used::Now(approval));
        }
        let (used, code, why) = if used_at == 0 {
            let at = EventTime(row.try_get("expires_at").map_err(&failed)?);
            (Used::Expired(at), "approval_expired", format!("the approval has expired at {at}"))
        } else {
            let at = EventTime(used_at);
            (Used::Already(at), "approval_used", format!("the approval was used at {at}"))
        };
        let of = Some((approval.investigation_id.as_str(), approval.as_of));
        self.decided(&mut transaction, tenant, &[refused(tenant, of, id, (code, &why))], now).await?;
        transaction.commit().await.map_err(&failed)?;
        Ok(used)
    }
}
