//! What survives: machines, executions and their events, in one SQLite file.
//!
//! WAL without waiting for the disk: what was written survives the end of the process, however it ends, but not that of
//! the power.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use local_asl::{Event, Outcome};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use crate::{WireError, sqlite};

/// The layout of the file. A file of another version is refused.
const VERSION: i64 = 2;

/// The layout.
const SCHEMA: &str = "
    CREATE TABLE machines (
        arn TEXT PRIMARY KEY, name TEXT NOT NULL, definition TEXT NOT NULL, role_arn TEXT NOT NULL,
        created INTEGER NOT NULL, revision TEXT NOT NULL
    ) STRICT;
    CREATE TABLE executions (
        number INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, name TEXT NOT NULL, machine_arn TEXT NOT NULL,
        definition TEXT NOT NULL, role_arn TEXT NOT NULL, input TEXT NOT NULL, started INTEGER NOT NULL,
        status TEXT NOT NULL, stopped INTEGER
    ) STRICT;
    CREATE INDEX executions_of_machine ON executions (machine_arn, number);
    CREATE TABLE events (
        execution_arn TEXT NOT NULL, id INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (execution_arn, id)
    ) STRICT, WITHOUT ROWID;
";

/// Changes of executions that nobody was told of yet; version 1 did not have them.
const SCHEMA_CHANGES: &str = "
    CREATE TABLE changes (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL, execution_arn TEXT NOT NULL, status TEXT NOT NULL,
        time INTEGER NOT NULL
    ) STRICT;
";

/// The status of an execution without a last event.
pub(super) const RUNNING: &str = "RUNNING";

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatesError {
    /// SQLite's reason.
    #[error("the file of the state machines cannot be used")]
    Sqlite(#[from] rusqlite::Error),
    /// The file was written by another version of this program.
    #[error("the file of the state machines has the version {found}, and this program knows {VERSION}: move it away")]
    OtherVersion {
        /// Its version.
        found: i64,
    },
    /// An event in the file cannot be read.
    #[error("an event in the file of the state machines cannot be read")]
    Damaged(#[from] serde_json::Error),
}

impl From<StatesError> for WireError {
    fn from(error: StatesError) -> Self {
        Self::internal("InternalFailure", error)
    }
}

/// A state machine.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) definition: String,
    pub(super) role_arn: String,
    pub(super) created: DateTime<Utc>,
    pub(super) revision: String,
}

/// An execution, as it was started. How it stands follows from its events; status and end are kept beside them, in the
/// transaction that writes the last event, so that lists need not read events.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    pub(super) number: i64,
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) machine_arn: String,
    pub(super) definition: String,
    pub(super) role_arn: String,
    pub(super) input: String,
    pub(super) started: DateTime<Utc>,
    pub(super) status: String,
    pub(super) stopped: Option<DateTime<Utc>>,
}

/// An execution's new status, which somebody wants to hear of.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) number: i64,
    /// Of the event that tells it.
    pub(super) id: String,
    pub(super) status: String,
    pub(super) time: DateTime<Utc>,
    pub(super) execution: Execution,
}

/// Which executions a list wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExecutionQuery<'q> {
    pub(super) machine_arn: &'q str,
    pub(super) status: Option<&'q str>,
    /// Only those that were started before this one.
    pub(super) before: Option<i64>,
    pub(super) limit: i64,
}

