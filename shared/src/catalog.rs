//! Glue's tables, as the swap needs them.
//!
//! An Iceberg table in Glue is an entry whose parameter `metadata_location` names the current metadata file, so one
//! `UpdateTable` that changes it, guarded by the version that was read before, replaces the whole table for its readers
//! at once. Iceberg's own Glue catalog commits in this way: <https://github.com/apache/iceberg/pull/4216>.

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{self, TableInput};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::sql::Identifier;
use crate::{Error, Result};

/// The parameter that makes an entry an Iceberg table and names its current state.
const METADATA_LOCATION: &str = "metadata_location";
/// The parameter that names the state before, by which Iceberg clients find what a commit replaced.
const PREVIOUS_METADATA_LOCATION: &str = "previous_metadata_location";

/// The tables of the database.
#[derive(Clone, Debug)]
pub struct Catalog {
    client: Client,
    database: Identifier,
}

/// A table's entry.
#[derive(Clone, Debug)]
pub struct Table(types::Table);

impl Table {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The entry's version, which every update changes.
    pub fn version(&self) -> &str {
        self.0.version_id().unwrap_or_default()
    }

    /// Where its data lies, without a final slash; empty for a view.
    pub fn location(&self) -> &str {
        let storage = self.0.storage_descriptor();
        storage.and_then(|storage| storage.location()).unwrap_or_default().trim_end_matches('/')
    }

    /// The current metadata file, if this is an Iceberg table.
    pub fn metadata_location(&self) -> Option<&str> {
        let is_iceberg = self.parameter("table_type").is_some_and(|kind| kind.eq_ignore_ascii_case("iceberg"));
        self.parameter(METADATA_LOCATION).filter(|_| is_iceberg)
    }

    /// Names and types of its columns, partition keys aside.
    pub fn columns(&self) -> Vec<(&str, &str)> {
        let storage = self.0.storage_descriptor();
        let columns = storage.map(types::StorageDescriptor::columns).unwrap_or_default();
        columns.iter().map(|column| (column.name(), column.r#type().unwrap_or_default())).collect()
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.0.parameters().and_then(|parameters| parameters.get(name)).map(String::as_str)
    }

    /// This entry with more columns at the end.
    fn with_columns(&self, columns: &[(String, String)]) -> Result<TableInput> {
        let mut storage =
            self.0.storage_descriptor().cloned().unwrap_or_else(|| types::StorageDescriptor::builder().build());
        for (name, column_type) in columns {
            let column = types::Column::builder().name(name).r#type(column_type).build();
            let column =
                column.map_err(|source| Error::ServiceError { operation: "glue:Column", source: source.into() })?;
            storage.columns.get_or_insert_default().push(column);
        }
        TableInput::builder()
            .name(self.name())
            .set_description(self.0.description().map(str::to_owned))
            .set_owner(self.0.owner().map(str::to_owned))
            .retention(self.0.retention())
            .storage_descriptor(storage)
            .set_partition_keys(self.0.partition_keys.clone())
            .set_table_type(self.0.table_type().map(str::to_owned))
            .set_parameters(self.0.parameters().cloned())
            .build()
            .map_err(|source| Error::ServiceError { operation: "glue:TableInput", source: source.into() })
    }

    /// This entry under `name`, with another state: its location, its metadata file and the one before.
    fn with_state(&self, name: &str, location: &str, metadata: &str, before: Option<&str>) -> Result<TableInput> {
        let storage =
            self.0.storage_descriptor().cloned().unwrap_or_else(|| types::StorageDescriptor::builder().build());
        let storage = storage_at(&storage, location);
        let mut parameters = self.0.parameters().cloned().unwrap_or_default();
        parameters.insert(METADATA_LOCATION.to_owned(), metadata.to_owned());
        parameters.remove(PREVIOUS_METADATA_LOCATION);
        if let Some(before) = before {
            parameters.insert(PREVIOUS_METADATA_LOCATION.to_owned(), before.to_owned());
        }
        TableInput::builder()
            .name(name)
            .set_description(self.0.description().map(str::to_owned))
            .set_owner(self.0.owner().map(str::to_owned))
            .retention(self.0.retention())
            .storage_descriptor(storage)
            .set_partition_keys(self.0.partition_keys.clone())
            .set_table_type(self.0.table_type().map(str::to_owned))
            .set_parameters(Some(parameters))
            .build()
            .map_err(|source| Error::ServiceError { operation: "glue:TableInput", source: source.into() })
    }
}

fn storage_at(storage: &types::StorageDescriptor, location: &str) -> types::StorageDescriptor {
    let mut moved = storage.clone();
    moved.location = Some(location.to_owned());
    moved
}

/// Where a table's current state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State<'a> {
    /// The folder of its data.
    pub location: &'a str,
    /// Its metadata file.
    pub metadata_location: &'a str,
}

impl Catalog {
    /// Over a Glue client.
    pub fn new(client: Client, database: Identifier) -> Self {
        Self { client, database }
    }

