//! The map from services to repositories.

use schemas::ids::TenantId;
use schemas::state::{Listed, Part, Repository, StateError};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::Database;
use super::list::more;

const MAP: &str = "INSERT INTO repositories (tenant, service, repository) VALUES ($1, $2, $3) \
    ON CONFLICT (tenant, service) DO UPDATE SET repository = excluded.repository";
const UNMAP: &str = "DELETE FROM repositories WHERE tenant = $1 AND service = $2";
const ONE: &str = "SELECT service, repository FROM repositories WHERE tenant = $1 AND service = $2";
const ALL: &str = "SELECT service, repository FROM repositories \
    WHERE tenant = $1 AND $2 < service ORDER BY service LIMIT $3";

impl Database {
    /// Says where the code of a service is.
    pub(super) async fn map(&self, tenant: &TenantId, repository: &Repository) -> Result<(), StateError> {
        let Repository { service, repository } = repository.clone();
        let mut transaction = self.of(tenant).await?;
        let map = sqlx::query(MAP).bind(tenant.to_string()).bind(service).bind(repository);
        map.execute(&mut *transaction).await.map_err(self.failed())?;
        transaction.commit().await.map_err(self.failed())
    }

    /// Forgets where the code of a service is; tells whether it was known.
    pub(super) async fn unmap(&self, tenant: &TenantId, service: &str) -> Result<bool, StateError> {
        let mut transaction = self.of(tenant).await?;
        let unmap = sqlx::query(UNMAP).bind(tenant.to_string()).bind(service.to_owned());
        let gone = unmap.execute(&mut *transaction).await.map_err(self.failed())?.rows_affected();
        transaction.commit().await.map_err(self.failed())?;
        Ok(0 < gone)
    }

    /// Where the code of a service is.
    pub(super) async fn repository(
        &self,
        tenant: &TenantId,
        service: &str,
    ) -> Result<Option<Repository>, StateError> {
        let mut transaction = self.of(tenant).await?;
        let one = sqlx::query(ONE).bind(tenant.to_string()).bind(service.to_owned());
        let row = one.fetch_optional(&mut *transaction).await.map_err(self.failed())?;
        row.map(|row| self.mapped(&row)).transpose()
    }

    /// The map, by service.
    pub(super) async fn repositories(
        &self,
        tenant: &TenantId,
        part: &Part,
    ) -> Result<Listed<Repository>, StateError> {
        let mut transaction = self.of(tenant).await?;
        let after = part.after.clone().unwrap_or_default();
        let all = sqlx::query(ALL).bind(tenant.to_string()).bind(after).bind(more(part));
        let mut rows = all.fetch_all(&mut *transaction).await.map_err(self.failed())?;
        let full = part.limit < rows.len();
        rows.truncate(part.limit);
        let entries = rows.iter().map(|row| self.mapped(row)).collect::<Result<Vec<_>, _>>()?;
        let next = entries.last().filter(|_| full).map(|last| last.service.clone());
        Ok(Listed { entries, next })
    }

    fn mapped(&self, row: &AnyRow) -> Result<Repository, StateError> {
        let text = |column: &str| row.try_get(column).map_err(self.failed());
        Ok(Repository { service: text("service")?, repository: text("repository")? })
    }
}
