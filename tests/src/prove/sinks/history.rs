//! Incidents that the program keeps in PostgreSQL, read past row-level security.

use std::collections::BTreeSet;

use schemas::ids::TenantId;
use schemas::time::Epoch;
use schemas::view::ViewName;
use serde_json::Value;
use sqlx::{Connection, PgConnection, Row};

use super::stores::Kept;
use crate::postgres::own_database;
use crate::prove::real::runtime;
use crate::prove::real::views::Texts;

/// What of the views is kept there.
pub(crate) const VIEWS: [ViewName; 1] = [ViewName::Incidents];

const EPOCH: &str = "SELECT epoch FROM followed WHERE shard = $1";
const LIVE: &str = "SELECT tenant, incident FROM incidents WHERE shard = $1 AND live = 1";

/// A database of one run.
pub(crate) struct History {
    /// Where the program meets it, as a role of its own.
    pub(crate) url: String,
    admin: String,
    shard: String,
}

impl History {
    /// Makes the database, on the server of `admin`.
    pub(crate) fn new(admin: &str, shard: &str) -> Result<Self, String> {
        let name = shard.replace('-', "_");
        let (url, admin) = runtime()?.block_on(own_database(admin, &name)).map_err(failed)?;
        Ok(History { url, admin, shard: shard.to_owned() })
    }

    /// The epoch that it has; 0 before the program has made its tables.
    pub(crate) fn epoch(&self) -> Result<Epoch, String> {
        runtime()?.block_on(async {
            let mut connection = PgConnection::connect(&self.admin).await.map_err(failed)?;
            epoch(&mut connection, &self.shard).await
        })
    }

    /// Its live incidents.
    pub(crate) fn kept(&self) -> Result<Kept, String> {
        runtime()?.block_on(async {
            let mut connection = PgConnection::connect(&self.admin).await.map_err(failed)?;
            let epoch = epoch(&mut connection, &self.shard).await?;
            let live =
                sqlx::query(LIVE).bind(&self.shard).fetch_all(&mut connection).await.map_err(failed)?;
            let mut rows = Texts::new();
            for row in live {
                let (tenant, incident): (String, String) =
                    (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
                let tenant: TenantId = tenant.parse().map_err(|error| format!("postgres: {error}"))?;
                let incident: Value =
                    serde_json::from_str(&incident).map_err(|error| format!("postgres: {error}"))?;
                let of_tenant: &mut BTreeSet<String> = rows.entry((tenant, VIEWS[0])).or_default();
                of_tenant.insert(incident.to_string());
            }
            Ok(Kept { epoch, rows })
        })
    }
}

async fn epoch(connection: &mut PgConnection, shard: &str) -> Result<Epoch, String> {
    let made = sqlx::query("SELECT to_regclass('followed') IS NOT NULL").fetch_one(&mut *connection).await;
    if !made.and_then(|row| row.try_get(0)).map_err(failed)? {
        return Ok(0);
    }
    let row = sqlx::query(EPOCH).bind(shard).fetch_optional(connection).await.map_err(failed)?;
    let epoch: i64 = row.map_or(Ok(0), |row| row.try_get(0)).map_err(failed)?;
    Ok(epoch.unsigned_abs())
}

fn failed(error: sqlx::Error) -> String {
    format!("postgres: {error}")
}
