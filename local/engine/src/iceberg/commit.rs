//! A change of a table as one snapshot: manifests, manifest list, metadata file, and then the one write that counts,
//! the catalog entry's new `metadata_location`, guarded by the entry's version.
//!
//! Source: <https://iceberg.apache.org/spec/#snapshots>

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use ::iceberg::MetadataLocation;
use ::iceberg::io::FileIO;
use ::iceberg::spec::{
    DataFile, MAIN_BRANCH, ManifestContentType, ManifestFile, ManifestListWriter, ManifestWriter,
    ManifestWriterBuilder, Operation, PartitionSpecRef, SchemaRef, Snapshot, SnapshotSummaryCollector, Summary,
    TableMetadata,
};
use ::iceberg::table::Table;
use uuid::Uuid;

use super::storage::file_io;
use super::table::{Loaded, METADATA_LOCATION, PREVIOUS_METADATA_LOCATION};
use crate::Result;
use crate::catalog::{Catalog, CatalogError};
use crate::lake::Lake;

/// How often an append that lost a race is tried again: `commit.retry.num-retries`, Iceberg's default.
const RETRIES: u32 = 4;

/// What a snapshot does to a table's files.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) operation: Operation,
    pub(super) added: Vec<DataFile>,
    /// Addresses of the data files that this snapshot no longer has.
    pub(super) removed: HashSet<String>,
    /// Whether it is right for the state that it was made for only, and not for what another commit makes of it.
    pub(super) bound: bool,
    /// Whether the delete files go, too: none of them is in force any more.
    pub(super) drop_deletes: bool,
}

impl Change {
    /// Files that come on top.
    pub(super) fn append(added: Vec<DataFile>) -> Self {
        Self { operation: Operation::Append, added, removed: HashSet::new(), bound: false, drop_deletes: false }
    }
}

/// A table's next state, not in the catalog yet.
pub(super) struct Next {
    pub(super) metadata: TableMetadata,
    /// The manifests and the list that were written for it.
    pub(super) written: Vec<String>,
}

/// Commits `change`, which was made for the table as `base` has it. If another change of the entry came first, an append
/// is applied to that one's state; any other change only if the table's metadata is still the same. A table that has
/// become another one is a conflict.
///
/// # Errors
/// `ICEBERG_COMMIT_ERROR` for a conflict. The table is as it was, and no file of the attempt is left.
pub(super) async fn commit(catalog: &Catalog, lake: &Lake, base: Loaded, change: &Change) -> Result<()> {
    let expected = (base.table.metadata().uuid(), base.table.metadata().default_partition_spec_id());
    let seen = base.table.metadata_location().map(str::to_owned);
    let mut current = base;
    for attempt in 0.. {
        let Err(error) = commit_once(catalog, lake, &current, change).await else { return Ok(()) };
        let lost = matches!(error, crate::Error::Catalog(CatalogError::ConcurrentModification { .. }));
        if !lost {
            return Err(error);
        }
        if attempt == RETRIES {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5 << attempt)).await;
        current = Loaded::load(catalog, lake, &current.entry.database_name, &current.entry.name).await?;
        let found = (current.table.metadata().uuid(), current.table.metadata().default_partition_spec_id());
        let moved = current.table.metadata_location() != seen.as_deref();
        if found != expected || (moved && change.bound) {
            break;
        }
    }
    Err(conflict(&current))
}

async fn commit_once(catalog: &Catalog, lake: &Lake, current: &Loaded, change: &Change) -> Result<()> {
    let next = snapshot(&current.table, change).await?;
    put(catalog, lake, current, &next.metadata, next.written).await
}

/// Gives a table metadata that has no new snapshot.
///
/// # Errors
/// `ICEBERG_COMMIT_ERROR` if another commit came in between.
pub(super) async fn replace(catalog: &Catalog, lake: &Lake, current: &Loaded, metadata: &TableMetadata) -> Result<()> {
    match put(catalog, lake, current, metadata, Vec::new()).await {
        Err(crate::Error::Catalog(CatalogError::ConcurrentModification { .. })) => Err(conflict(current)),
        other => other,
    }
}

fn conflict(current: &Loaded) -> crate::Error {
    let named = format!("{}.{}", current.entry.database_name, current.entry.name);
    super::refused("ICEBERG_COMMIT_ERROR", format!("Failed to commit Iceberg update to table: {named}"))
}

/// Writes the metadata file and points the entry at it. If that fails, it is removed, and what was `written` for it.
async fn put(
    catalog: &Catalog,
    lake: &Lake,
    current: &Loaded,
    metadata: &TableMetadata,
    mut written: Vec<String>,
) -> Result<()> {
    let files = file_io(lake, None);
    let committed = async {
        let location = next_location(&current.table, metadata);
        super::create::ask_to_write(lake, metadata, &location)?;
        metadata.write_to(&files, &location).await?;
        written.push(location.to_string());
        point_at(catalog, current, metadata, &location.to_string())
    }
    .await;
    if committed.is_err() {
        super::forget(&files, written.iter().map(String::as_str)).await;
    }
    committed
}

