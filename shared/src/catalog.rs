//! Glue's tables, as the swap needs them.
//!
//! An Iceberg table in Glue is an entry whose parameter `metadata_location` names the current metadata file, so one
//! `UpdateTable` that changes it, guarded by the version that was read before, replaces the whole table for its readers
//! at once. Iceberg's own Glue catalog commits in this way: <https://github.com/apache/iceberg/pull/4216>.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use aws_sdk_glue::Client;
use aws_sdk_glue::types::{self, PartitionInput, TableInput};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::{Deserialize, Serialize};

use crate::context::OUTPUT;
use crate::sql::{Identifier, Location};
use crate::{Error, Result};

/// The parameter that makes an entry an Iceberg table and names its current state.
const METADATA_LOCATION: &str = "metadata_location";
/// The parameter that names the state before, by which Iceberg clients find what a commit replaced.
const PREVIOUS_METADATA_LOCATION: &str = "previous_metadata_location";
/// The parameter that names the manifest of the raw files that this state was made of ([`crate::seen`]). It changes in
/// the same update as the state, so the two cannot disagree.
const PAGEVIEWS_SEEN: &str = "pageviews_seen";

/// `BatchCreatePartition` takes no more at once.
/// <https://docs.aws.amazon.com/glue/latest/webapi/API_BatchCreatePartition.html>
const LARGEST_BATCH: usize = 100;
/// What a partition of a batch may be refused with and not the next time.
const PASSING: &[&str] = &[
    "ConcurrentModificationException",
    "InternalServiceException",
    "OperationTimeoutException",
    "ResourceNotReadyException",
    "ThrottlingException",
];

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

    /// When it was made.
    pub fn created(&self) -> Option<SystemTime> {
        self.0.create_time().and_then(|time| SystemTime::try_from(*time).ok())
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

    /// The metadata file that the last update of the entry replaced.
    pub fn previous_metadata_location(&self) -> Option<&str> {
        self.parameter(PREVIOUS_METADATA_LOCATION)
    }

    /// The manifest of the raw files that its current state was made of, if anybody noted one.
    pub fn pageviews_seen(&self) -> Option<&str> {
        self.parameter(PAGEVIEWS_SEEN)
    }

    /// Whether its data or its current metadata lies in, around or at `folder`.
    pub fn refers_to(&self, folder: &Location) -> bool {
        let metadata = self.metadata_location().is_some_and(|metadata| folder.overlaps(metadata));
        metadata || !self.location().is_empty() && folder.overlaps(self.location())
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
        let mut storage = self.storage();
        for (name, column_type) in columns {
            let column = types::Column::builder().name(name).r#type(column_type).build();
            let column =
                column.map_err(|source| Error::ServiceError { operation: "glue:Column", source: source.into() })?;
            storage.columns.get_or_insert_default().push(column);
        }
        self.input(self.name(), storage, self.0.parameters().cloned().unwrap_or_default())
    }

    /// This entry under `name`, with another state; `before` is the metadata file that it replaces.
    fn with_state(&self, name: &str, state: &State<'_>, before: Option<&str>) -> Result<TableInput> {
        let storage = self.storage_at(state.location);
        let mut parameters = self.0.parameters().cloned().unwrap_or_default();
        let now = [
            (METADATA_LOCATION, Some(state.metadata_location)),
            (PREVIOUS_METADATA_LOCATION, before),
            (PAGEVIEWS_SEEN, state.pageviews_seen),
        ];
        for (parameter, value) in now {
            parameters.remove(parameter);
            parameters.extend(value.map(|value| (parameter.to_owned(), value.to_owned())));
        }
        self.input(name, storage, parameters)
    }

    /// This entry under `name`, stored and described otherwise.
    fn input(
        &self,
        name: &str,
        storage: types::StorageDescriptor,
        parameters: HashMap<String, String>,
    ) -> Result<TableInput> {
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

    /// How and where its data is stored.
    fn storage(&self) -> types::StorageDescriptor {
        self.0.storage_descriptor().cloned().unwrap_or_else(|| types::StorageDescriptor::builder().build())
    }

    fn storage_at(&self, location: &str) -> types::StorageDescriptor {
        let mut storage = self.storage();
        storage.location = Some(location.to_owned());
        storage
    }
}

/// Where a table's current state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State<'a> {
    /// The folder of its data.
    pub location: &'a str,
    /// Its metadata file.
    pub metadata_location: &'a str,
    /// The manifest of the raw files that it was made of, if there is one.
    pub pageviews_seen: Option<&'a str>,
}

/// The output as a run finds it: what it must still be when the run publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputVersion {
    /// The version of its entry.
    pub version: String,
    /// The folder of its data.
    pub location: String,
    /// Its metadata file.
    pub metadata_location: String,
    /// The manifest of the raw files that it was made of, if there is one.
    pub pageviews_seen: Option<String>,
}

/// The output as a run has published it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The folder of its data.
    pub location: String,
    /// Its metadata file.
    pub metadata_location: String,
}

impl From<&Table> for Published {
    fn from(table: &Table) -> Self {
        let metadata_location = table.metadata_location().unwrap_or_default().to_owned();
        Self { location: table.location().to_owned(), metadata_location }
    }
}

