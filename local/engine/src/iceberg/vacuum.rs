//! `VACUUM`: old snapshots go, and with them the files that no other snapshot refers to.
//!
//! Sources: <https://docs.aws.amazon.com/athena/latest/ug/vacuum-statement.html>,
//! <https://iceberg.apache.org/docs/latest/maintenance/>. The snapshots go first, in one commit; a crash then leaves
//! files that nobody refers to, and the next `VACUUM` finds them below the table's location once they are old enough.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, SystemTime};

use ::iceberg::spec::{SnapshotRef, SnapshotRetention, TableMetadata};
use ::iceberg::table::Table;

use super::commit::{now_millis, replace};
use super::inspect::references;
use super::properties;
use super::purge::{contains, folder, metadata_files, other_folders, overlap, referenced_files};
use super::table::{Loaded, is_iceberg, manifests};
use crate::Result;
use crate::access::needs;
use crate::catalog::Catalog;
use crate::lake::{Lake, S3Uri};

/// Athena's limit for one statement, as its message tells it.
const MOST_FILES: usize = 20_000;

/// A file that no metadata names may belong to a statement that still runs; none runs longer than this.
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html>, the timeout of DML queries.
const LONGEST_STATEMENT: Duration = Duration::from_mins(30);

/// Removes what a table no longer needs.
///
/// # Errors
/// The catalog's and the lake's; `ICEBERG_VACUUM_MORE_RUNS_NEEDED` when there is more to remove than one statement does;
/// `ICEBERG_COMMIT_ERROR` if another commit came in between: nothing is removed then.
pub async fn vacuum(catalog: &Catalog, lake: &Lake, database: &str, name: &str) -> Result<()> {
    round(catalog, lake, database, name, MOST_FILES).await
}

/// One statement that removes at most `most` files, or those of one snapshot.
pub(super) async fn round(catalog: &Catalog, lake: &Lake, database: &str, name: &str, most: usize) -> Result<()> {
    let base = Loaded::load(catalog, lake, database, name).await?;
    let metadata = base.table.metadata();
    if S3Uri::parse(metadata.location())?.key.is_empty() {
        let message = format!("Path missing in file system location: {}", metadata.location());
        return Err(crate::Error::user("GENERIC_INTERNAL_ERROR", super::ICEBERG_ERROR_TYPE, message));
    }
    let (mut expired, kept) = by_age(metadata, now_millis())?;
    let uses = Uses::of(&base.table, &expired, &kept).await?;
    let going = uses.most_that_fit(most);
    let mut more = going < expired.len();
    expired.truncate(going);
    let next = without(&base.table, &expired)?;
    let others = Others::find(catalog, lake, &base, &uses).await?;
    let mut files = uses.freed(going);
    if going > 0 {
        let logged = metadata_files(&base.table, &next);
        files.extend(metadata_files(&base.table, metadata).difference(&logged).cloned());
    }
    if !more {
        let orphans = orphans(lake, &base.table, &uses, &next)?;
        more = files.len() + orphans.len() > most.max(files.len());
        let room = most.saturating_sub(files.len());
        files.extend(orphans.into_iter().take(room));
    }
    files.retain(|file| !others.need(file));
    let files = addresses(lake, &files)?;
    // All is asked for before anything goes: a caller who may not remove the files keeps the snapshots.
    for file in &files {
        lake.ask(needs::REMOVE_OBJECT, file)?;
    }
    if going > 0 {
        replace(catalog, lake, &base, &next).await?;
    }
    let lake = lake.unasked();
    files.iter().try_for_each(|file| lake.delete(file).map(drop))?;
    if more {
        let message = format!(
            "Removed {} files in this round of vacuum, but there are more files remaining. Please run another VACUUM \
             command to process the remaining files",
            files.len()
        );
        return Err(super::refused("ICEBERG_VACUUM_MORE_RUNS_NEEDED", message));
    }
    Ok(())
}