/// Which events a page of a history wants.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventQuery<'q> {
    pub(super) execution_arn: &'q str,
    /// The last id of the page before; that page's end.
    pub(super) after: Option<i64>,
    pub(super) reverse: bool,
    pub(super) limit: i64,
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Store(Arc<Mutex<Connection>>);

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, StatesError> {
        let upgrade = |found| match found {
            0 => Some([SCHEMA, SCHEMA_CHANGES].concat()),
            1 => Some(SCHEMA_CHANGES.to_owned()),
            _ => None,
        };
        let opened = sqlite::open(path, VERSION, upgrade)?;
        let connection = opened.map_err(|found| StatesError::OtherVersion { found })?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    pub(super) fn put_machine(&self, machine: &Machine) -> Result<(), StatesError> {
        let sql = "INSERT OR REPLACE INTO machines VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let Machine { arn, name, definition, role_arn, created, revision } = machine;
        let created = created.timestamp_millis();
        self.lock().prepare_cached(sql)?.execute(params![arn, name, definition, role_arn, created, revision])?;
        Ok(())
    }

    pub(super) fn machine(&self, arn: &str) -> Result<Option<Machine>, StatesError> {
        let sql = "SELECT arn, name, definition, role_arn, created, revision FROM machines WHERE arn = ?1";
        Ok(self.lock().prepare_cached(sql)?.query_row([arn], machine).optional()?)
    }

    pub(super) fn delete_machine(&self, arn: &str) -> Result<(), StatesError> {
        self.lock().execute("DELETE FROM machines WHERE arn = ?1", [arn])?;
        Ok(())
    }

    /// The machines whose names follow `after`, by name.
    pub(super) fn machines(&self, after: &str, limit: i64) -> Result<Vec<Machine>, StatesError> {
        let sql = "SELECT arn, name, definition, role_arn, created, revision FROM machines WHERE name > ?1 ORDER BY name LIMIT ?2";
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let machines = statement.query_map(params![after, limit], machine)?.collect::<Result<_, _>>()?;
        Ok(machines)
    }

    /// Writes a new execution down.
    pub(super) fn add_execution(&self, execution: &Execution) -> Result<(), StatesError> {
        let sql = "INSERT INTO executions (arn, name, machine_arn, definition, role_arn, input, started, status)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let Execution { arn, name, machine_arn, definition, role_arn, input, started, status, .. } = execution;
        let started = started.timestamp_millis();
        let row = params![arn, name, machine_arn, definition, role_arn, input, started, status];
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.prepare_cached(sql)?.execute(row)?;
        note(&transaction, arn, status, started)?;
        transaction.commit()?;
        Ok(())
    }

    pub(super) fn execution(&self, arn: &str) -> Result<Option<Execution>, StatesError> {
        let sql = format!("{SELECT_EXECUTION} WHERE arn = ?1");
        Ok(self.lock().prepare_cached(&sql)?.query_row([arn], execution).optional()?)
    }

    /// The latest first.
    pub(super) fn executions(&self, query: ExecutionQuery<'_>) -> Result<Vec<Execution>, StatesError> {
        let sql = format!(
            "{SELECT_EXECUTION} WHERE machine_arn = ?1 AND (?2 IS NULL OR status = ?2) AND (?3 IS NULL OR number < ?3)
             ORDER BY number DESC LIMIT ?4"
        );
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let values = params![query.machine_arn, query.status, query.before, query.limit];
        let executions = statement.query_map(values, execution)?.collect::<Result<_, _>>()?;
        Ok(executions)
    }

    /// Every execution, of whatever machine, that has not ended.
    pub(super) fn unfinished(&self) -> Result<Vec<Execution>, StatesError> {
        let connection = self.lock();
        let mut statement = connection.prepare(&format!("{SELECT_EXECUTION} WHERE status = ?1"))?;
        let executions = statement.query_map([RUNNING], execution)?.collect::<Result<_, _>>()?;
        Ok(executions)
    }

    /// Writes an event down; the last one together with the status that follows from it.
    pub(super) fn append(&self, execution_arn: &str, event: &Event) -> Result<(), StatesError> {
        let text = serde_json::to_string(event)?;
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3)")?.execute(params![
            execution_arn,
            id(event),
            text
        ])?;
        if let Some(outcome) = Outcome::of(std::slice::from_ref(event)) {
            transaction
                .prepare_cached("UPDATE executions SET status = ?2, stopped = ?3 WHERE arn = ?1")?
                .execute(params![execution_arn, outcome.status(), event.timestamp.timestamp_millis()])?;
            note(&transaction, execution_arn, outcome.status(), event.timestamp.timestamp_millis())?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The changes that nobody was told of yet, in order.
    pub(super) fn changes(&self) -> Result<Vec<Change>, StatesError> {
        let sql = format!(
            "SELECT e.*, c.number, c.id, c.status, c.time FROM changes c JOIN ({SELECT_EXECUTION}) e ON e.arn = c.execution_arn
             ORDER BY c.number"
        );
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&sql)?;
        let changes = statement.query_map([], change)?.collect::<Result<_, _>>()?;
        Ok(changes)
    }

    /// The change was told.
    pub(super) fn cross_out(&self, change: &Change) -> Result<(), StatesError> {
        self.lock().prepare_cached("DELETE FROM changes WHERE number = ?1")?.execute([change.number])?;
        Ok(())
    }

    pub(super) fn events(&self, query: EventQuery<'_>) -> Result<Vec<Event>, StatesError> {
        let sql = if query.reverse {
            "SELECT event FROM events WHERE execution_arn = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT ?3"
        } else {
            "SELECT event FROM events WHERE execution_arn = ?1 AND (?2 IS NULL OR id > ?2) ORDER BY id LIMIT ?3"
        };
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![query.execution_arn, query.after, query.limit], |row| row.get(0))?;
        let texts: Vec<String> = rows.collect::<Result<_, _>>()?;
        Ok(texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>()?)
    }

    pub(super) fn last_event(&self, execution_arn: &str) -> Result<Option<Event>, StatesError> {
        let last = self.events(EventQuery { execution_arn, after: None, reverse: true, limit: 1 })?;
        Ok(last.into_iter().next())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const SELECT_EXECUTION: &str =
    "SELECT number, arn, name, machine_arn, definition, role_arn, input, started, status, stopped FROM executions";

/// SQLite's whole numbers are signed; a history ends long before that matters.
fn id(event: &Event) -> i64 {
    i64::try_from(event.id).unwrap_or(i64::MAX)
}

fn machine(row: &Row<'_>) -> rusqlite::Result<Machine> {
    Ok(Machine {
        arn: row.get(0)?,
        name: row.get(1)?,
        definition: row.get(2)?,
        role_arn: row.get(3)?,
        created: time(row.get(4)?),
        revision: row.get(5)?,
    })
}

fn execution(row: &Row<'_>) -> rusqlite::Result<Execution> {
    Ok(Execution {
        number: row.get(0)?,
        arn: row.get(1)?,
        name: row.get(2)?,
        machine_arn: row.get(3)?,
        definition: row.get(4)?,
        role_arn: row.get(5)?,
        input: row.get(6)?,
        started: time(row.get(7)?),
        status: row.get(8)?,
        stopped: row.get::<_, Option<i64>>(9)?.map(time),
    })
}

/// Writes a change down, to be told.
fn note(connection: &Connection, execution_arn: &str, status: &str, time: i64) -> Result<(), StatesError> {
    let sql = "INSERT INTO changes (id, execution_arn, status, time) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![Uuid::new_v4().to_string(), execution_arn, status, time])?;
    Ok(())
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    Ok(Change {
        execution: execution(row)?,
        number: row.get(10)?,
        id: row.get(11)?,
        status: row.get(12)?,
        time: time(row.get(13)?),
    })
}

fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}
