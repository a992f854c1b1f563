//! Partitions: the part of the catalog that decides which folders of a table are read.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, Rows, Transaction, params};

use super::store::now;
use crate::access::needs;

use super::{Catalog, CatalogError, Partition, Result, StorageDescriptor, Table, require_table};

/// One partition of a batch that was refused; the others were done.
#[derive(Debug)]
pub struct PartitionError {
    /// The partition's values.
    pub values: Vec<String>,
    /// Why.
    pub error: CatalogError,
}

impl Catalog {
    /// Adds partitions; answers with those that could not be added, each with its reason.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]: the table. [`CatalogError::InvalidInput`]: values that do not fit its keys.
    pub fn batch_create_partitions(
        &self,
        database: &str,
        table: &str,
        partitions: Vec<Partition>,
    ) -> Result<Vec<PartitionError>> {
        let (database, name) = (database.to_lowercase(), table.to_lowercase());
        if !partitions.is_empty() {
            self.ask_table(needs::ADD_PARTITIONS, &database, &name)?;
        }
        self.store.change(|tx| {
            let table = require_table(tx, &database, &name)?;
            let mut refused = Vec::new();
            for partition in partitions {
                require_fit(&table, &partition.values)?;
                let values = partition.values.clone();
                if !insert(tx, &table, Partition { creation_time: Some(now()), ..partition })? {
                    let error = CatalogError::AlreadyExists { entity: format!("Partition {values:?}") };
                    refused.push(PartitionError { values, error });
                }
            }
            Ok(refused)
        })
    }

    /// One partition.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]: the table or the partition.
    pub fn get_partition(&self, database: &str, table: &str, values: &[String]) -> Result<Partition> {
        let (database, name) = (database.to_lowercase(), table.to_lowercase());
        self.ask_table(&["glue:GetPartition"], &database, &name)?;
        self.store.read(|connection| {
            let table = require_table(connection, &database, &name)?;
            require_partition(connection, &table, values)
        })
    }

    /// At most `length` partitions of a table, after `skip` others, in an order that stays the same.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]: the table.
    pub fn page_of_partitions(
        &self,
        database: &str,
        table: &str,
        skip: usize,
        length: usize,
    ) -> Result<Vec<Partition>> {
        let (database, name) = (database.to_lowercase(), table.to_lowercase());
        self.ask_table(&["glue:GetPartitions"], &database, &name)?;
        let [skip, length] = [skip, length].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        self.store.read(|connection| {
            let table = require_table(connection, &database, &name)?;
            let mut statement = connection.prepare_cached(
                "SELECT partition_values, location, descriptor, document FROM partitions \
                 WHERE database = ?1 AND table_name = ?2 ORDER BY partition_values LIMIT ?3 OFFSET ?4",
            )?;
            read_all(statement.query(params![database, name, length, skip])?, &table)
        })
    }

    /// Every partition of a table, by its values.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]: the table.
    pub fn list_partitions(&self, database: &str, table: &str) -> Result<Vec<Partition>> {
        let (database, name) = (database.to_lowercase(), table.to_lowercase());
        self.ask_table(&["glue:GetPartitions"], &database, &name)?;
        let mut partitions: Vec<Partition> = self.store.read(|connection| {
            let table = require_table(connection, &database, &name)?;
            let mut statement = connection.prepare_cached(
                "SELECT partition_values, location, descriptor, document FROM partitions \
                 WHERE database = ?1 AND table_name = ?2",
            )?;
            read_all(statement.query([&database, &name])?, &table)
        })?;
        partitions.sort_by(|a, b| a.values.cmp(&b.values));
        Ok(partitions)
    }

    /// Replaces a partition, whose values may change.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`], [`CatalogError::AlreadyExists`] (under the new values),
    /// [`CatalogError::InvalidInput`].
    pub fn update_partition(&self, database: &str, table: &str, values: &[String], partition: Partition) -> Result<()> {
        let (database, name) = (database.to_lowercase(), table.to_lowercase());
        self.ask_table(&["glue:UpdatePartition"], &database, &name)?;
        self.store.change(|tx| {
            let table = require_table(tx, &database, &name)?;
            let creation_time = require_partition(tx, &table, values)?.creation_time;
            require_fit(&table, &partition.values)?;
            delete(tx, &table, values)?;
            let entity = format!("Partition {:?}", partition.values);
            if insert(tx, &table, Partition { creation_time, ..partition })? {
                Ok(())
            } else {
                Err(CatalogError::AlreadyExists { entity })
            }
        })
    }