/// The snapshots that are too old, the oldest first, and the others.
/// Source: <https://iceberg.apache.org/spec/#snapshot-retention-policy>
fn by_age(metadata: &TableMetadata, now: i64) -> Result<(Vec<SnapshotRef>, Vec<SnapshotRef>)> {
    let oldest = now.saturating_sub(properties::snapshot_age_millis(metadata.properties()));
    let fewest = properties::snapshots_to_keep(metadata.properties());
    let mut kept: HashSet<i64> = metadata
        .snapshots()
        .filter(|snapshot| snapshot.timestamp_ms() >= oldest)
        .map(|snapshot| snapshot.snapshot_id())
        .collect();
    for reference in references(metadata)?.values() {
        let least = match reference.retention {
            SnapshotRetention::Branch { min_snapshots_to_keep, .. } => {
                min_snapshots_to_keep.and_then(|number| usize::try_from(number).ok()).unwrap_or(fewest)
            }
            SnapshotRetention::Tag { .. } => 1,
        };
        let parent = |id: &i64| metadata.snapshot_by_id(*id).and_then(|snapshot| snapshot.parent_snapshot_id());
        kept.extend(std::iter::successors(Some(reference.snapshot_id), parent).take(least.max(1)));
    }
    let (kept, mut expired): (Vec<_>, Vec<_>) =
        metadata.snapshots().cloned().partition(|snapshot| kept.contains(&snapshot.snapshot_id()));
    expired.sort_by_key(|snapshot| (snapshot.timestamp_ms(), snapshot.sequence_number()));
    Ok((expired, kept))
}

/// Which snapshot is the last one that needs a file.
struct Uses {
    /// By address: the number of the expired snapshot, counted from the oldest; none if one that stays needs it.
    last: HashMap<String, Option<usize>>,
    expired: usize,
}

impl Uses {
    async fn of(table: &Table, expired: &[SnapshotRef], kept: &[SnapshotRef]) -> Result<Self> {
        let mut uses = Self { last: HashMap::new(), expired: expired.len() };
        let mut known = HashMap::new();
        for (number, snapshot) in expired.iter().enumerate() {
            for file in files(table, snapshot, &mut known).await? {
                uses.last.insert(file, Some(number));
            }
        }
        for snapshot in kept {
            for file in files(table, snapshot, &mut known).await? {
                uses.last.insert(file, None);
            }
        }
        Ok(uses)
    }

    /// How many of the oldest snapshots can go, so that at most `most` files go with them; one in any case.
    fn most_that_fit(&self, most: usize) -> usize {
        let mut freed = vec![0_usize; self.expired];
        for number in self.last.values().filter_map(|number| *number) {
            freed[number] += 1;
        }
        let totals = freed.iter().scan(0, |total, files| {
            *total += files;
            Some(*total)
        });
        totals.take_while(|total| *total <= most).count().max(self.expired.min(1))
    }

    /// The files that the `going` oldest snapshots need and no other does.
    fn freed(&self, going: usize) -> BTreeSet<String> {
        let goes = |last: &Option<usize>| last.is_some_and(|number| number < going);
        self.last.iter().filter(|(_, last)| goes(last)).map(|(file, _)| file.clone()).collect()
    }
}

/// The files that a reader of a snapshot needs.
async fn files(table: &Table, snapshot: &SnapshotRef, known: &mut HashMap<String, Vec<String>>) -> Result<Vec<String>> {
    let mut files = vec![snapshot.manifest_list().to_owned()];
    for manifest in manifests(table, snapshot).await? {
        if !known.contains_key(&manifest.manifest_path) {
            let entries = manifest.load_manifest(table.file_io()).await?.into_parts().0;
            let alive = entries.iter().filter(|entry| entry.is_alive());
            let alive = alive.map(|entry| entry.file_path().to_owned()).collect();
            known.insert(manifest.manifest_path.clone(), alive);
        }
        files.extend(known.get(&manifest.manifest_path).into_iter().flatten().cloned());
        files.push(manifest.manifest_path);
    }
    Ok(files)
}

