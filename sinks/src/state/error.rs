//! What a database said, by what is to be done.

use schemas::state::StateError;
use sqlx::migrate::MigrateError;

/// PostgreSQL: credentials, rights, a database or table that is not there; by SQLSTATE.
const TO_BE_MENDED: [&str; 7] = ["28000", "28P01", "3D000", "3F000", "42501", "42P01", "42703"];
/// SQLite: no right, read-only, corrupt, cannot be opened, not a database; by primary result code.
const TO_BE_MENDED_HERE: [i32; 5] = [3, 8, 11, 14, 26];

/// An error of a database with this name.
pub(super) fn told(name: &str, error: &sqlx::Error) -> StateError {
    use sqlx::Error as E;
    let line = |hint: &str| match error {
        E::Database(said) => format!("state.database: {name}: {}{hint}", said.message()),
        error => format!("state.database: {name}: {error}{hint}"),
    };
    match error {
        E::Database(said) => {
            let code = said.code().unwrap_or_default();
            // The upper bytes of SQLite's codes say more than we need.
            let here = code.parse::<i32>().is_ok_and(|code| TO_BE_MENDED_HERE.contains(&(code & 0xff)));
            if TO_BE_MENDED.contains(&code.as_ref()) {
                StateError::Broken(line("; check user, password, database and rights"))
            } else if here {
                StateError::Broken(line("; check the file, its folder and the rights of this user"))
            } else {
                StateError::Away(line(""))
            }
        }
        E::Configuration(_) | E::Tls(_) => StateError::Broken(line("; check the address")),
        E::Io(_) => StateError::Away(line("; is it running, and is the address right?")),
        E::PoolTimedOut => StateError::Away(line("; no connection was to be had")),
        // What is stored is not what this program stores.
        E::ColumnDecode { .. } | E::Decode(_) => {
            StateError::Broken(line("; restore the database, or name another"))
        }
        _ => StateError::Away(line("")),
    }
}

/// The schema of a database with this name is not ours.
pub(super) fn not_migrated(name: &str, error: MigrateError) -> StateError {
    use MigrateError as M;
    let broken = |what: String| StateError::Broken(format!("state.database: {name}: {what}"));
    match error {
        M::VersionMissing(version) => broken(format!(
            "its schema has version {version}, of a newer kgroot; run that one, or name another database"
        )),
        M::VersionMismatch(version) => broken(format!(
            "version {version} of its schema is not the one of this program; restore the database"
        )),
        M::Dirty(version) => broken(format!(
            "version {version} of its schema is half done; restore the database, or name another"
        )),
        M::Execute(error) | M::ExecuteMigration(error, _) => told(name, &error),
        error => broken(error.to_string()),
    }
}