/// The compare-and-swap.
fn point_at(catalog: &Catalog, current: &Loaded, metadata: &TableMetadata, location: &str) -> Result<()> {
    let mut entry = current.entry.clone();
    let version = entry.version_id.take();
    let previous = entry.parameters.insert(METADATA_LOCATION.into(), location.into());
    entry.parameters.insert(PREVIOUS_METADATA_LOCATION.into(), previous.unwrap_or_default());
    entry.storage_descriptor.columns = super::create::glue_columns(metadata.current_schema());
    let database = entry.database_name.clone();
    catalog.update_table(&database, entry, version.as_deref())?;
    Ok(())
}

fn next_location(table: &Table, metadata: &TableMetadata) -> MetadataLocation {
    let fresh = MetadataLocation::new_with_metadata(metadata.location(), metadata);
    let Some(Ok(current)) = table.metadata_location().map(str::parse::<MetadataLocation>) else {
        // Another engine's naming: count on from the log, so that names still sort by age.
        let steps = metadata.metadata_log().len();
        return (0..steps).fold(fresh, |location, _| location.with_next_version());
    };
    current.with_next_version().with_new_metadata(metadata)
}

/// Writes the manifests of `change` and builds the metadata that has it as its newest snapshot.
pub(super) async fn snapshot(table: &Table, change: &Change) -> Result<Next> {
    let mut producer = Producer::new(table);
    let built = producer.build(change).await;
    let written = producer.written;
    match built {
        Ok(metadata) => Ok(Next { metadata, written }),
        Err(error) => {
            super::forget(table.file_io(), written.iter().map(String::as_str)).await;
            Err(error)
        }
    }
}

struct Producer<'a> {
    table: &'a Table,
    metadata: &'a TableMetadata,
    files: &'a FileIO,
    id: i64,
    uuid: Uuid,
    written: Vec<String>,
}

impl<'a> Producer<'a> {
    fn new(table: &'a Table) -> Self {
        let uuid = Uuid::new_v4();
        let (high, low) = uuid.as_u64_pair();
        let id = ((high ^ low) >> 1).cast_signed();
        Self { table, metadata: table.metadata(), files: table.file_io(), id, uuid, written: Vec::new() }
    }

    async fn build(&mut self, change: &Change) -> Result<TableMetadata> {
        let mut summary = SnapshotSummaryCollector::default();
        let mut manifests = self.kept_manifests(change, &mut summary).await?;
        if !change.added.is_empty() {
            manifests.push(self.added_manifest(change, &mut summary).await?);
        }
        let list = self.manifest_list(manifests).await?;
        let snapshot = Snapshot::builder()
            .with_snapshot_id(self.id)
            .with_parent_snapshot_id(self.metadata.current_snapshot_id())
            .with_sequence_number(self.metadata.next_sequence_number())
            .with_timestamp_ms(now_millis().max(self.metadata.last_updated_ms()))
            .with_manifest_list(list)
            .with_summary(self.summary(change, &summary))
            .with_schema_id(self.metadata.current_schema_id())
            .build();
        let location = self.table.metadata_location().map(str::to_owned);
        let builder = self.metadata.clone().into_builder(location).set_branch_snapshot(snapshot, MAIN_BRANCH)?;
        Ok(builder.build()?.metadata)
    }

    /// The manifests of the current snapshot; those that hold a removed file are written anew without it.
    async fn kept_manifests(
        &mut self,
        change: &Change,
        summary: &mut SnapshotSummaryCollector,
    ) -> Result<Vec<ManifestFile>> {
        let Some(current) = self.metadata.current_snapshot() else { return Ok(Vec::new()) };
        let list = super::table::manifests(self.table, current).await?;
        let mut kept = Vec::new();
        let mut missing: HashSet<_> = change.removed.iter().map(String::as_str).collect();
        for manifest in list {
            if manifest.content == ManifestContentType::Deletes && change.drop_deletes {
                self.drop_deletes(&manifest, summary).await?;
            } else if change.removed.is_empty() || manifest.content == ManifestContentType::Deletes {
                kept.push(manifest);
            } else {
                kept.push(self.without(manifest, &change.removed, &mut missing, summary).await?);
            }
        }
        match missing.into_iter().next() {
            None => Ok(kept),
            Some(file) => {
                Err(super::refused("ICEBERG_COMMIT_ERROR", format!("Missing required files to delete: {file}")))
            }
        }
    }

