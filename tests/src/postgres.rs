//! Databases on the PostgreSQL of the tests.

use sqlx::{Connection, Executor, PgConnection};

/// Makes a database and a role that owns it and is nothing else; the address of the database as that role, and as `admin`.
///
/// # Errors
/// The server refused.
///
/// # Panics
/// `admin` is not the address of a database.
pub async fn own_database(admin: &str, name: &str) -> Result<(String, String), sqlx::Error> {
    let mut connection = PgConnection::connect(admin).await?;
    let role = format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'");
    for statement in [role, format!("CREATE DATABASE {name} OWNER {name}")] {
        connection.execute(sqlx::AssertSqlSafe(statement)).await?;
    }
    let Some((server, _)) = admin.rsplit_once('/') else { panic!("{admin} has a path") };
    let Some((_, host)) = server.rsplit_once('@') else { panic!("{admin} has a user") };
    Ok((format!("postgres://{name}:secret@{host}/{name}"), format!("{server}/{name}")))
}
