//! How each service opens the one file that it keeps things in.

use std::path::Path;

use rusqlite::Connection;

/// A connection that survives kill -9 of the process. A power cut it need not survive, so nothing is synced.
pub(crate) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    Ok(connection)
}

/// Opens the file in the form of `version`. A file of another one (0 is a new file) is brought there by the statements that
/// `upgrade` gives for it, in one transaction; if it gives none, the version that was found is the answer.
pub(crate) fn open(
    path: &Path,
    version: i64,
    upgrade: impl FnOnce(i64) -> Option<String>,
) -> rusqlite::Result<Result<Connection, i64>> {
    let connection = connect(path)?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found != version {
        let Some(statements) = upgrade(found) else { return Ok(Err(found)) };
        connection.execute_batch(&format!("BEGIN; {statements} PRAGMA user_version = {version}; COMMIT;"))?;
    }
    Ok(Ok(connection))
}

/// The upgrade of a file that has had one form only: a new one gets the schema.
pub(crate) fn only_new(schema: &str) -> impl FnOnce(i64) -> Option<String> {
    move |found| (found == 0).then(|| schema.to_owned())
}