    /// Removes partitions; answers with those that were not there. No data is touched.
    ///
    /// # Errors
    /// [`CatalogError::NotFound`]: the table.
    pub fn batch_delete_partitions(
        &self,
        database: &str,
        table: &str,
        values: &[Vec<String>],
    ) -> Result<Vec<PartitionError>> {
        let (database, name) = (database.to_lowercase(), table.to_lowercase());
        if !values.is_empty() {
            self.ask_table(&["glue:DeletePartition"], &database, &name)?;
        }
        self.store.change(|tx| {
            let table = require_table(tx, &database, &name)?;
            let mut refused = Vec::new();
            for values in values {
                if !delete(tx, &table, values)? {
                    refused.push(PartitionError { values: values.clone(), error: no_partition(values) });
                }
            }
            Ok(refused)
        })
    }
}

fn read_all(mut rows: Rows<'_>, table: &Table) -> Result<Vec<Partition>> {
    let mut descriptors = Descriptors::default();
    let mut partitions = Vec::new();
    while let Some(row) = rows.next()? {
        partitions.push(read(row, table, &mut descriptors)?);
    }
    Ok(partitions)
}

/// Descriptors by their text: the partitions of a table mostly share one, and parsing is what listing costs.
type Descriptors = HashMap<String, StorageDescriptor>;

fn no_partition(values: &[String]) -> CatalogError {
    CatalogError::NotFound { entity: format!("Partition {values:?}") }
}

fn require_fit(table: &Table, values: &[String]) -> Result<()> {
    let keys = table.partition_keys.len();
    if keys == values.len() {
        return Ok(());
    }
    let message = format!(
        "The number of partition keys do not match the number of partition values: {}.{} has {keys}, {values:?} are {}",
        table.database_name,
        table.name,
        values.len()
    );
    Err(CatalogError::InvalidInput { message })
}

fn require_partition(connection: &Connection, table: &Table, values: &[String]) -> Result<Partition> {
    let mut statement = connection.prepare_cached(
        "SELECT partition_values, location, descriptor, document FROM partitions \
         WHERE database = ?1 AND table_name = ?2 AND partition_values = ?3",
    )?;
    let key = serde_json::to_string(values)?;
    let read = |row: &Row<'_>| Ok(read(row, table, &mut Descriptors::default()));
    statement
        .query_row([&table.database_name, &table.name, &key], read)
        .optional()?
        .ok_or_else(|| no_partition(values))?
}

/// Adds one; `false` if its values are taken.
fn insert(tx: &Transaction<'_>, table: &Table, mut partition: Partition) -> Result<bool> {
    let key = serde_json::to_string(&std::mem::take(&mut partition.values))?;
    let mut descriptor = std::mem::take(&mut partition.storage_descriptor);
    let location = descriptor.location.take();
    partition.database_name.clear();
    partition.table_name.clear();
    let mut statement = tx.prepare_cached(
        "INSERT INTO partitions (database, table_name, partition_values, location, descriptor, document) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?;
    let (descriptor, document) = (serde_json::to_string(&descriptor)?, serde_json::to_string(&partition)?);
    Ok(statement.execute(params![table.database_name, table.name, key, location, descriptor, document])? > 0)
}

/// Removes one; `false` if it was not there.
fn delete(tx: &Transaction<'_>, table: &Table, values: &[String]) -> Result<bool> {
    let mut statement =
        tx.prepare_cached("DELETE FROM partitions WHERE database = ?1 AND table_name = ?2 AND partition_values = ?3")?;
    let key = serde_json::to_string(values)?;
    Ok(statement.execute([&table.database_name, &table.name, &key])? > 0)
}

fn text<'row>(row: &'row Row<'_>, column: usize) -> Result<&'row str> {
    Ok(row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?)
}

fn read(row: &Row<'_>, table: &Table, descriptors: &mut Descriptors) -> Result<Partition> {
    let mut partition: Partition = serde_json::from_str(text(row, 3)?)?;
    partition.values = serde_json::from_str(text(row, 0)?)?;
    partition.database_name.clone_from(&table.database_name);
    partition.table_name.clone_from(&table.name);
    let text = text(row, 2)?;
    partition.storage_descriptor = if let Some(known) = descriptors.get(text) {
        known.clone()
    } else {
        let parsed: StorageDescriptor = serde_json::from_str(text)?;
        descriptors.insert(text.to_owned(), parsed.clone());
        parsed
    };
    partition.storage_descriptor.location = row.get(1)?;
    Ok(partition)
}
