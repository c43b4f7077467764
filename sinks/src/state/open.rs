//! Where the database is, and how it is opened: connected, checked, its schema brought up to date.
//!
//! A database that a newer program has migrated is left alone. On PostgreSQL a role that bypasses row-level security is
//! refused: it would see every tenant whatever the policies say.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schemas::state::StateError;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection, Executor, Row};
use tokio::time::timeout;

use super::{Database, PATIENCE, error};

/// Connections to a database; SQLite has one writer at a time anyway.
const CONNECTIONS: u32 = 8;
/// How long a free connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(2);
/// Of the schema: what both have.
const TABLES: (i64, &str, &str) = (1, "tables", include_str!("../../migrations/0001_tables.sql"));
/// Of the schema: what only PostgreSQL has.
const ISOLATION: (i64, &str, &str) =
    (2, "isolation", include_str!("../../migrations/postgres/0002_isolation.sql"));
/// For every connection to SQLite: readers do not wait for the writer; what is committed outlives the process.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;";
/// Whether row-level security would be without effect.
const BYPASSES: &str = "SELECT rolname::text AS name, rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = current_user";

/// Where a database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// SQLite, in memory: gone with the process.
    Memory,
    /// SQLite, in a file.
    File(PathBuf),
    /// PostgreSQL: its address as it was written, and without the password.
    Server(String, String),
}

/// Why a text does not say where a database is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; write a path, or postgres://USER:PASSWORD@HOST:PORT/DATABASE")]
pub struct PlaceError(String);

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl std::str::FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let Some((scheme, _)) = text.split_once("://") else {
            return match text {
                "" => Err(PlaceError("it is empty".to_owned())),
                path => Ok(Place::File(PathBuf::from(path))),
            };
        };
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(PlaceError(format!("{scheme}:// is neither SQLite nor PostgreSQL")));
        }
        let mut url =
            url::Url::parse(text).map_err(|error| PlaceError(format!("it is not an address: {error}")))?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(PlaceError("it names no host".to_owned()));
        }
        // Neither of both can fail where there is a host.
        let _removed = url.set_password(None);
        url.set_query(None);
        Ok(Place::Server(text.to_owned(), url.to_string()))
    }
}

impl Place {
    /// For people.
    fn name(&self) -> String {
        match self {
            Place::Memory => "SQLite in memory".to_owned(),
            Place::File(path) => path.display().to_string(),
            Place::Server(_, name) => name.clone(),
        }
    }

    fn url(&self) -> String {
        match self {
            Place::Memory => "sqlite::memory:".to_owned(),
            Place::File(path) => format!("sqlite:{}?mode=rwc", encoded(path)),
            Place::Server(url, _) => url.clone(),
        }
    }

    fn migrations(&self) -> Migrator {
        let of = |(version, name, text)| {
            Migration::new(
                version,
                Cow::Borrowed(name),
                MigrationType::Simple,
                sqlx::SqlStr::from_static(text),
                false,
            )
        };
        let migrations = match self {
            Place::Server(..) => vec![of(TABLES), of(ISOLATION)],
            _ => vec![of(TABLES)],
        };
        Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT }
    }
}

/// A path as part of an address.
fn encoded(path: &Path) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let bytes = path.as_os_str().as_encoded_bytes().iter();
    bytes
        .map(|&byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

impl Database {
    /// Opens a database; what is older than `keep_ms` may go. A file that is busy or on a full disk stops nobody: it is opened
    /// with the next request.
    pub async fn open(place: &Place, keep_ms: i64) -> Result<Self, StateError> {
        install_default_drivers();
        let name = place.name();
        let options: AnyConnectOptions = place.url().parse().map_err(|error| error::told(&name, &error))?;
        let pool = pool(place).connect_lazy_with(options);
        let database = Database { pool, name, place: place.clone(), keep_ms, opened: Arc::default() };
        match database.ready().await {
            Err(error @ StateError::Away(_)) if matches!(place, Place::File(_)) => {
                tracing::error!(%error, "product state is tried again with each request");
            }
            opened => opened?,
        }
        Ok(database)
    }

    /// Opened, and with our schema.
    pub async fn ready(&self) -> Result<(), StateError> {
        self.opened.get_or_try_init(|| self.prepare()).await.copied()
    }

    async fn prepare(&self) -> Result<(), StateError> {
        let failed = self.failed();
        if let Place::File(path) = &self.place
            && let Some(folder) = path.parent()
        {
            tokio::fs::create_dir_all(folder).await.map_err(|error| {
                let hint = "choose another folder, or give this user the right";
                StateError::Broken(format!("state.database: {}: {error}; {hint}", folder.display()))
            })?;
        }
        let prepared = timeout(PATIENCE, async {
            if let Place::Memory = self.place {
                let mut connection = self.pool.acquire().await.map_err(&failed)?;
                return migrate(self, &mut connection).await;
            }
            // On a connection of its own: a pool would try an address that refuses for as long as it may.
            let options = self.pool.connect_options();
            let mut connection = AnyConnection::connect_with(&options).await.map_err(&failed)?;
            migrate(self, &mut connection).await?;
            connection.close().await.map_err(&failed)
        });
        prepared.await.map_err(|_| {
            StateError::Away(format!("state.database: {}: no answer within {PATIENCE:?}", self.name))
        })?
    }
}

fn pool(place: &Place) -> AnyPoolOptions {
    let pool = AnyPoolOptions::new().acquire_timeout(ACQUIRE);
    match place {
        // Each connection would be a database of its own, which ends with it.
        Place::Memory => pool.max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None),
        Place::File(_) => pool.max_connections(CONNECTIONS).after_connect(|connection, _| {
            Box::pin(async move { connection.execute(PRAGMAS).await.map(drop) })
        }),
        Place::Server(..) => pool.max_connections(CONNECTIONS),
    }
}

/// Checks what a connection can do, and brings the schema up to date.
async fn migrate(database: &Database, connection: &mut AnyConnection) -> Result<(), StateError> {
    let (name, failed) = (&database.name, database.failed());
    match database.place {
        Place::Server(..) => {
            let row = sqlx::query(BYPASSES).fetch_one(&mut *connection).await.map_err(&failed)?;
            let (role, bypasses): (String, bool) =
                (row.try_get("name").map_err(&failed)?, row.try_get("bypasses").map_err(&failed)?);
            if bypasses {
                return Err(StateError::Broken(format!(
                    "state.database: {name}: role {role} bypasses row-level security; \
                     use a role without SUPERUSER and BYPASSRLS (docs/state.md)"
                )));
            }
        }
        Place::File(_) => connection.execute(PRAGMAS).await.map(|_| ()).map_err(&failed)?,
        Place::Memory => {}
    }
    // `run` takes what not every future can hold that is sent between threads.
    let migrated = database.place.migrations().run_direct(None, connection, false).await;
    migrated.map_err(|error| error::not_migrated(name, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_without_its_password() {
        let place: Place = "postgres://kgroot:secret@db:5432/kgroot?sslmode=require".parse().unwrap();
        assert_eq!(format!("{place:?}"), "postgres://kgroot@db:5432/kgroot");
        assert_eq!("a/b.sqlite".parse(), Ok(Place::File(PathBuf::from("a/b.sqlite"))));
        for bad in ["", "mysql://a/b", "postgres://", "postgres://a b/c"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_cannot_become_an_option() {
        assert_eq!(
            Place::File(PathBuf::from("/a b/c?mode=ro#d")).url(),
            "sqlite:/a%20b/c%3Fmode%3Dro%23d?mode=rwc"
        );
    }
}
