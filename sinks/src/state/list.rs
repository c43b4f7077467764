//! Parts of lists that begin with what is latest, and documents in columns.

use schemas::ids::TenantId;
use schemas::state::{Listed, Part, StateError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::Database;

impl Database {
    /// Rows of a statement that takes a tenant, a time and an id to begin before, and how many.
    pub(super) async fn latest(
        &self,
        statement: &'static str,
        tenant: &TenantId,
        part: &Part,
    ) -> Result<Vec<AnyRow>, StateError> {
        let (time, id) = match &part.after {
            None => (i64::MAX, String::new()),
            Some(cursor) => before(cursor).ok_or_else(|| StateError::Cursor(cursor.clone()))?,
        };
        let mut transaction = self.of(tenant).await?;
        let rows = sqlx::query(statement).bind(tenant.to_string()).bind(time).bind(id).bind(more(part));
        rows.fetch_all(&mut *transaction).await.map_err(self.failed())
    }

    /// The part that some rows are; a row more than was asked for says that there is more.
    pub(super) fn listed<T>(
        &self,
        mut rows: Vec<AnyRow>,
        part: &Part,
        time: &str,
        entry: impl Fn(&AnyRow) -> Result<T, StateError>,
    ) -> Result<Listed<T>, StateError> {
        let full = part.limit < rows.len();
        rows.truncate(part.limit);
        let next = match rows.last() {
            Some(row) if full => {
                let at: i64 = row.try_get(time).map_err(self.failed())?;
                let id: String = row.try_get("id").map_err(self.failed())?;
                Some(format!("{at}/{id}"))
            }
            _ => None,
        };
        Ok(Listed { entries: rows.iter().map(entry).collect::<Result<_, _>>()?, next })
    }

    /// A document in a column.
    pub(super) fn document<T: DeserializeOwned>(&self, row: &AnyRow, column: &str) -> Result<T, StateError> {
        let text: String = row.try_get(column).map_err(self.failed())?;
        serde_json::from_str(&text).map_err(|error| {
            let hint = "restore the database, or name another";
            StateError::Broken(format!("state.database: {}: {column}: {error}; {hint}", self.name))
        })
    }
}

/// Time and id of the last entry before.
fn before(cursor: &str) -> Option<(i64, String)> {
    let (time, id) = cursor.split_once('/')?;
    Some((time.parse().ok()?, id.to_owned()))
}

/// One more than was asked for.
pub(super) fn more(part: &Part) -> i64 {
    i64::try_from(part.limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// A document for a column.
pub(super) fn written(document: &impl Serialize) -> Result<String, StateError> {
    serde_json::to_string(document).map_err(|error| StateError::Broken(error.to_string()))
}
