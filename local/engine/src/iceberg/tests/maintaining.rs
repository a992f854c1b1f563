//! `OPTIMIZE`, `VACUUM`, and former states: what is left in the lake, and who still finds what.

use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

use ::iceberg::spec::PrimitiveType;
use datafusion::catalog::TableProvider;

use super::super::table::{Loaded, manifests};
use super::super::vacuum::round;
use super::others::optional;
use super::*;
use crate::trino::AsOf;

impl Cloud {
    async fn optimize(&self, table: &str, condition: &str, most: usize) -> Result<Written> {
        let meter = Arc::new(ScanMeter::default());
        let changes = RowChanges::begin(&self.catalog, &self.lake, "db", table, meter).await.unwrap();
        self.sql.register_table("target", changes.target()).unwrap();
        let query = format!("SELECT \"$row\" FROM target WHERE {condition}");
        self.sql.sql(&query).await.unwrap().create_physical_plan().await.unwrap();
        self.sql.deregister_table("target").unwrap();
        changes.compact_some(most, self.sql.task_ctx()).await
    }

    async fn vacuum(&self, table: &str) -> Result<()> {
        vacuum(&self.catalog, &self.lake, "db", table).await
    }

    /// Makes an object as old as a day.
    fn age(&self, key: &str) {
        let path = self.lake.path(&S3Uri::new("lake", key)).unwrap();
        let day = SystemTime::now() - Duration::from_hours(24);
        File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(day)).unwrap();
    }

    async fn sum_as_of(&self, table: &str, as_of: &AsOf) -> Result<i64> {
        let meter = Arc::new(ScanMeter::default());
        let provider = IcebergTable::load_as_of(&self.catalog, &self.lake, "db", table, as_of, meter).await?;
        let column = provider.schema().field(0).name().clone();
        self.sql.register_table("former", Arc::new(provider)).unwrap();
        let answer = self.sql.sql(&format!("SELECT sum({column}) FROM former")).await.unwrap().collect().await.unwrap();
        self.sql.deregister_table("former").unwrap();
        Ok(answer[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0))
    }
}

/// The snapshots that were current, and since when.
fn log(loaded: &Loaded) -> Vec<(i64, i64)> {
    let log = loaded.table.metadata().history();
    log.iter().map(|entry| (entry.snapshot_id, entry.timestamp_ms())).collect()
}

fn impatient(name: &str, partitioning: &[&str]) -> NewTable {
    let mut new = table(name, &["n bigint"], partitioning);
    new.properties.insert("optimize_rewrite_data_file_threshold".into(), "2".into());
    new.properties.insert("vacuum_max_snapshot_age_seconds".into(), "0".into());
    new
}

#[tokio::test]
async fn small_files_become_one_and_the_deletes_of_others_go_with_their_files() {
    let cloud = Cloud::new();
    let written = cloud.create_as(&impatient("t", &[]), "SELECT unnest(range(0, 1000)) AS n").await.unwrap();
    cloud.delete_positions("t", &written.files[0], &[0, 7, 999]).await;
    cloud.append("t", "SELECT 5000").await.unwrap();
    let rows = cloud.optimize("t", "true", 100).await.unwrap();
    assert_eq!((rows.rows, rows.files.len()), (998, 1));
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 998);
    let files = cloud.inspect("t", "files", "SELECT content, record_count FROM meta").await;
    assert_eq!(files.lines().count(), 5, "{files}");
    let query = "SELECT summary['removed-delete-files'] AS d, summary['deleted-data-files'] AS f, \
                 summary['added-records'] AS r FROM meta WHERE operation = 'replace'";
    let shown = cloud.inspect("t", "snapshots", query).await;
    assert_eq!(shown.lines().nth(3).unwrap().replace(' ', ""), "|1|2|998|", "{shown}");
    let (_, bytes) = cloud.query("t", "SELECT count(*), max(n) FROM t").await;
    assert_eq!(bytes, 0, "without delete files the manifests know the answer again");
    assert_eq!(cloud.optimize("t", "true", 100).await.unwrap(), Written::default());
}