    /// Counts the delete files that the new snapshot no longer has.
    async fn drop_deletes(&self, manifest: &ManifestFile, summary: &mut SnapshotSummaryCollector) -> Result<()> {
        let (entries, described) = manifest.load_manifest(self.files).await?.into_parts();
        let spec = PartitionSpecRef::new(described.partition_spec().clone());
        for entry in entries.iter().filter(|entry| entry.is_alive()) {
            summary.remove_file(entry.data_file(), described.schema().clone(), spec.clone());
        }
        Ok(())
    }

    async fn without(
        &mut self,
        manifest: ManifestFile,
        removed: &HashSet<String>,
        missing: &mut HashSet<&str>,
        summary: &mut SnapshotSummaryCollector,
    ) -> Result<ManifestFile> {
        let (entries, described) = manifest.load_manifest(self.files).await?.into_parts();
        if !entries.iter().any(|entry| entry.is_alive() && removed.contains(entry.file_path())) {
            return Ok(manifest);
        }
        let schema = described.schema().clone();
        let spec = PartitionSpecRef::new(described.partition_spec().clone());
        let mut writer = self.manifest_writer(schema.clone(), &spec)?;
        for entry in entries.iter().filter(|entry| entry.is_alive()) {
            let file = entry.data_file().clone();
            let sequence = entry.sequence_number().unwrap_or_default();
            let file_sequence = entry.file_sequence_number;
            if removed.contains(entry.file_path()) {
                missing.remove(entry.file_path());
                summary.remove_file(&file, schema.clone(), spec.clone());
                writer.add_delete_file(file, sequence, file_sequence)?;
            } else {
                let added_by = entry.snapshot_id().unwrap_or(manifest.added_snapshot_id);
                writer.add_existing_file(file, added_by, sequence, file_sequence)?;
            }
        }
        Ok(writer.write_manifest_file().await?)
    }

    async fn added_manifest(
        &mut self,
        change: &Change,
        summary: &mut SnapshotSummaryCollector,
    ) -> Result<ManifestFile> {
        let schema = self.metadata.current_schema().clone();
        let spec = self.metadata.default_partition_spec().clone();
        let mut writer = self.manifest_writer(schema.clone(), &spec)?;
        for file in &change.added {
            summary.add_file(file, schema.clone(), spec.clone());
            writer.add_file(file.clone(), self.metadata.next_sequence_number())?;
        }
        Ok(writer.write_manifest_file().await?)
    }

    fn manifest_writer(&mut self, schema: SchemaRef, spec: &PartitionSpecRef) -> Result<ManifestWriter> {
        let path = format!("{}/metadata/{}-m{}.avro", self.metadata.location(), self.uuid, self.written.len());
        let output = self.files.new_output(&path)?;
        self.written.push(path);
        Ok(ManifestWriterBuilder::new(output, Some(self.id), schema, spec.as_ref().clone()).build_v2_data())
    }

    async fn manifest_list(&mut self, manifests: Vec<ManifestFile>) -> Result<String> {
        let path = format!("{}/metadata/snap-{}-1-{}.avro", self.metadata.location(), self.id, self.uuid);
        let output = self.files.new_output(&path)?.writer().await?;
        self.written.push(path.clone());
        let parent = self.metadata.current_snapshot_id();
        let mut writer = ManifestListWriter::v2(output, self.id, parent, self.metadata.next_sequence_number());
        writer.add_manifests(manifests.into_iter())?;
        writer.close().await?;
        Ok(path)
    }

    fn summary(&self, change: &Change, collected: &SnapshotSummaryCollector) -> Summary {
        let mut properties = collected.build();
        let previous = self.metadata.current_snapshot().map(|snapshot| &snapshot.summary().additional_properties);
        properties.extend(totals(previous, &properties));
        Summary { operation: change.operation.clone(), additional_properties: properties }
    }
}

/// The running totals: the previous snapshot's, plus what was added, less what was removed. A total that the previous
/// snapshot does not tell stays unknown.
fn totals(previous: Option<&HashMap<String, String>>, change: &HashMap<String, String>) -> HashMap<String, String> {
    const TOTALS: [(&str, &str, &str); 6] = [
        ("total-data-files", "added-data-files", "deleted-data-files"),
        ("total-delete-files", "added-delete-files", "removed-delete-files"),
        ("total-records", "added-records", "deleted-records"),
        ("total-files-size", "added-files-size", "removed-files-size"),
        ("total-position-deletes", "added-position-deletes", "removed-position-deletes"),
        ("total-equality-deletes", "added-equality-deletes", "removed-equality-deletes"),
    ];
    let number = |of: &HashMap<String, String>, key: &str| of.get(key).and_then(|text| text.parse::<i64>().ok());
    let total = |&(total, added, removed): &(&str, &str, &str)| {
        let before = previous.map_or(Some(0), |previous| number(previous, total))?;
        let after = before + number(change, added).unwrap_or(0) - number(change, removed).unwrap_or(0);
        Some((total.to_owned(), after.to_string()))
    };
    TOTALS.iter().filter_map(total).collect()
}

pub(super) fn now_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
