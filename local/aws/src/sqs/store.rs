//! What survives: queues and their messages, in one SQLite file. Times are milliseconds since the epoch.
//!
//! WAL without waiting for the disk: what was written survives the end of the process, however it ends, but not that of
//! the power.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::QueueSpec;
use crate::sqlite;

/// The layout of the file. A file of another version is refused.
const VERSION: i64 = 1;

/// The layout.
const SCHEMA: &str = "
    CREATE TABLE queues (
        name TEXT PRIMARY KEY, visibility INTEGER NOT NULL, retention INTEGER NOT NULL, delay INTEGER NOT NULL,
        wait INTEGER NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE messages (
        number INTEGER PRIMARY KEY, queue TEXT NOT NULL, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
        sent INTEGER NOT NULL, visible INTEGER NOT NULL, receipt TEXT, receives INTEGER NOT NULL,
        first_received INTEGER
    ) STRICT;
    CREATE INDEX messages_of_queue ON messages (queue, visible, number);
";

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqsError {
    /// SQLite's reason.
    #[error("the file of the queues cannot be used")]
    Sqlite(#[from] rusqlite::Error),
    /// The file was written by another version of this program.
    #[error("the file of the queues has the version {found}, and this program knows {VERSION}: move it away")]
    OtherVersion {
        /// Its version.
        found: i64,
    },
}

/// How many messages a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready to be received.
    pub visible: u64,
    /// Received, and not deleted yet.
    pub in_flight: u64,
    /// Sent with a delay that has not passed.
    pub delayed: u64,
}

/// A queue and when it was made and changed.
#[derive(Debug, Clone)]
pub(super) struct QueueRecord {
    pub(super) spec: QueueSpec,
    pub(super) created: i64,
    pub(super) modified: i64,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) body: String,
    pub(super) sent: i64,
    /// What its latest receiver deletes it by.
    pub(super) receipt: Option<String>,
    pub(super) receives: i64,
    pub(super) first_received: Option<i64>,
}