    /// The table's entry, or `None`.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn table(&self, name: &str) -> Result<Option<Table>> {
        match self.client.get_table().database_name(self.database.as_str()).name(name).send().await {
            Ok(answer) => Ok(answer.table.map(Table)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(Error::service("glue:GetTable", error)),
        }
    }

    /// Every table of the database.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn tables(&self) -> Result<Vec<Table>> {
        let mut pages = self.client.get_tables().database_name(self.database.as_str()).into_paginator().send();
        let mut tables = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::service("glue:GetTables", error))?;
            tables.extend(page.table_list.into_iter().flatten().map(Table));
        }
        Ok(tables)
    }

    /// The swap: `live` gets the state and the columns of `new`, if it still is at `version`. What else the entry
    /// holds (description, grants, optimizers) stays.
    ///
    /// # Errors
    /// [`Error::OutputChanged`] if somebody was faster; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn swap(&self, live: &Table, new: &Table, state: &State<'_>, version: &str) -> Result<()> {
        let mut input =
            live.with_state(live.name(), state.location, state.metadata_location, live.metadata_location())?;
        // The columns come with the new state: an entry whose columns are not its metadata's breaks the table.
        input.storage_descriptor = new.0.storage_descriptor().map(|storage| storage_at(storage, state.location));
        self.update(input, Some(version)).await
    }

    /// Makes the entry `name` point at `state`, with everything else like `model`. An entry that exists is changed.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn put(&self, name: &str, model: &Table, state: &State<'_>) -> Result<()> {
        let input = model.with_state(name, state.location, state.metadata_location, None)?;
        let create = self.client.create_table().database_name(self.database.as_str()).table_input(input.clone());
        match create.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("AlreadyExistsException") => self.update(input, None).await,
            Err(error) => Err(Error::service("glue:CreateTable", error)),
        }
    }

    /// Appends columns to a table, if it still is as it was read. What else its entry holds stays, and no file is
    /// touched: older ones have no value in the new columns.
    ///
    /// # Errors
    /// [`Error::TableChanged`] if somebody was faster; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn add_columns(&self, table: &Table, columns: &[(String, String)]) -> Result<()> {
        let input = table.with_columns(columns)?;
        let request = self.client.update_table().database_name(self.database.as_str()).table_input(input);
        let request = request.skip_archive(true).version_id(table.version());
        match Box::pin(request.send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConcurrentModificationException") => Err(Error::TableChanged {
                table: table.name().to_owned(),
                problem: error.message().unwrap_or("Glue refused the version that was read").to_owned(),
            }),
            Err(error) => Err(Error::service("glue:UpdateTable", error)),
        }
    }

    /// Removes the entry, and nothing else: the data stays. Whether there was one.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn remove_entry(&self, name: &str) -> Result<bool> {
        match self.client.delete_table().database_name(self.database.as_str()).name(name).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(Error::service("glue:DeleteTable", error)),
        }
    }

    /// `SkipArchive`: each archived version counts against a quota of the account.
    /// <https://repost.aws/knowledge-center/glue-manage-iceberg-table-versions>
    async fn update(&self, input: TableInput, version: Option<&str>) -> Result<()> {
        let request = self.client.update_table().database_name(self.database.as_str()).table_input(input);
        let request = request.skip_archive(true).set_version_id(version.map(str::to_owned));
        // Boxed: the call's future is the largest part of the swap's.
        match Box::pin(request.send()).await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConcurrentModificationException") => Err(Error::OutputChanged {
                problem: error
                    .message()
                    .unwrap_or("Glue refused the version that the swap was guarded with")
                    .to_owned(),
            }),
            Err(error) => Err(Error::service("glue:UpdateTable", error)),
        }
    }
}

fn is_absent(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("EntityNotFoundException")
}