fn without(table: &Table, expired: &[SnapshotRef]) -> Result<TableMetadata> {
    let ids: Vec<i64> = expired.iter().map(|snapshot| snapshot.snapshot_id()).collect();
    if ids.is_empty() {
        return Ok(table.metadata().clone());
    }
    let location = table.metadata_location().map(str::to_owned);
    Ok(table.metadata().clone().into_builder(location).remove_snapshots(&ids).build()?.metadata)
}

/// Files below the table's location that nothing of the table names, and that are old. A metadata file of a former version
/// need not be old: whoever writes one now writes a later version.
fn orphans(lake: &Lake, table: &Table, uses: &Uses, next: &TableMetadata) -> Result<Vec<String>> {
    let age = u64::try_from(properties::snapshot_age_millis(next.properties())).unwrap_or_default();
    let oldest = SystemTime::now().checked_sub(Duration::from_millis(age).max(LONGEST_STATEMENT));
    let Some(oldest) = oldest else { return Ok(Vec::new()) };
    let mut named = metadata_files(table, table.metadata());
    named.extend(metadata_files(table, next));
    let folder = S3Uri::parse(next.location())?.folder();
    let current = table.metadata_location().and_then(version);
    let mut orphans = Vec::new();
    for object in lake.list(&folder.bucket, &folder.key)? {
        let address = S3Uri::new(&*folder.bucket, object.key).to_string();
        let former = version(&address).is_some_and(|version| Some(version) < current);
        let old = former || object.modified < oldest;
        if old && !named.contains(&address) && !uses.last.contains_key(&address) {
            orphans.push(address);
        }
    }
    Ok(orphans)
}

/// The number that the name of a metadata file begins with.
fn version(address: &str) -> Option<u64> {
    let name = address.rsplit('/').next()?;
    name.strip_suffix(".metadata.json")?.split_once('-')?.0.parse().ok()
}

fn addresses(lake: &Lake, files: &BTreeSet<String>) -> Result<Vec<S3Uri>> {
    let mut addresses = Vec::with_capacity(files.len());
    for file in files {
        let uri = S3Uri::parse(file)?;
        if lake.bucket_exists(&uri.bucket) {
            addresses.push(uri);
        }
    }
    Ok(addresses)
}

/// What the catalog's other entries need of the files here.
struct Others {
    files: HashSet<String>,
    /// Folders of tables whose files have no list.
    folders: Vec<S3Uri>,
}

impl Others {
    /// Looks at every entry whose folder and this table's have something in common. Athena does not take this look; it is
    /// this engine's own care, and asks for no right.
    async fn find(catalog: &Catalog, lake: &Lake, base: &Loaded, uses: &Uses) -> Result<Self> {
        let (catalog, lake) = (catalog.unasked(), lake.unasked());
        // A table that was swapped in may live elsewhere than its entry says.
        let own = [folder(&base.entry)?, S3Uri::parse(base.table.metadata().location())?.folder()];
        let mut others = Self { files: HashSet::new(), folders: Vec::new() };
        let mut seen = HashSet::new();
        for (other, used) in other_folders(&catalog, &base.entry)? {
            let shared = own.iter().any(|own| overlap(own, &used)) || uses.last.keys().any(|file| lies_in(file, &used));
            if !shared {
                continue;
            }
            let Some((database, name)) = other.split_once('.') else { continue };
            let found = catalog.get_table(database, name)?;
            if !is_iceberg(&found) {
                others.folders.push(used);
            } else if seen.insert(other.clone()) {
                let loaded = Loaded::of(found, &lake).await?;
                others.files.extend(referenced_files(&loaded.table).await?);
            }
        }
        Ok(others)
    }

    fn need(&self, file: &str) -> bool {
        self.files.contains(file) || self.folders.iter().any(|folder| lies_in(file, folder))
    }
}

fn lies_in(file: &str, folder: &S3Uri) -> bool {
    S3Uri::parse(file).is_ok_and(|uri| contains(folder, &uri))
}