/// A partition that may not be registered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// One value a partition key, in the keys' order.
    pub values: Vec<String>,
    /// The folder of its data.
    pub location: String,
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

    /// The output's entry, if it still lies at `location`: a swap would have moved it.
    ///
    /// # Errors
    /// [`Error::OutputChanged`] if it does not; [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn output_at(&self, location: &str) -> Result<Table> {
        let table = self.table(OUTPUT).await?;
        let is_there = |table: &Table| table.location() == location.trim_end_matches('/');
        let problem = || format!("{OUTPUT} is not at {location} any more");
        table.filter(is_there).ok_or_else(|| Error::OutputChanged { problem: problem() })
    }

    /// Every table of the database; none if there is no database.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn tables(&self) -> Result<Vec<Table>> {
        let mut pages = self.client.get_tables().database_name(self.database.as_str()).into_paginator().send();
        let mut tables = Vec::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Err(error) if is_absent(&error) => return Ok(tables),
                page => page.map_err(|error| Error::service("glue:GetTables", error))?,
            };
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
        let mut input = live.with_state(live.name(), state, live.metadata_location())?;
        // The columns come with the new state: an entry whose columns are not its metadata's breaks the table.
        input.storage_descriptor = Some(new.storage_at(state.location));
        self.update(input, Some(version)).await
    }

    /// Makes the entry `name` point at `state`, with everything else like `model`. An entry that exists is changed.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn put(&self, name: &str, model: &Table, state: &State<'_>) -> Result<()> {
        let input = model.with_state(name, state, None)?;
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

    /// Notes in `live`, if it still is as it was read, which manifest its state was made of. Nothing else changes.
    ///
    /// # Errors
    /// [`Error::OutputChanged`] if somebody has changed the entry since; [`Error::ServiceError`] and
    /// [`Error::ServiceRefused`].
    pub async fn note_seen(&self, live: &Table, seen: &str) -> Result<()> {
        let mut parameters = live.0.parameters().cloned().unwrap_or_default();
        parameters.insert(PAGEVIEWS_SEEN.to_owned(), seen.to_owned());
        let input = live.input(live.name(), live.storage(), parameters)?;
        self.update(input, Some(live.version())).await
    }

    /// Notes it as [`Catalog::note_seen`] does, unless that has been done, also by a call whose reply was lost.
    ///
    /// # Errors
    /// Those of [`Catalog::note_seen`].
    pub async fn note_seen_once(&self, live: &Table, seen: &str) -> Result<()> {
        let is_noted = |table: &Table| table.location() == live.location() && table.pageviews_seen() == Some(seen);
        if is_noted(live) {
            return Ok(());
        }
        match self.note_seen(live, seen).await {
            // Refused for the version: by our own note, perhaps.
            Err(Error::OutputChanged { .. }) if self.table(live.name()).await?.as_ref().is_some_and(is_noted) => Ok(()),
            other => other,
        }
    }

    /// The values of every registered partition: one call per thousand, without the columns, which are most of it.
    /// <https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html>
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`].
    pub async fn partitions(&self, table: &Table) -> Result<BTreeSet<Vec<String>>> {
        let request = self.client.get_partitions().database_name(self.database.as_str()).table_name(table.name());
        let mut pages = request.exclude_column_schema(true).into_paginator().send();
        let mut partitions = BTreeSet::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Error::service("glue:GetPartitions", error))?;
            partitions.extend(page.partitions.into_iter().flatten().filter_map(|partition| partition.values));
        }
        Ok(partitions)
    }

    /// Registers partitions that are stored as their table is; one that is there already stays as it is.
    ///
    /// # Errors
    /// [`Error::ServiceError`] and [`Error::ServiceRefused`], also for a single partition of a batch.
    pub async fn add_partitions(&self, table: &Table, partitions: &[Partition]) -> Result<()> {
        for batch in partitions.chunks(LARGEST_BATCH) {
            let inputs = batch.iter().map(|partition| {
                let storage = table.storage_at(&partition.location);
                let values = Some(partition.values.clone());
                PartitionInput::builder().set_values(values).storage_descriptor(storage).build()
            });
            let request = self.client.batch_create_partition().database_name(self.database.as_str());
            let request = request.table_name(table.name()).set_partition_input_list(Some(inputs.collect()));
            let answer = Box::pin(request.send()).await;
            let answer = answer.map_err(|error| Error::service("glue:BatchCreatePartition", error))?;
            answer.errors().iter().try_for_each(partition_result)?;
        }
        Ok(())
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

/// What became of a partition that was not created.
fn partition_result(refused: &types::PartitionError) -> Result<()> {
    let (code, message) = refused
        .error_detail()
        .map(|detail| (detail.error_code().unwrap_or_default(), detail.error_message().unwrap_or_default()))
        .unwrap_or_default();
    if code == "AlreadyExistsException" {
        return Ok(());
    }
    let source = format!("the partition {:?}: {code}: {message}", refused.partition_values()).into();
    let operation = "glue:BatchCreatePartition";
    Err(if PASSING.contains(&code) {
        Error::ServiceError { operation, source }
    } else {
        Error::ServiceRefused { operation, source }
    })
}

fn is_absent(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("EntityNotFoundException")
}
