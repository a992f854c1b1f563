//! What is planned and what has happened, until somebody has heard of it: one SQLite file.
//!
//! WAL without waiting for the disk: what was written survives the end of the process, however it ends, but not that of
//! the power.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use local_engine::lake::LakeError;
use rusqlite::{Connection, Row, params};
use s3s::{S3Error, S3ErrorCode};

use super::super::error::refuse;
use super::super::sidecar::Description;
use crate::sqlite;

/// The layout of the file. A file of another version is refused.
const VERSION: i64 = 1;

/// The layout. Numbers are never used twice: they are the events' sequencers.
const SCHEMA: &str = "
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT, happened INTEGER NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL,
        cause TEXT NOT NULL, time INTEGER NOT NULL, size INTEGER, modified_nanos INTEGER, description TEXT,
        configuration TEXT NOT NULL, target TEXT NOT NULL
    ) STRICT;
";

const COLUMNS: &str = "number, bucket, key, cause, time, size, modified_nanos, description, configuration, target";

/// Why notifications cannot be kept or set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationError {
    /// SQLite's reason.
    #[error("the file of S3's events cannot be used")]
    Sqlite(#[from] rusqlite::Error),
    /// The file was written by another version of this program.
    #[error("the file of S3's events has the version {found}, and this program knows {VERSION}: move it away")]
    OtherVersion {
        /// Its version.
        found: i64,
    },
    /// An event in the file cannot be read or written.
    #[error("an event in the file of S3's events cannot be read")]
    Damaged(#[from] serde_json::Error),
    /// An object cannot be looked at.
    #[error("an object that an event tells of cannot be looked at")]
    Lake(#[source] LakeError),
    /// What S3 knows of an object cannot be written.
    #[error("the description of an object that an event tells of cannot be written")]
    Sidecar(#[source] io::Error),
    /// An object would be told twice, which S3 refuses.
    #[error("the notifications {first} and {second} overlap: an object may be for both of them")]
    Overlap {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
}

impl From<NotificationError> for S3Error {
    fn from(error: NotificationError) -> Self {
        let mut refusal = refuse(S3ErrorCode::InternalError, error.to_string());
        refusal.set_source(Box::new(error));
        refusal
    }
}

/// A change of an object, planned or done, for one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    /// Its place among all.
    pub(super) number: i64,
    pub(super) bucket: String,
    pub(super) key: String,
    /// `ObjectCreated:Put`
    pub(super) cause: String,
    /// Milliseconds since the epoch.
    pub(super) time: i64,
    /// Size, time of the last write and description of the object; none if it is removed.
    pub(super) size: Option<u64>,
    pub(super) modified_nanos: Option<u64>,
    pub(super) description: Option<Description>,
    pub(super) configuration: String,
    pub(super) target: String,
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Outbox(Arc<Mutex<Connection>>);

impl Outbox {
    pub(super) fn open(path: &Path) -> Result<Self, NotificationError> {
        let opened = sqlite::open(path, VERSION, sqlite::only_new(SCHEMA))?;
        let connection = opened.map_err(|found| NotificationError::OtherVersion { found })?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Writes down what is about to happen, and gives its number.
    pub(super) fn plan(&self, one: &Planned) -> Result<i64, NotificationError> {
        let sql = "INSERT INTO events (happened, bucket, key, cause, time, size, modified_nanos, description, configuration, target)
                   VALUES (0, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let description = one.description.as_ref().map(serde_json::to_string).transpose()?;
        let [size, nanos] = [one.size, one.modified_nanos].map(|number| number.map(u64::cast_signed));
        let Planned { bucket, key, cause, time, configuration, target, .. } = one;
        let values = params![bucket, key, cause, time, size, nanos, description, configuration, target];
        let connection = self.lock();
        connection.prepare_cached(sql)?.execute(values)?;
        Ok(connection.last_insert_rowid())
    }

    /// What was planned did happen.
    pub(super) fn happened(&self, numbers: &[i64]) -> Result<(), NotificationError> {
        self.each("UPDATE events SET happened = 1 WHERE number = ?1", numbers)
    }

    /// Forgets it: it did not happen, or was told.
    pub(super) fn cross_out(&self, numbers: &[i64]) -> Result<(), NotificationError> {
        self.each("DELETE FROM events WHERE number = ?1", numbers)
    }

    /// What is planned, in order.
    pub(super) fn planned(&self) -> Result<Vec<Planned>, NotificationError> {
        self.list(false)
    }

    /// What has happened and was not told yet, in order.
    pub(super) fn to_tell(&self) -> Result<Vec<Planned>, NotificationError> {
        self.list(true)
    }

    fn each(&self, sql: &str, numbers: &[i64]) -> Result<(), NotificationError> {
        let connection = self.lock();
        for number in numbers {
            connection.prepare_cached(sql)?.execute([number])?;
        }
        Ok(())
    }

    fn list(&self, happened: bool) -> Result<Vec<Planned>, NotificationError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE happened = ?1 ORDER BY number");
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows: Vec<(Planned, Option<String>)> = statement.query_map([happened], read)?.collect::<Result<_, _>>()?;
        let described = |(planned, description): (Planned, Option<String>)| {
            let description = description.as_deref().map(serde_json::from_str).transpose()?;
            Ok(Planned { description, ..planned })
        };
        rows.into_iter().map(described).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row, and the text of its description.
fn read(row: &Row<'_>) -> rusqlite::Result<(Planned, Option<String>)> {
    let unsigned = |index| row.get::<_, Option<i64>>(index).map(|number| number.map(i64::cast_unsigned));
    let planned = Planned {
        number: row.get(0)?,
        bucket: row.get(1)?,
        key: row.get(2)?,
        cause: row.get(3)?,
        time: row.get(4)?,
        size: unsigned(5)?,
        modified_nanos: unsigned(6)?,
        description: None,
        configuration: row.get(8)?,
        target: row.get(9)?,
    };
    Ok((planned, row.get(7)?))
}