/// What a receiver wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receive<'q> {
    pub(super) queue: &'q str,
    pub(super) limit: i64,
    pub(super) now: i64,
    /// When others may receive the same messages.
    pub(super) hidden_until: i64,
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Store(Arc<Mutex<Connection>>);

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, SqsError> {
        let opened = sqlite::open(path, VERSION, sqlite::only_new(SCHEMA))?;
        let connection = opened.map_err(|found| SqsError::OtherVersion { found })?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    pub(super) fn put_queue(&self, queue: &QueueSpec, now: i64) -> Result<(), SqsError> {
        let sql = "INSERT INTO queues VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (name) DO UPDATE
                   SET visibility = ?2, retention = ?3, delay = ?4, wait = ?5, modified = ?6
                   WHERE (visibility, retention, delay, wait) <> (?2, ?3, ?4, ?5)";
        let QueueSpec { name, visibility_timeout, retention, delay, receive_wait } = queue;
        let [visibility, retention, delay, wait] = [visibility_timeout, retention, delay, receive_wait].map(seconds);
        self.lock().prepare_cached(sql)?.execute(params![name, visibility, retention, delay, wait, now])?;
        Ok(())
    }

    pub(super) fn queue_record(&self, name: &str) -> Result<Option<QueueRecord>, SqsError> {
        let sql = "SELECT name, visibility, retention, delay, wait, created, modified FROM queues WHERE name = ?1";
        Ok(self.lock().prepare_cached(sql)?.query_row([name], record).optional()?)
    }

    pub(super) fn queue(&self, name: &str) -> Result<Option<QueueSpec>, SqsError> {
        Ok(self.queue_record(name)?.map(|record| record.spec))
    }

    /// By name.
    pub(super) fn queue_names(&self) -> Result<Vec<String>, SqsError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT name FROM queues ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(names)
    }

    /// Writes a new message down; it can be received from `visible` on.
    pub(super) fn add(&self, queue: &str, message: &Message, visible: i64) -> Result<(), SqsError> {
        let sql = "INSERT INTO messages (queue, id, body, sent, visible, receives) VALUES (?1, ?2, ?3, ?4, ?5, 0)";
        let values = params![queue, message.id, message.body, message.sent, visible];
        self.lock().prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// Takes the oldest messages that are ready, and hides them from others.
    pub(super) fn receive(&self, wanted: &Receive<'_>) -> Result<Vec<Message>, SqsError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        expire(&transaction, wanted.queue, wanted.now)?;
        let ready = "SELECT id FROM messages WHERE queue = ?1 AND visible <= ?2 ORDER BY number LIMIT ?3";
        let ids: Vec<String> = transaction
            .prepare_cached(ready)?
            .query_map(params![wanted.queue, wanted.now, wanted.limit], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let take = "UPDATE messages SET visible = ?2, receipt = ?3, receives = receives + 1,
                    first_received = coalesce(first_received, ?4) WHERE id = ?1
                    RETURNING id, body, sent, receipt, receives, first_received";
        let mut messages = Vec::with_capacity(ids.len());
        for id in ids {
            let values = params![id, wanted.hidden_until, Uuid::new_v4().to_string(), wanted.now];
            messages.push(transaction.prepare_cached(take)?.query_row(values, message)?);
        }
        transaction.commit()?;
        Ok(messages)
    }

    /// Whether there was such a message.
    pub(super) fn delete(&self, queue: &str, receipt: &str) -> Result<bool, SqsError> {
        let sql = "DELETE FROM messages WHERE queue = ?1 AND receipt = ?2";
        Ok(self.lock().prepare_cached(sql)?.execute([queue, receipt])? > 0)
    }

    /// Hides a received message until another time, and says whether it was hidden at all.
    pub(super) fn hide(&self, queue: &str, receipt: &str, now: i64, until: i64) -> Result<bool, SqsError> {
        let sql = "UPDATE messages SET visible = ?4 WHERE queue = ?1 AND receipt = ?2 AND visible > ?3";
        Ok(self.lock().prepare_cached(sql)?.execute(params![queue, receipt, now, until])? > 0)
    }

    /// Removes every message and says how many there were.
    pub(super) fn purge(&self, queue: &str) -> Result<usize, SqsError> {
        Ok(self.lock().execute("DELETE FROM messages WHERE queue = ?1", [queue])?)
    }

    pub(super) fn depth(&self, queue: &str, now: i64) -> Result<Depth, SqsError> {
        let sql = "SELECT count(*) FILTER (WHERE visible <= ?2), count(*) FILTER (WHERE visible > ?2 AND receives > 0),
                   count(*) FILTER (WHERE visible > ?2 AND receives = 0) FROM messages WHERE queue = ?1";
        let connection = self.lock();
        expire(&connection, queue, now)?;
        Ok(connection.prepare_cached(sql)?.query_row(params![queue, now], |row| {
            let count = |index| row.get::<_, u32>(index).map(u64::from);
            Ok(Depth { visible: count(0)?, in_flight: count(1)?, delayed: count(2)? })
        })?)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut short was rolled back when it was dropped.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the messages that are older than their queue keeps them.
fn expire(connection: &Connection, queue: &str, now: i64) -> Result<(), SqsError> {
    let sql = "DELETE FROM messages WHERE queue = ?1
               AND sent + 1000 * (SELECT retention FROM queues WHERE name = ?1) <= ?2";
    connection.prepare_cached(sql)?.execute(params![queue, now])?;
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<QueueRecord> {
    let duration = |index| row.get::<_, u32>(index).map(|seconds| Duration::from_secs(seconds.into()));
    let spec = QueueSpec {
        name: row.get(0)?,
        visibility_timeout: duration(1)?,
        retention: duration(2)?,
        delay: duration(3)?,
        receive_wait: duration(4)?,
    };
    Ok(QueueRecord { spec, created: row.get(5)?, modified: row.get(6)? })
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        body: row.get(1)?,
        sent: row.get(2)?,
        receipt: row.get(3)?,
        receives: row.get(4)?,
        first_received: row.get(5)?,
    })
}

fn seconds(duration: &Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
