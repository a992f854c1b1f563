//! Databases, tables and partitions in Glue's own shapes, durable through kill -9.
//!
//! One `SQLite` file. Every change is one transaction; nothing is synced to the disk, so a power failure (not the death
//! of the process) may lose the last changes. Names of databases and tables are folded to lower case, as Glue does.
//!
//! Every call blocks, though briefly; asynchronous callers use `spawn_blocking`.

mod asking;
mod error;
mod model;
mod partitions;
mod store;

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

pub use error::{CatalogError, Result};
pub use model::*;
pub use partitions::PartitionError;
use store::{Store, now};

use crate::access::{Access, needs};
use asking::ANY;

/// The catalog. Cheap to clone; every change is one transaction.
#[derive(Debug, Clone)]
pub struct Catalog {
    store: Store,
    /// Asked before everything, when this handle acts for a caller.
    access: Option<Arc<dyn Access>>,
}

impl Catalog {
    /// Opens (and makes) the store.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { store: Store::open(path)?, access: None })
    }

    /// Adds a database.
    ///
    /// # Errors
    /// [`CatalogError::AlreadyExists`], [`CatalogError::InvalidInput`].
    pub fn create_database(&self, mut database: Database) -> Result<()> {
        database.name = folded(&database.name)?;
        self.ask_database(needs::CREATE_DATABASE, &database.name)?;
        database.create_time = Some(now());
        let document = serde_json::to_string(&database)?;
        self.store.change(|tx| {
            let insert = "INSERT INTO databases (name, document) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            match tx.execute(insert, params![database.name, document])? {
                0 => Err(CatalogError::AlreadyExists { entity: format!("Database {}", database.name) }),
                _ => Ok(()),
            }
        })
    }

    /// One database.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn get_database(&self, name: &str) -> Result<Database> {
        let name = name.to_lowercase();
        self.ask_database(needs::FIND_DATABASE, &name)?;
        self.store.read(|connection| require_database(connection, &name))
    }

    /// Every database, by name.
    pub fn list_databases(&self) -> Result<Vec<Database>> {
        self.ask_database(&["glue:GetDatabases"], ANY)?;
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT document FROM databases ORDER BY name")?;
            let documents = statement.query_map([], |row| row.get::<_, String>(0))?;
            documents.map(|document| Ok(serde_json::from_str(&document?)?)).collect()
        })
    }

    /// Replaces a database's description, location and parameters. Its name stays.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn update_database(&self, name: &str, mut database: Database) -> Result<()> {
        database.name = name.to_lowercase();
        self.ask_database(&["glue:UpdateDatabase"], &database.name)?;
        self.store.change(|tx| {
            database.create_time = require_database(tx, &database.name)?.create_time;
            let document = serde_json::to_string(&database)?;
            tx.execute("UPDATE databases SET document = ?2 WHERE name = ?1", params![database.name, document])?;
            Ok(())
        })
    }

    /// Removes a database with the entries of its tables and partitions. No data is touched.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn delete_database(&self, name: &str) -> Result<()> {
        let name = name.to_lowercase();
        self.ask_database(needs::DROP_DATABASE, &name)?;
        self.ask_table(needs::DROP_TABLES, &name, ANY)?;
        self.store.change(|tx| match tx.execute("DELETE FROM databases WHERE name = ?1", [&name])? {
            0 => Err(no_database(&name)),
            _ => Ok(()),
        })
    }

    /// Adds a table, as version `"0"`.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] (the database), [`CatalogError::AlreadyExists`], [`CatalogError::InvalidInput`].
    pub fn create_table(&self, database: &str, mut table: Table) -> Result<Table> {
        table.database_name = database.to_lowercase();
        table.name = folded(&table.name)?;
        self.ask_table(needs::CREATE_TABLE, &table.database_name, &table.name)?;
        table.create_time = Some(now());
        table.update_time = table.create_time;
        table.version_id = Some("0".to_owned());
        let document = serde_json::to_string(&table)?;
        self.store.change(|tx| {
            require_database(tx, &table.database_name)?;
            let insert = "INSERT INTO tables (database, name, version, document) VALUES (?1, ?2, 0, ?3) \
                          ON CONFLICT DO NOTHING";
            match tx.execute(insert, params![table.database_name, table.name, document])? {
                0 => Err(CatalogError::AlreadyExists { entity: format!("Table {}", table.name) }),
                _ => Ok(()),
            }
        })?;
        Ok(table)
    }

    /// One table.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]: the database or the table.
    pub fn get_table(&self, database: &str, name: &str) -> Result<Table> {
        let (database, name) = (database.to_lowercase(), name.to_lowercase());
        self.ask_table(needs::FIND_TABLE, &database, &name)?;
        self.store.read(|connection| require_table(connection, &database, &name))
    }

    /// Every table of a database, by name.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]: the database.
    pub fn list_tables(&self, database: &str) -> Result<Vec<Table>> {
        let database = database.to_lowercase();
        self.ask_table(needs::FIND_TABLES, &database, ANY)?;
        self.store.read(|connection| {
            require_database(connection, &database)?;
            let query = "SELECT document FROM tables WHERE database = ?1 ORDER BY name";
            let mut statement = connection.prepare_cached(query)?;
            let documents = statement.query_map([&database], |row| row.get::<_, String>(0))?;
            documents.map(|document| Ok(serde_json::from_str(&document?)?)).collect()
        })
    }

    /// Replaces a table's entry, whole, and counts its version up. With `expected_version`, only if that is still the
    /// current one: this compare-and-swap is what Iceberg commits and the output swap stand on.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::ConcurrentModification`].
    pub fn update_table(&self, database: &str, mut table: Table, expected_version: Option<&str>) -> Result<Table> {
        table.database_name = database.to_lowercase();
        table.name = folded(&table.name)?;
        self.ask_table(&["glue:UpdateTable"], &table.database_name, &table.name)?;
        self.store.change(|tx| {
            let current = require_table(tx, &table.database_name, &table.name)?;
            let version = next_version(&current, expected_version)?;
            table.create_time = current.create_time;
            table.update_time = Some(now());
            table.version_id = Some(version.to_string());
            let document = serde_json::to_string(&table)?;
            let update = "UPDATE tables SET version = ?3, document = ?4 WHERE database = ?1 AND name = ?2";
            tx.execute(update, params![table.database_name, table.name, version, document])?;
            Ok(())
        })?;
        Ok(table)
    }

    /// Gives a table another name, or moves it to another database, with its partitions. No data is touched.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`] (the table or the new database), [`CatalogError::AlreadyExists`],
    /// [`CatalogError::ConcurrentModification`].
    pub fn rename_table(&self, old: (&str, &str), new: (&str, &str), expected_version: Option<&str>) -> Result<Table> {
        let (old_database, old_name) = (old.0.to_lowercase(), old.1.to_lowercase());
        let (database, name) = (new.0.to_lowercase(), folded(new.1)?);
        self.ask_table(&["glue:UpdateTable"], &old_database, &old_name)?;
        self.ask_table(&["glue:CreateTable"], &database, &name)?;
        self.store.change(|tx| {
            let mut table = require_table(tx, &old_database, &old_name)?;
            require_database(tx, &database)?;
            if find_table(tx, &database, &name)?.is_some() {
                return Err(CatalogError::AlreadyExists { entity: format!("Table {name}") });
            }
            let version = next_version(&table, expected_version)?;
            table.database_name.clone_from(&database);
            table.name.clone_from(&name);
            table.update_time = Some(now());
            table.version_id = Some(version.to_string());
            let document = serde_json::to_string(&table)?;
            let update = "UPDATE tables SET database = ?3, name = ?4, version = ?5, document = ?6 \
                          WHERE database = ?1 AND name = ?2";
            tx.execute(update, params![old_database, old_name, database, name, version, document])?;
            Ok(table)
        })
    }

    /// Removes the entry of a table and its partitions. No data is touched.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`].
    pub fn delete_table(&self, database: &str, name: &str) -> Result<()> {
        let (database, name) = (database.to_lowercase(), name.to_lowercase());
        self.ask_table(&["glue:DeleteTable"], &database, &name)?;
        self.store.change(|tx| {
            require_database(tx, &database)?;
            match tx.execute("DELETE FROM tables WHERE database = ?1 AND name = ?2", [&database, &name])? {
                0 => Err(no_table(&name)),
                _ => Ok(()),
            }
        })
    }
}

