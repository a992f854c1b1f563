//! What survives: events that wait, run, or have ended and were not told yet, in one SQLite file; and the last failures.
//! Times are milliseconds since the epoch.
//!
//! WAL without waiting for the disk: what was written survives the end of the process, however it ends, but not that of
//! the power.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Value, json};

use super::super::LambdaError;
use crate::sqlite;

/// The layout of the file. A file of another version is refused.
pub(in crate::lambda) const VERSION: i64 = 1;

/// The layout.
const SCHEMA: &str = "
    CREATE TABLE events (
        number INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL UNIQUE, function TEXT NOT NULL,
        payload BLOB NOT NULL, accepted INTEGER NOT NULL, due INTEGER NOT NULL, running INTEGER NOT NULL,
        attempts INTEGER NOT NULL, response BLOB, failed INTEGER NOT NULL, condition TEXT, ended INTEGER NOT NULL,
        former INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX events_of_function ON events (function, running, due);
    CREATE TABLE failures (number INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
";

const COLUMNS: &str = "number, request_id, function, payload, accepted, due, running, attempts, response, failed, condition, ended, former";

/// How many events that were given up are remembered.
const FAILURES: i64 = 1000;

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) number: i64,
    pub(super) request_id: String,
    pub(super) function: String,
    pub(super) payload: Bytes,
    pub(super) accepted: i64,
    pub(super) due: i64,
    pub(super) running: bool,
    /// How often the function ended, well or not.
    pub(super) attempts: u32,
    /// What it answered last.
    pub(super) response: Option<Bytes>,
    /// Whether that is an error.
    pub(super) failed: bool,
    /// How it ended for good, and when.
    pub(super) condition: Option<String>,
    pub(super) ended: i64,
    /// Whether it had ended before this process began.
    pub(super) of_former_process: bool,
}

impl Event {
    /// For people and programs that ask what waits.
    pub(super) fn described(&self) -> Value {
        let time = |millis| DateTime::from_timestamp_millis(millis).unwrap_or_default();
        let text = |millis| time(millis).to_rfc3339_opts(SecondsFormat::Millis, true);
        let status = match (self.running, &self.condition) {
            (_, Some(_)) => "ENDED",
            (true, None) => "RUNNING",
            (false, None) => "WAITING",
        };
        json!({
            "RequestId": self.request_id,
            "Function": self.function,
            "Status": status,
            "Accepted": text(self.accepted),
            "Due": text(self.due),
            "Attempts": self.attempts,
            "Payload": serde_json::from_slice::<Value>(&self.payload).unwrap_or_default(),
            "Response": self.response.as_deref().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok()),
        })
    }
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::lambda) struct Store(Arc<Mutex<Connection>>);

impl Store {
    /// Opens the file. What ran when the former process ended is due again.
    pub(in crate::lambda) fn open(path: &Path) -> Result<Self, LambdaError> {
        let opened = sqlite::open(path, VERSION, sqlite::only_new(SCHEMA))?;
        let connection = opened.map_err(|found| LambdaError::OtherVersion { found })?;
        connection.execute("UPDATE events SET running = 0, former = condition IS NOT NULL", [])?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Writes a new event down, due now.
    pub(super) fn add(&self, id: &str, function: &str, payload: &Bytes, now: i64) -> Result<(), LambdaError> {
        let sql = "INSERT INTO events (request_id, function, payload, accepted, due, running, attempts, failed, ended, former)
                   VALUES (?1, ?2, ?3, ?4, ?4, 0, 0, 0, 0, 0)";
        self.lock().prepare_cached(sql)?.execute(params![id, function, payload.as_ref(), now])?;
        Ok(())
    }

    /// The event of a function that has been due longest; it runs from now on.
    pub(super) fn take(&self, function: &str, now: i64) -> Result<Option<Event>, LambdaError> {
        let sql = format!(
            "UPDATE events SET running = 1 WHERE number = (
                SELECT number FROM events WHERE function = ?1 AND running = 0 AND condition IS NULL AND due <= ?2
                ORDER BY due, number LIMIT 1)
             RETURNING {COLUMNS}"
        );
        Ok(self.lock().prepare_cached(&sql)?.query_row(params![function, now], event).optional()?)
    }

    /// When the next event of a function is due.
    pub(super) fn next_due(&self, function: &str) -> Result<Option<i64>, LambdaError> {
        let sql = "SELECT min(due) FROM events WHERE function = ?1 AND running = 0 AND condition IS NULL";
        Ok(self.lock().prepare_cached(sql)?.query_row([function], |row| row.get(0))?)
    }

    /// It did not go well, and is tried again later.
    pub(super) fn put_back(&self, event: &Event, due: i64) -> Result<(), LambdaError> {
        let sql =
            "UPDATE events SET running = 0, due = ?2, attempts = ?3, response = ?4, failed = ?5 WHERE number = ?1";
        let values = params![event.number, due, event.attempts, event.response.as_deref(), event.failed];
        self.lock().prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// It has ended; whoever is to be told was not told yet.
    pub(super) fn end(&self, event: &Event) -> Result<(), LambdaError> {
        let sql = "UPDATE events SET running = 0, attempts = ?2, response = ?3, failed = ?4, condition = ?5, ended = ?6
                   WHERE number = ?1";
        let Event { number, attempts, response, failed, condition, ended, .. } = event;
        let values = params![number, attempts, response.as_deref(), failed, condition, ended];
        self.lock().prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// The events of a function that have ended.
    pub(super) fn ended(&self, function: &str) -> Result<Vec<Event>, LambdaError> {
        self.list("function = ?1 AND condition IS NOT NULL", &[function])
    }

    /// All that are there, the oldest first.
    pub(super) fn waiting(&self) -> Result<Vec<Event>, LambdaError> {
        self.list("true", &[])
    }

    /// Everybody was told. The record of a failure is remembered for a while.
    pub(super) fn forget(&self, event: &Event, failure: Option<&str>) -> Result<(), LambdaError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM events WHERE number = ?1", [event.number])?;
        if let Some(record) = failure {
            transaction.execute("INSERT OR REPLACE INTO failures VALUES (?1, ?2)", params![event.number, record])?;
            let oldest = "SELECT number FROM failures ORDER BY number DESC LIMIT 1 OFFSET ?1";
            transaction.execute(&format!("DELETE FROM failures WHERE number <= ({oldest})"), [FAILURES])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The records of the last failures, the latest first.
    pub(super) fn failures(&self) -> Result<Vec<String>, LambdaError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT record FROM failures ORDER BY number DESC")?;
        let records = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(records)
    }

    fn list(&self, condition: &str, values: &[&str]) -> Result<Vec<Event>, LambdaError> {
        let sql = format!("SELECT {COLUMNS} FROM events WHERE {condition} ORDER BY number");
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let events = statement.query_map(rusqlite::params_from_iter(values), event)?.collect::<Result<_, _>>()?;
        Ok(events)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut short was rolled back when it was dropped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        number: row.get(0)?,
        request_id: row.get(1)?,
        function: row.get(2)?,
        payload: row.get::<_, Vec<u8>>(3)?.into(),
        accepted: row.get(4)?,
        due: row.get(5)?,
        running: row.get(6)?,
        attempts: row.get(7)?,
        response: row.get::<_, Option<Vec<u8>>>(8)?.map(Bytes::from),
        failed: row.get(9)?,
        condition: row.get(10)?,
        ended: row.get(11)?,
        of_former_process: row.get(12)?,
    })
}
