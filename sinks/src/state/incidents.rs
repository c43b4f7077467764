//! Incidents as they last were: read here, written by [`super::history`].

use schemas::ids::{IncidentId, TenantId};
use schemas::state::{Listed, Part, PastIncident, StateError};
use schemas::time::Epoch;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::Database;

const ONE: &str = "SELECT epoch, live, incident FROM incidents WHERE tenant = $1 AND id = $2";
const LATEST: &str = "SELECT started_at, id, epoch, live, incident FROM incidents \
    WHERE tenant = $1 AND (started_at, id) < ($2, $3) ORDER BY started_at DESC, id DESC LIMIT $4";

impl Database {
    /// One incident.
    pub(super) async fn incident(
        &self,
        tenant: &TenantId,
        id: IncidentId,
    ) -> Result<Option<PastIncident>, StateError> {
        let mut transaction = self.of(tenant).await?;
        let one = sqlx::query(ONE).bind(tenant.to_string()).bind(id.to_string());
        let row = one.fetch_optional(&mut *transaction).await.map_err(self.failed())?;
        row.map(|row| self.past(&row)).transpose()
    }

    /// Incidents, latest first.
    pub(super) async fn incidents(
        &self,
        tenant: &TenantId,
        part: &Part,
    ) -> Result<Listed<PastIncident>, StateError> {
        let rows = self.latest(LATEST, tenant, part).await?;
        self.listed(rows, part, "started_at", |row| self.past(row))
    }

    fn past(&self, row: &AnyRow) -> Result<PastIncident, StateError> {
        let number = |column: &str| row.try_get::<i64, _>(column).map_err(self.failed());
        Ok(PastIncident {
            incident: self.document(row, "incident")?,
            epoch: Epoch::try_from(number("epoch")?).unwrap_or_default(),
            live: number("live")? == 1,
        })
    }
}