/// Lower case, and a name that Glue takes.
/// Source: <https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html>
fn folded(name: &str) -> Result<String> {
    const LONGEST: usize = 255;
    if name.is_empty() || name.len() > LONGEST || name.chars().any(char::is_control) {
        let message = format!("the name {name:?} must have 1 to {LONGEST} bytes and no control characters");
        return Err(CatalogError::InvalidInput { message });
    }
    Ok(name.to_lowercase())
}

fn no_database(name: &str) -> CatalogError {
    CatalogError::NotFound { entity: format!("Database {name}") }
}

fn no_table(name: &str) -> CatalogError {
    CatalogError::NotFound { entity: format!("Table {name}") }
}

fn require_database(connection: &Connection, name: &str) -> Result<Database> {
    let mut statement = connection.prepare_cached("SELECT document FROM databases WHERE name = ?1")?;
    let document: Option<String> = statement.query_row([name], |row| row.get(0)).optional()?;
    Ok(serde_json::from_str(&document.ok_or_else(|| no_database(name))?)?)
}

fn find_table(connection: &Connection, database: &str, name: &str) -> Result<Option<Table>> {
    let query = "SELECT document FROM tables WHERE database = ?1 AND name = ?2";
    let document: Option<String> =
        connection.prepare_cached(query)?.query_row([database, name], |row| row.get(0)).optional()?;
    Ok(document.map(|document| serde_json::from_str(&document)).transpose()?)
}

fn require_table(connection: &Connection, database: &str, name: &str) -> Result<Table> {
    match find_table(connection, database, name)? {
        Some(table) => Ok(table),
        None => Err(require_database(connection, database).err().unwrap_or_else(|| no_table(name))),
    }
}

/// The version after the current one, if the current one is the expected one.
fn next_version(current: &Table, expected: Option<&str>) -> Result<i64> {
    let version = current.version_id.as_deref().unwrap_or("0");
    if let Some(expected) = expected.filter(|expected| *expected != version) {
        let message = format!(
            "Update table failed due to concurrent modifications: {}.{} is at version {version}, not {expected}",
            current.database_name, current.name
        );
        return Err(CatalogError::ConcurrentModification { message });
    }
    let number: i64 = version.parse().map_err(|_| CatalogError::InvalidInput {
        message: format!("the version {version:?} of {}.{} is not a number", current.database_name, current.name),
    })?;
    Ok(number + 1)
}

#[cfg(test)]
mod tests;
