//! The store: queries, request tokens and workgroups, in one `SQLite` file.
//!
//! Nothing is synced to the disk: what is written survives the death of the process, not a power failure.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::query::Query;
use crate::sqlite;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("query store: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("query store holds a damaged document: {0}")]
    Damaged(#[from] serde_json::Error),
}

type Result<T> = std::result::Result<T, StoreError>;

#[derive(Debug)]
pub(super) struct Store {
    connection: Mutex<Connection>,
}

/// What became of a request to start a query.
#[derive(Debug, PartialEq)]
pub(super) enum Started {
    New,
    /// The same request came before, and started this query.
    Before {
        id: String,
    },
    /// The token came before with another request.
    Mismatch,
}

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queries (
        sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, workgroup TEXT NOT NULL, ended INTEGER NOT NULL,
        document TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS queries_by_workgroup ON queries (workgroup, sequence);
    CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, query TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS workgroups (name TEXT PRIMARY KEY, document TEXT NOT NULL);";

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let connection = sqlite::connect(path)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A transaction that a panic cut short was rolled back when it was dropped.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the token started before, if anything: `fingerprint` tells requests apart.
    pub(super) fn find_token(&self, token: &str, fingerprint: &str) -> Result<Started> {
        find_token(&self.connection(), token, fingerprint)
    }

    /// Keeps a new query, unless its token started one before: check and write are one transaction.
    pub(super) fn insert(&self, query: &Query, token: &str, fingerprint: &str) -> Result<Started> {
        let mut connection = self.connection();
        let tx = connection.transaction()?;
        let started = find_token(&tx, token, fingerprint)?;
        if started == Started::New {
            let insert = "INSERT INTO queries (id, workgroup, ended, document) VALUES (?1, ?2, 0, ?3)";
            tx.execute(insert, params![query.id, query.workgroup, serde_json::to_string(query)?])?;
            let insert = "INSERT INTO tokens (token, fingerprint, query) VALUES (?1, ?2, ?3)";
            tx.execute(insert, params![token, fingerprint, query.id])?;
            tx.commit()?;
        }
        Ok(started)
    }

    /// Replaces what is kept of a query.
    pub(super) fn update(&self, query: &Query) -> Result<()> {
        let connection = self.connection();
        let mut update = connection.prepare_cached("UPDATE queries SET ended = ?2, document = ?3 WHERE id = ?1")?;
        update.execute(params![query.id, query.state.is_final(), serde_json::to_string(query)?])?;
        Ok(())
    }

    pub(super) fn query(&self, id: &str) -> Result<Option<Query>> {
        document(&self.connection(), "SELECT document FROM queries WHERE id = ?1", id)
    }

    /// Queries that have not ended.
    pub(super) fn unfinished(&self) -> Result<Vec<Query>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT document FROM queries WHERE ended = 0")?;
        let documents = statement.query_map([], |row| row.get::<_, String>(0))?;
        documents.map(|document| Ok(serde_json::from_str(&document?)?)).collect()
    }

    /// Ids of a workgroup's queries, the newest first, with their places in the order; those before `before`.
    pub(super) fn ids(&self, workgroup: &str, before: i64, limit: usize) -> Result<Vec<(i64, String)>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT sequence, id FROM queries WHERE workgroup = ?1 AND sequence < ?2 ORDER BY sequence DESC LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![workgroup, before, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn workgroup<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        document(&self.connection(), "SELECT document FROM workgroups WHERE name = ?1", name)
    }

    pub(super) fn workgroups<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT document FROM workgroups ORDER BY name")?;
        let documents = statement.query_map([], |row| row.get::<_, String>(0))?;
        documents.map(|document| Ok(serde_json::from_str(&document?)?)).collect()
    }

    pub(super) fn put_workgroup(&self, name: &str, workgroup: &impl Serialize) -> Result<()> {
        let put = "INSERT OR REPLACE INTO workgroups (name, document) VALUES (?1, ?2)";
        self.connection().execute(put, params![name, serde_json::to_string(workgroup)?])?;
        Ok(())
    }

    pub(super) fn delete_workgroup(&self, name: &str) -> Result<bool> {
        Ok(self.connection().execute("DELETE FROM workgroups WHERE name = ?1", [name])? > 0)
    }
}

fn find_token(connection: &Connection, token: &str, fingerprint: &str) -> Result<Started> {
    let mut statement = connection.prepare_cached("SELECT fingerprint, query FROM tokens WHERE token = ?1")?;
    let found: Option<(String, String)> =
        statement.query_row([token], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(match found {
        None => Started::New,
        Some((found, id)) if found == fingerprint => Started::Before { id },
        Some(_) => Started::Mismatch,
    })
}

fn document<T: DeserializeOwned>(connection: &Connection, sql: &str, key: &str) -> Result<Option<T>> {
    let text: Option<String> = connection.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}
