//! `"t$snapshots"` and its like: a table's metadata as tables, with Trino's columns.
//!
//! Source: <https://trino.io/docs/current/connector/iceberg.html#metadata-tables>

mod files;
mod summaries;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ::iceberg::spec::{Snapshot, SnapshotLog, SnapshotReference, SnapshotRetention, TableMetadata};
use ::iceberg::table::Table;
use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;

use super::scan::IcebergTable;
use super::table::{Loaded, manifests};
use crate::Result;
use crate::catalog::Catalog;
use crate::lake::Lake;

impl IcebergTable {
    /// The metadata table `"name$kind"`.
    ///
    /// # Errors
    /// Those of [`IcebergTable::load`]; `TABLE_NOT_FOUND` for an unknown kind.
    pub async fn metadata_table(
        catalog: &Catalog,
        lake: &Lake,
        database: &str,
        name: &str,
        kind: &str,
    ) -> Result<Arc<dyn TableProvider>> {
        let table = Loaded::load(catalog, lake, database, name).await?.table;
        let metadata = table.metadata();
        let columns = match kind {
            "snapshots" => snapshots(metadata)?,
            "history" => history(metadata),
            "refs" => refs(metadata)?,
            "properties" => properties(metadata),
            "manifests" => manifest_columns(&table).await?,
            "files" => files::files(&files::live(&table).await?),
            "partitions" => files::partitions(metadata, &files::live(&table).await?)?,
            _ => {
                let message = format!("Table 'awsdatacatalog.{database}.{name}${kind}' does not exist");
                return Err(crate::Error::user("TABLE_NOT_FOUND", 1110, message));
            }
        };
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)));
        let batch = batch.map_err(DataFusionError::from)?;
        Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
    }
}

