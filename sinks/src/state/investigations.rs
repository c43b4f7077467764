//! Investigations, kept as they were answered.

use chrono::Utc;
use schemas::ids::TenantId;
use schemas::state::{Asked, Investigated, Investigation, Listed, Part, Recording, StateError};
use schemas::time::EventTime;
use sqlx::Row;

use super::Database;
use super::list::written;

const KEEP: &str = "INSERT INTO investigations (tenant, id, asked_at, asked, question, answer, recording, views) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, id) DO NOTHING";
const FORGET: &str = "DELETE FROM investigations WHERE tenant = $1 AND asked_at < $2";
const ONE: &str =
    "SELECT asked_at, question, answer, recording, views FROM investigations WHERE tenant = $1 AND id = $2";
const LATEST: &str = "SELECT asked_at, id, asked FROM investigations \
    WHERE tenant = $1 AND (asked_at, id) < ($2, $3) ORDER BY asked_at DESC, id DESC LIMIT $4";

impl Database {
    /// Keeps an investigation, and what was decided in it.
    pub(super) async fn keep(&self, investigated: &Investigated) -> Result<(), StateError> {
        let Investigated { question, answer, recording, decisions } = investigated;
        let (tenant, id, now) = (&answer.tenant_id, &answer.investigation_id, Utc::now().timestamp_millis());
        let asked = Asked {
            investigation_id: id.clone(),
            asked_at: EventTime(now),
            query: question.query.clone(),
            status: answer.status,
            summary: answer.summary.clone(),
        };
        let mut transaction = self.of(tenant).await?;
        let keep = sqlx::query(KEEP).bind(tenant.to_string()).bind(id.clone()).bind(now);
        let keep = keep
            .bind(written(&asked)?)
            .bind(written(question)?)
            .bind(written(answer)?)
            .bind(written(recording)?)
            .bind(recording.views.clone());
        keep.execute(&mut *transaction).await.map_err(self.failed())?;
        self.decided(&mut transaction, tenant, decisions, now).await?;
        let before = now.saturating_sub(self.keep_ms);
        let forget = sqlx::query(FORGET).bind(tenant.to_string()).bind(before);
        forget.execute(&mut *transaction).await.map_err(self.failed())?;
        transaction.commit().await.map_err(self.failed())
    }

    /// One investigation.
    pub(super) async fn investigation(
        &self,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<Investigation>, StateError> {
        let mut transaction = self.of(tenant).await?;
        let one = sqlx::query(ONE).bind(tenant.to_string()).bind(id.to_owned());
        let row = one.fetch_optional(&mut *transaction).await.map_err(self.failed())?;
        row.map(|row| {
            Ok(Investigation {
                asked_at: EventTime(row.try_get("asked_at").map_err(self.failed())?),
                question: self.document(&row, "question")?,
                answer: self.document(&row, "answer")?,
                recording: Recording {
                    views: row.try_get("views").map_err(self.failed())?,
                    ..self.document(&row, "recording")?
                },
            })
        })
        .transpose()
    }

    /// Investigations, latest first.
    pub(super) async fn investigations(
        &self,
        tenant: &TenantId,
        part: &Part,
    ) -> Result<Listed<Asked>, StateError> {
        let rows = self.latest(LATEST, tenant, part).await?;
        self.listed(rows, part, "asked_at", |row| self.document(row, "asked"))
    }
}
