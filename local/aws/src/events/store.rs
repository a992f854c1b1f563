//! What SNS would have sent, in one SQLite file.
//!
//! WAL without waiting for the disk: what was written survives the end of the process, however it ends, but not that of
//! the power.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::EventsError;
use crate::sqlite;

/// The layout of the file. A file of another version is refused.
const VERSION: i64 = 1;

/// The layout. E-mail addresses stand one a line.
const SCHEMA: &str = "
    CREATE TABLE notifications (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, time INTEGER NOT NULL, rule TEXT NOT NULL,
        topic_arn TEXT NOT NULL, emails TEXT NOT NULL, subject TEXT NOT NULL, message TEXT NOT NULL
    ) STRICT;
";

/// What SNS would have sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Event, rule and target: the same event is sent once.
    pub id: String,
    /// When.
    pub time: DateTime<Utc>,
    /// The rule that sent it.
    pub rule: String,
    /// The topic.
    pub topic_arn: String,
    /// To whom; none when nobody subscribes.
    pub emails: Vec<String>,
    /// Of the e-mail.
    pub subject: String,
    /// The e-mail's text.
    pub message: String,
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Store(Arc<Mutex<Connection>>);

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, EventsError> {
        let opened = sqlite::open(path, VERSION, sqlite::only_new(SCHEMA))?;
        let connection = opened.map_err(|found| EventsError::OtherVersion { found })?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Writes a notification down, unless it is there.
    pub(super) fn add(&self, one: &Notification) -> Result<(), EventsError> {
        let sql = "INSERT OR IGNORE INTO notifications (id, time, rule, topic_arn, emails, subject, message)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let Notification { id, time, rule, topic_arn, emails, subject, message } = one;
        let values = params![id, time.timestamp_millis(), rule, topic_arn, emails.join("\n"), subject, message];
        self.lock().prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// The latest first.
    pub(super) fn latest(&self, limit: u32) -> Result<Vec<Notification>, EventsError> {
        let sql = "SELECT id, time, rule, topic_arn, emails, subject, message FROM notifications
                   ORDER BY number DESC LIMIT ?1";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let notifications = statement.query_map([limit], notification)?.collect::<Result<_, _>>()?;
        Ok(notifications)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn notification(row: &Row<'_>) -> rusqlite::Result<Notification> {
    let emails: String = row.get(4)?;
    Ok(Notification {
        id: row.get(0)?,
        time: DateTime::from_timestamp_millis(row.get(1)?).unwrap_or_default(),
        rule: row.get(2)?,
        topic_arn: row.get(3)?,
        emails: emails.lines().map(str::to_owned).collect(),
        subject: row.get(5)?,
        message: row.get(6)?,
    })
}