#[tokio::test]
async fn more_partitions_than_one_statement_does_are_done_by_the_next() {
    let cloud = Cloud::new();
    cloud.create(&impatient("t", &["n"])).await.unwrap();
    for _ in 0..2 {
        cloud.append("t", "SELECT unnest(range(0, 5)) AS n").await.unwrap();
    }
    for _ in 0..2 {
        let more = cloud.optimize("t", "true", 2).await.unwrap_err();
        let words = "ICEBERG_OPTIMIZE_MORE_RUNS_NEEDED: Rewrote 4 files in this round of optimize";
        assert!(more.to_string().starts_with(words), "{more}");
        assert!(!more.athena_error().retryable);
    }
    assert_eq!(cloud.optimize("t", "true", 2).await.unwrap().files.len(), 1);
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 20);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 10);
}

#[tokio::test]
async fn a_compaction_that_another_commit_overtook_is_a_conflict() {
    let cloud = Cloud::new();
    cloud.create(&impatient("t", &[])).await.unwrap();
    for _ in 0..3 {
        cloud.append("t", "SELECT 1 AS n").await.unwrap();
    }
    let meter = Arc::new(ScanMeter::default());
    let changes = RowChanges::begin(&cloud.catalog, &cloud.lake, "db", "t", meter).await.unwrap();
    cloud.sql.register_table("target", changes.target()).unwrap();
    cloud.sql.sql("SELECT \"$row\" FROM target").await.unwrap().create_physical_plan().await.unwrap();
    cloud.append("t", "SELECT 1 AS n").await.unwrap();
    let before = cloud.keys("t/");
    let lost = changes.compact_some(100, cloud.sql.task_ctx()).await.unwrap_err();
    assert!(lost.to_string().starts_with("ICEBERG_COMMIT_ERROR: "), "{lost}");
    assert_eq!(cloud.keys("t/"), before);
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 4);
}

#[tokio::test]
async fn a_former_state_is_read_with_its_own_columns() {
    let cloud = Cloud::new();
    cloud.create_as(&table("t", &["n bigint"], &[]), "SELECT 1 AS n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    cloud.append("t", "SELECT 10").await.unwrap();
    let loaded = Loaded::load(&cloud.catalog, &cloud.lake, "db", "t").await.unwrap();
    let snapshots = log(&loaded);
    cloud.evolve("t", vec![optional(1, "m", PrimitiveType::Long)]).await;
    cloud.append("t", "SELECT 100").await.unwrap();
    let [(first, at), (second, later)] = snapshots.as_slice() else { panic!("{snapshots:?}") };
    assert_eq!(cloud.sum_as_of("t", &AsOf::Snapshot(*first)).await.unwrap(), 1);
    assert_eq!(cloud.sum_as_of("t", &AsOf::Snapshot(*second)).await.unwrap(), 11);
    assert_eq!(cloud.sum_as_of("t", &AsOf::Reference("main".into())).await.unwrap(), 111);
    for (time, sum) in [(*at, 1), (*later - 1, 1), (*later, 11)] {
        assert_eq!(cloud.sum_as_of("t", &AsOf::Time(time)).await.unwrap(), sum, "{time}");
    }
    let early = cloud.sum_as_of("t", &AsOf::Time(*at - 1)).await.unwrap_err().to_string();
    assert!(early.starts_with("INVALID_ARGUMENTS: No version history table db.t at or before "), "{early}");
    let meter = Arc::new(ScanMeter::default());
    let old = IcebergTable::load_as_of(&cloud.catalog, &cloud.lake, "db", "t", &AsOf::Snapshot(*first), meter).await;
    assert_eq!(old.unwrap().schema().field(0).name(), "n");
}

#[tokio::test]
async fn old_snapshots_and_what_only_they_need_are_removed() {
    let cloud = Cloud::new();
    cloud.create(&impatient("t", &[])).await.unwrap();
    for n in 1..=3 {
        cloud.append("t", &format!("SELECT {n} AS n")).await.unwrap();
    }
    cloud.optimize("t", "true", 100).await.unwrap();
    let needed = cloud.needed("t").await;
    cloud.vacuum("t").await.unwrap();
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 6);
    let metadata = |key: &String| key.contains(".metadata.json");
    let left: Vec<_> = cloud.keys("t/").into_iter().filter(|key| !metadata(key)).collect();
    assert_eq!(left, needed, "exactly the files of the one snapshot that is left");
    let location = cloud.metadata_location("t");
    cloud.vacuum("t").await.unwrap();
    assert_eq!(cloud.metadata_location("t"), location, "nothing to do, nothing written");
}

