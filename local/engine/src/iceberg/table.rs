//! A table as the catalog's entry points at it: `table_type = ICEBERG` and `metadata_location`.

use ::iceberg::spec::{ManifestFile, SnapshotRef, TableMetadata};
use ::iceberg::table::Table;
use ::iceberg::{Runtime, TableIdent};

use super::storage::file_io;
use crate::catalog::{self, Catalog};
use crate::lake::Lake;
use crate::{Error, Result};

/// The parameter that holds the address of the current metadata file.
pub(super) const METADATA_LOCATION: &str = "metadata_location";
/// The parameter that holds the one before it.
pub(super) const PREVIOUS_METADATA_LOCATION: &str = "previous_metadata_location";

/// Whether a catalog entry is an Iceberg table.
pub fn is_iceberg(entry: &catalog::Table) -> bool {
    entry.parameters.get("table_type").is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg"))
}

/// An entry and the table it points at, read together.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The entry, with the version that a commit must find.
    pub(crate) entry: catalog::Table,
    /// The table at the entry's metadata location.
    pub(crate) table: Table,
}

impl Loaded {
    /// Reads entry and metadata.
    ///
    /// # Errors
    /// The catalog's, `ICEBERG_MISSING_METADATA` and `ICEBERG_INVALID_METADATA`.
    pub(crate) async fn load(catalog: &Catalog, lake: &Lake, database: &str, name: &str) -> Result<Self> {
        Self::of(catalog.get_table(database, name)?, lake).await
    }

    /// Reads the metadata that `entry` points at.
    pub(crate) async fn of(entry: catalog::Table, lake: &Lake) -> Result<Self> {
        let named = format!("{}.{}", entry.database_name, entry.name);
        if !is_iceberg(&entry) {
            return Err(super::refused("INVALID_TABLE", format!("Not an Iceberg table: {named}")));
        }
        let location = entry.parameters.get(METADATA_LOCATION).ok_or_else(|| {
            super::refused(
                "ICEBERG_INVALID_METADATA",
                format!("Table is missing [{METADATA_LOCATION}] property: {named}"),
            )
        })?;
        lake.ask_location(entry.storage_descriptor.location.as_deref().unwrap_or(location))?;
        let files = file_io(lake, None);
        if !files.exists(location).await? {
            let message = format!("Metadata not found in metadata location for table {named}: {location}");
            return Err(super::refused("ICEBERG_MISSING_METADATA", message));
        }
        let metadata = TableMetadata::read_from(&files, location).await.map_err(|error| {
            super::refused(
                "ICEBERG_INVALID_METADATA",
                format!("Invalid metadata file for table {named}: {location}: {error}"),
            )
        })?;
        let table = bind(lake, &entry.database_name, &entry.name, metadata, Some(location.clone()))?;
        Ok(Self { entry, table })
    }
}

/// A table of `metadata`, whether that is written to a file yet or not.
pub(super) fn bind(
    lake: &Lake,
    database: &str,
    name: &str,
    metadata: TableMetadata,
    location: Option<String>,
) -> Result<Table> {
    let builder = Table::builder()
        .file_io(file_io(lake, None))
        .metadata(metadata)
        .identifier(TableIdent::from_strs([database, name])?)
        .runtime(Runtime::try_current()?);
    let builder = match location {
        Some(location) => builder.metadata_location(location),
        None => builder,
    };
    builder.build().map_err(Error::from)
}

/// The manifests of a snapshot.
pub(super) async fn manifests(table: &Table, snapshot: &SnapshotRef) -> Result<Vec<ManifestFile>> {
    Ok(table.manifest_list_reader(snapshot).load().await?.consume_entries().into_iter().collect())
}