type Columns = Vec<(&'static str, ArrayRef)>;

fn snapshots(metadata: &TableMetadata) -> Result<Columns> {
    let mut all: Vec<&Snapshot> = metadata.snapshots().map(AsRef::as_ref).collect();
    all.sort_by_key(|snapshot| (snapshot.timestamp_ms(), snapshot.sequence_number()));
    let mut summary = MapBuilder::new(Some(entries()), StringBuilder::new(), StringBuilder::new());
    for snapshot in &all {
        let properties: BTreeMap<_, _> = snapshot.summary().additional_properties.iter().collect();
        for (key, value) in properties {
            summary.keys().append_value(key);
            summary.values().append_value(value);
        }
        summary.append(true).map_err(DataFusionError::from)?;
    }
    Ok(vec![
        ("committed_at", times(all.iter().map(|snapshot| snapshot.timestamp_ms()))),
        ("snapshot_id", longs(all.iter().map(|snapshot| Some(snapshot.snapshot_id())))),
        ("parent_id", longs(all.iter().map(|snapshot| snapshot.parent_snapshot_id()))),
        ("operation", texts(all.iter().map(|snapshot| Some(snapshot.summary().operation.as_str())))),
        ("manifest_list", texts(all.iter().map(|snapshot| Some(snapshot.manifest_list())))),
        ("summary", Arc::new(summary.finish())),
    ])
}

fn history(metadata: &TableMetadata) -> Columns {
    let log = metadata.history();
    let parents = |id: &i64| metadata.snapshot_by_id(*id).and_then(|snapshot| snapshot.parent_snapshot_id());
    let ancestors: HashSet<i64> = std::iter::successors(metadata.current_snapshot_id(), parents).collect();
    let current: BooleanArray = log.iter().map(|entry| Some(ancestors.contains(&entry.snapshot_id))).collect();
    vec![
        ("made_current_at", times(log.iter().map(SnapshotLog::timestamp_ms))),
        ("snapshot_id", longs(log.iter().map(|entry| Some(entry.snapshot_id)))),
        ("parent_id", longs(log.iter().map(|entry| parents(&entry.snapshot_id)))),
        ("is_current_ancestor", Arc::new(current)),
    ]
}

/// The branches and tags of a table, by name.
pub(super) fn references(metadata: &TableMetadata) -> Result<BTreeMap<String, SnapshotReference>> {
    // The library holds the references and shows only the written form of them.
    let damaged = |error: serde_json::Error| super::refused("ICEBERG_INVALID_METADATA", error.to_string());
    let mut written = serde_json::to_value(metadata).map_err(damaged)?;
    match written.get_mut("refs") {
        Some(refs) => serde_json::from_value(refs.take()).map_err(damaged),
        None => Ok(BTreeMap::new()),
    }
}

fn refs(metadata: &TableMetadata) -> Result<Columns> {
    let refs = references(metadata)?;
    let kept = |reference: &SnapshotReference| match reference.retention {
        SnapshotRetention::Branch { min_snapshots_to_keep, max_snapshot_age_ms, max_ref_age_ms } => {
            (max_ref_age_ms, min_snapshots_to_keep, max_snapshot_age_ms)
        }
        SnapshotRetention::Tag { max_ref_age_ms } => (max_ref_age_ms, None, None),
    };
    let kind = |reference: &SnapshotReference| Some(if reference.is_branch() { "BRANCH" } else { "TAG" });
    Ok(vec![
        ("name", texts(refs.keys().map(|name| Some(name.as_str())))),
        ("type", texts(refs.values().map(kind))),
        ("snapshot_id", longs(refs.values().map(|reference| Some(reference.snapshot_id)))),
        ("max_reference_age_in_ms", longs(refs.values().map(|reference| kept(reference).0))),
        ("min_snapshots_to_keep", ints(refs.values().map(|reference| kept(reference).1))),
        ("max_snapshot_age_in_ms", longs(refs.values().map(|reference| kept(reference).2))),
    ])
}

fn properties(metadata: &TableMetadata) -> Columns {
    let properties: BTreeMap<_, _> = metadata.properties().iter().collect();
    vec![
        ("key", texts(properties.keys().map(|key| Some(key.as_str())))),
        ("value", texts(properties.values().map(|value| Some(value.as_str())))),
    ]
}

async fn manifest_columns(table: &Table) -> Result<Columns> {
    let all = match table.metadata().current_snapshot() {
        Some(snapshot) => manifests(table, snapshot).await?,
        None => Vec::new(),
    };
    let count = |count: Option<u32>| count.and_then(|count| i32::try_from(count).ok());
    let rows = |rows: Option<u64>| rows.and_then(|rows| i64::try_from(rows).ok());
    Ok(vec![
        ("path", texts(all.iter().map(|manifest| Some(manifest.manifest_path.as_str())))),
        ("length", longs(all.iter().map(|manifest| Some(manifest.manifest_length)))),
        ("partition_spec_id", ints(all.iter().map(|manifest| Some(manifest.partition_spec_id)))),
        ("added_snapshot_id", longs(all.iter().map(|manifest| Some(manifest.added_snapshot_id)))),
        ("added_data_files_count", ints(all.iter().map(|manifest| count(manifest.added_files_count)))),
        ("added_rows_count", longs(all.iter().map(|manifest| rows(manifest.added_rows_count)))),
        ("existing_data_files_count", ints(all.iter().map(|manifest| count(manifest.existing_files_count)))),
        ("existing_rows_count", longs(all.iter().map(|manifest| rows(manifest.existing_rows_count)))),
        ("deleted_data_files_count", ints(all.iter().map(|manifest| count(manifest.deleted_files_count)))),
        ("deleted_rows_count", longs(all.iter().map(|manifest| rows(manifest.deleted_rows_count)))),
        ("partition_summaries", summaries::of(table.metadata(), &all)?),
    ])
}

fn texts<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn longs(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

fn ints(values: impl Iterator<Item = Option<i32>>) -> ArrayRef {
    Arc::new(values.collect::<Int32Array>())
}

/// `timestamp(3) with time zone`.
fn times(millis: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(millis.map(Some).collect::<TimestampMillisecondArray>().with_timezone("UTC"))
}

fn entries() -> MapFieldNames {
    MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() }
}