#[tokio::test]
async fn young_snapshots_and_as_many_as_the_table_wants_stay() {
    let cloud = Cloud::new();
    let mut patient = impatient("patient", &[]);
    patient.properties.insert("vacuum_max_snapshot_age_seconds".into(), "3600".into());
    let mut many = impatient("many", &[]);
    many.properties.insert("vacuum_min_snapshots_to_keep".into(), "2".into());
    for (new, left) in [(patient, 3), (many, 2)] {
        cloud.create(&new).await.unwrap();
        for n in 1..=3 {
            cloud.append(&new.name, &format!("SELECT {n} AS n")).await.unwrap();
        }
        cloud.vacuum(&new.name).await.unwrap();
        let loaded = Loaded::load(&cloud.catalog, &cloud.lake, "db", &new.name).await.unwrap();
        assert_eq!(loaded.table.metadata().snapshots().count(), left, "{}", new.name);
        for (id, _) in log(&loaded) {
            cloud.sum_as_of(&new.name, &AsOf::Snapshot(id)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn more_files_than_one_statement_removes_are_removed_by_the_next() {
    let cloud = Cloud::new();
    cloud.create(&impatient("t", &[])).await.unwrap();
    for n in 1..=6 {
        cloud.append("t", &format!("SELECT {n} AS n")).await.unwrap();
    }
    cloud.optimize("t", "true", 100).await.unwrap();
    let needed = cloud.needed("t").await;
    let mut rounds = 0;
    loop {
        rounds += 1;
        match round(&cloud.catalog, &cloud.lake, "db", "t", 3).await {
            Ok(()) => break,
            Err(more) => {
                assert!(more.to_string().starts_with("ICEBERG_VACUUM_MORE_RUNS_NEEDED: Removed "), "{more}");
                assert_eq!((more.athena_error().error_type, more.athena_error().retryable), (233, false));
            }
        }
        assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 21);
        assert!(rounds < 20);
    }
    assert!(rounds > 1);
    let left: Vec<_> = cloud.keys("t/").into_iter().filter(|key| !key.contains(".metadata.json")).collect();
    assert_eq!(left, needed);
}

#[tokio::test]
async fn orphans_go_when_they_are_old_and_nobody_needs_them() {
    let cloud = Cloud::new();
    cloud.create_as(&impatient("t", &[]), "SELECT 1 AS n").await.unwrap();
    for key in ["t/data/killed.parquet", "t/data/under-way.parquet", "t/metadata/killed-m0.avro"] {
        cloud.lake.put(&S3Uri::new("lake", key), b"?").unwrap();
    }
    // Another entry's metadata in the same folder, and another table below it.
    let other = cloud.catalog.get_table("db", "t").unwrap();
    cloud.catalog.create_table("db", crate::catalog::Table { name: "twin".into(), ..other }).unwrap();
    cloud.append("twin", "SELECT 10 AS n").await.unwrap();
    let mut below = table("below", &["n bigint"], &[]);
    below.location = "s3://lake/t/below/".into();
    cloud.create_as(&below, "SELECT 100 AS n").await.unwrap();
    for key in cloud.keys("t/").iter().filter(|key| !key.contains("under-way")) {
        cloud.age(key);
    }
    cloud.append("t", "SELECT 2 AS n").await.unwrap();
    cloud.vacuum("t").await.unwrap();
    for (table, sum) in [("t", 3), ("twin", 11), ("below", 100)] {
        assert_eq!(cloud.number(table, &format!("SELECT sum(n) FROM {table}")).await, sum, "{table}");
    }
    let keys = cloud.keys("t/");
    assert!(!keys.iter().any(|key| key.contains("killed")), "{keys:?}");
    assert!(keys.iter().any(|key| key.contains("under-way")), "{keys:?}");
}

#[tokio::test]
async fn a_table_that_was_swapped_in_leaves_what_lies_below_it() {
    let cloud = Cloud::new();
    cloud.create_as(&impatient("old", &[]), "SELECT 1 AS n").await.unwrap();
    cloud.create_as(&impatient("new", &[]), "SELECT 2 AS n").await.unwrap();
    let mut below = table("below", &["n bigint"], &[]);
    below.location = "s3://lake/new/below/".into();
    cloud.create_as(&below, "SELECT 100 AS n").await.unwrap();
    let mut entry = cloud.catalog.get_table("db", "old").unwrap();
    entry.parameters.insert("metadata_location".into(), cloud.metadata_location("new"));
    cloud.catalog.update_table("db", entry, None).unwrap();
    cloud.catalog.delete_table("db", "new").unwrap();
    cloud.keys("").iter().for_each(|key| cloud.age(key));
    let former = cloud.keys("old/");
    cloud.append("old", "SELECT 20 AS n").await.unwrap();
    cloud.vacuum("old").await.unwrap();
    assert_eq!(cloud.number("old", "SELECT sum(n) FROM old").await, 22);
    assert_eq!(cloud.number("below", "SELECT sum(n) FROM below").await, 100);
    assert_eq!(cloud.keys("old/"), former, "the version before the swap is another table's");
}

#[tokio::test]
async fn as_many_former_metadata_files_stay_as_the_table_wants() {
    let cloud = Cloud::new();
    let mut new = impatient("t", &[]);
    new.properties.insert("vacuum_max_metadata_files_to_keep".into(), "2".into());
    cloud.create(&new).await.unwrap();
    for n in 1..=5 {
        cloud.append("t", &format!("SELECT {n} AS n")).await.unwrap();
    }
    let metadata = || cloud.keys("t/").iter().filter(|key| key.ends_with(".metadata.json")).count();
    assert_eq!(metadata(), 6);
    cloud.vacuum("t").await.unwrap();
    assert_eq!(metadata(), 3, "the current one and two before it");
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 15);
}

#[tokio::test]
async fn a_bucket_is_no_folder() {
    let cloud = Cloud::new();
    let mut new = impatient("t", &[]);
    new.location = "s3://lake/".into();
    cloud.create(&new).await.unwrap();
    let error = cloud.vacuum("t").await.unwrap_err().to_string();
    assert!(error.starts_with("GENERIC_INTERNAL_ERROR: Path missing in file system location: s3://lake"), "{error}");
}

impl Cloud {
    /// The files that the newest snapshot needs, by key.
    async fn needed(&self, table: &str) -> Vec<String> {
        let loaded = Loaded::load(&self.catalog, &self.lake, "db", table).await.unwrap();
        let snapshot = loaded.table.metadata().current_snapshot().unwrap().clone();
        let mut needed = vec![snapshot.manifest_list().to_owned()];
        for manifest in manifests(&loaded.table, &snapshot).await.unwrap() {
            let entries = manifest.load_manifest(loaded.table.file_io()).await.unwrap().into_parts().0;
            needed.extend(entries.iter().filter(|entry| entry.is_alive()).map(|entry| entry.file_path().to_owned()));
            needed.push(manifest.manifest_path);
        }
        let mut keys: Vec<_> = needed.iter().map(|file| uri(file).key).collect();
        keys.sort();
        keys
    }
}
