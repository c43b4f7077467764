//! Cases: incidents that are over, and what people have added to them.

use schemas::ids::{IncidentId, TenantId};
use schemas::state::{CASES_MAX, Case, Lesson, StateError};
use sqlx::Row;

use super::Database;
use super::list::written;

const LEARN: &str = "INSERT INTO cases (tenant, incident, last_at, remembered, lesson) VALUES ($1, $2, $3, $4, '') \
    ON CONFLICT (tenant, incident) DO UPDATE SET last_at = excluded.last_at, remembered = excluded.remembered";
/// Of the oldest there is no use, unless somebody has written a lesson: what is compared is bounded.
const FORGET: &str = "DELETE FROM cases WHERE tenant = $1 AND lesson = '' AND incident NOT IN \
    (SELECT incident FROM cases WHERE tenant = $1 ORDER BY last_at DESC, incident DESC LIMIT $2)";
const LATEST: &str = "SELECT remembered, lesson FROM cases WHERE tenant = $1 \
    ORDER BY last_at DESC, incident DESC LIMIT $2";
const TEACH: &str =
    "UPDATE cases SET lesson = $3 WHERE tenant = $1 AND incident = $2 AND ($4 = '' OR lesson = $4)";
/// Cases that are compared.
const MAX: i64 = CASES_MAX as i64;

impl Database {
    /// Keeps a case as its incident now is.
    pub(super) async fn learn(&self, tenant: &TenantId, case: &Case) -> Result<(), StateError> {
        let failed = self.failed();
        let mut transaction = self.of(tenant).await?;
        let remembered = Case { lesson: None, ..case.clone() };
        let learn = sqlx::query(LEARN).bind(tenant.to_string()).bind(case.incident.incident_id.to_string());
        let learn = learn.bind(case.incident.last_at.0).bind(written(&remembered)?);
        learn.execute(&mut *transaction).await.map_err(&failed)?;
        let forget = sqlx::query(FORGET).bind(tenant.to_string()).bind(MAX);
        forget.execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// The latest cases.
    pub(super) async fn cases(&self, tenant: &TenantId) -> Result<Vec<Case>, StateError> {
        let mut transaction = self.of(tenant).await?;
        let latest = sqlx::query(LATEST).bind(tenant.to_string()).bind(MAX);
        let rows = latest.fetch_all(&mut *transaction).await.map_err(self.failed())?;
        let case = |row| {
            let case: Case = self.document(row, "remembered")?;
            let taught: String = row.try_get("lesson").map_err(self.failed())?;
            let lesson = if taught.is_empty() { None } else { Some(self.document(row, "lesson")?) };
            Ok(Case { lesson, ..case })
        };
        rows.iter().map(case).collect()
    }

    /// Says what people know of a case, if that is still what is known of it.
    pub(super) async fn teach(
        &self,
        tenant: &TenantId,
        incident: IncidentId,
        lesson: &Lesson,
        instead_of: Option<&Lesson>,
    ) -> Result<bool, StateError> {
        let failed = self.failed();
        let mut transaction = self.of(tenant).await?;
        let teach =
            sqlx::query(TEACH).bind(tenant.to_string()).bind(incident.to_string()).bind(written(lesson)?);
        let teach = teach.bind(instead_of.map(written).transpose()?.unwrap_or_default());
        let taught = teach.execute(&mut *transaction).await.map_err(&failed)?.rows_affected();
        transaction.commit().await.map_err(&failed)?;
        Ok(taught == 1)
    }
}
