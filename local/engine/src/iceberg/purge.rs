//! `DROP TABLE`: the entry and every file of the table.
//!
//! The entry goes first: a crash then leaves files that nobody refers to, never a table without its files. Before
//! anything is removed, every other entry of the catalog is looked at: files that another table may need are not
//! touched, the statement is refused instead.

use std::collections::BTreeSet;

use ::iceberg::spec::TableMetadata;
use ::iceberg::table::Table;

use super::table::{Loaded, METADATA_LOCATION, manifests};
use crate::access::needs;
use crate::catalog::{self, Catalog};
use crate::lake::{Lake, S3Uri};
use crate::{Error, Result};

/// Removes an Iceberg table: its entry, the files that its metadata refers to, and all that lies below its location.
///
/// # Errors
/// The catalog's; `ICEBERG_FILESYSTEM_ERROR` if another table's location or metadata lies in this table's location, or
/// this table's in another's. Nothing is removed then.
pub async fn drop_table(catalog: &Catalog, lake: &Lake, database: &str, name: &str) -> Result<()> {
    let entry = catalog.get_table(database, name)?;
    let named = format!("{}.{}", entry.database_name, entry.name);
    let folder = folder(&entry)?;
    // A look that Athena does not take: it is this engine's own care.
    let others = other_folders(&catalog.unasked(), &entry)?;
    if let Some((other, _)) = others.iter().find(|(_, used)| overlap(&folder, used)) {
        let message = format!(
            "Cannot drop table {named}: its location {folder} is shared with table {other}, whose files a DROP would \
             delete. To remove only the entry of {named}, delete it in the catalog (Glue DeleteTable)"
        );
        return Err(super::refused("ICEBERG_FILESYSTEM_ERROR", message));
    }
    // A table whose metadata is lost or damaged must still be removable: what lies below its location is.
    let referenced = match Loaded::of(entry, lake).await {
        Ok(loaded) => match referenced_files(&loaded.table).await {
            Err(error) if !matches!(error, Error::AccessDenied { .. }) => {
                tracing::warn!(table = named, %error, "the files of a dropped table cannot be listed from its metadata");
                BTreeSet::new()
            }
            referenced => referenced?,
        },
        Err(Error::Query { message, .. }) => {
            tracing::warn!(table = named, message, "a table without readable metadata is dropped");
            BTreeSet::new()
        }
        Err(error) => return Err(error),
    };
    // All is asked for before anything goes: a caller who may not remove the files keeps the table.
    let files = files_to_remove(lake, &folder, &referenced, &others)?;
    for file in &files {
        lake.ask(needs::REMOVE_OBJECT, file)?;
    }
    catalog.delete_table(database, name)?;
    let lake = lake.unasked();
    files.iter().try_for_each(|file| lake.delete(file).map(|_| ()))?;
    Ok(())
}

fn files_to_remove(
    lake: &Lake,
    folder: &S3Uri,
    referenced: &BTreeSet<String>,
    others: &[(String, S3Uri)],
) -> Result<BTreeSet<S3Uri>> {
    let mut files = BTreeSet::new();
    // A location that is a whole bucket is no proof that everything in it is the table's.
    if !folder.key.is_empty() && lake.bucket_exists(&folder.bucket) {
        let below = lake.list(&folder.bucket, &folder.key)?;
        files.extend(below.into_iter().map(|object| S3Uri::new(&*folder.bucket, object.key)));
    }
    for file in referenced {
        let uri = S3Uri::parse(file)?;
        let foreign = others.iter().any(|(_, used)| contains(used, &uri));
        if !foreign && lake.bucket_exists(&uri.bucket) {
            files.insert(uri);
        }
    }
    Ok(files)
}

/// Where an entry says that its table lives.
pub(super) fn folder(entry: &catalog::Table) -> Result<S3Uri> {
    let location = entry.storage_descriptor.location.as_deref().or_else(|| metadata_root(entry));
    let location = location
        .ok_or_else(|| super::refused("ICEBERG_INVALID_METADATA", format!("Table {} has no location", entry.name)))?;
    Ok(S3Uri::parse(location)?.folder())
}

/// `s3://bucket/table` of `s3://bucket/table/metadata/00001-….metadata.json`.
fn metadata_root(entry: &catalog::Table) -> Option<&str> {
    let location = entry.parameters.get(METADATA_LOCATION)?;
    let folder = location.rsplit_once('/')?.0;
    Some(folder.strip_suffix("/metadata").unwrap_or(folder))
}

/// Every folder that any other entry needs, with the entry's name.
pub(super) fn other_folders(catalog: &Catalog, entry: &catalog::Table) -> Result<Vec<(String, S3Uri)>> {
    let mut folders = Vec::new();
    for database in catalog.list_databases()? {
        for other in catalog.list_tables(&database.name)? {
            if (&other.database_name, &other.name) == (&entry.database_name, &entry.name) {
                continue;
            }
            let named = format!("{}.{}", other.database_name, other.name);
            let locations = [other.storage_descriptor.location.as_deref(), metadata_root(&other)];
            let locations = locations.into_iter().flatten().filter(|location| !location.is_empty());
            // A location that is no address has no files here.
            let parsed = locations.filter_map(|location| S3Uri::parse(location).ok());
            folders.extend(parsed.map(|uri| (named.clone(), uri.folder())));
        }
    }
    Ok(folders)
}

pub(super) fn overlap(a: &S3Uri, b: &S3Uri) -> bool {
    contains(a, b) || contains(b, a)
}

pub(super) fn contains(folder: &S3Uri, uri: &S3Uri) -> bool {
    folder.bucket == uri.bucket && uri.key.starts_with(&folder.key)
}

/// Every file that any snapshot of the table refers to.
pub(super) async fn referenced_files(table: &Table) -> Result<BTreeSet<String>> {
    let metadata = table.metadata();
    let mut files: BTreeSet<String> = metadata_files(table, metadata);
    for snapshot in metadata.snapshots() {
        files.insert(snapshot.manifest_list().to_owned());
        for manifest in manifests(table, snapshot).await? {
            if files.insert(manifest.manifest_path.clone()) {
                let entries = manifest.load_manifest(table.file_io()).await?.into_parts().0;
                files.extend(entries.iter().map(|entry| entry.file_path().to_owned()));
            }
        }
    }
    Ok(files)
}

pub(super) fn metadata_files(table: &Table, metadata: &TableMetadata) -> BTreeSet<String> {
    let logged = metadata.metadata_log().iter().map(|logged| logged.metadata_file.clone());
    let statistics = metadata.statistics_iter().map(|file| file.statistics_path.clone());
    let partitions = metadata.partition_statistics_iter().map(|file| file.statistics_path.clone());
    logged.chain(statistics).chain(partitions).chain(table.metadata_location().map(str::to_owned)).collect()
}
