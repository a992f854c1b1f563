//! [`Store`]: the `SQLite` file under the catalog.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{CatalogError, Result};

/// Counted up when [`SCHEMA`] changes.
const VERSION: i64 = 1;

/// Documents are Glue's JSON. The keys beside them are what is looked up, kept consistent by the store itself.
const SCHEMA: &str = "
CREATE TABLE databases (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE tables (
    database TEXT NOT NULL REFERENCES databases (name) ON DELETE CASCADE,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (database, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE partitions (
    database TEXT NOT NULL,
    table_name TEXT NOT NULL,
    partition_values TEXT NOT NULL,
    location TEXT,
    descriptor TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (database, table_name, partition_values),
    FOREIGN KEY (database, table_name) REFERENCES tables (database, name) ON DELETE CASCADE ON UPDATE CASCADE
) STRICT, WITHOUT ROWID;
";

/// One connection, used by one caller at a time. Cheap to clone.
#[derive(Clone)]
pub(super) struct Store {
    connection: Arc<Mutex<Connection>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the file, making it when absent.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => {
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            VERSION => {}
            found => return Err(CatalogError::OtherVersion { path: path.to_owned(), found, expected: VERSION }),
        }
        transaction.commit()?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    /// Reads; sees whole changes only.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        // A caller that panicked has left no half change: its transaction was rolled back.
        read(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes all or, on an error, nothing.
    pub(super) fn change<T>(&self, change: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let changed = change(&transaction)?;
        transaction.commit()?;
        Ok(changed)
    }
}

/// The time in epoch seconds, as Glue counts it.
pub(super) fn now() -> f64 {
    // To the millisecond, as Glue tells it: more digits would not survive JSON unchanged.
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    u64::try_from(millis).map_or(0.0, |millis| std::time::Duration::from_millis(millis).as_secs_f64())
}
