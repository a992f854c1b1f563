//! Rows changed in place of others: what is read, what is written, and whose commit counts.

use std::collections::BTreeSet;

use ::iceberg::spec::Operation;

use super::super::commit::{Change, commit};
use super::super::table::Loaded;
use super::*;

impl Cloud {
    async fn begin(&self, table: &str) -> RowChanges {
        let meter = Arc::new(ScanMeter::default());
        RowChanges::begin(&self.catalog, &self.lake, "db", table, meter).await.unwrap()
    }

    /// Applies what `query` says of the rows of `target`.
    async fn change(&self, changes: RowChanges, query: &str, actions: &[RowAction]) -> Result<Written> {
        self.sql.register_table("target", changes.target()).unwrap();
        let plan = self.sql.sql(query).await.unwrap().create_physical_plan().await.unwrap();
        self.sql.deregister_table("target").unwrap();
        changes.apply(plan, actions, false, self.sql.task_ctx()).await
    }

    async fn delete(&self, table: &str, condition: &str) -> Result<u64> {
        let query = format!("SELECT \"$row\", CAST(1 AS int) FROM target WHERE {condition}");
        let changes = self.begin(table).await;
        Ok(self.change(changes, &query, &[RowAction::Delete]).await?.rows)
    }

    async fn live_files(&self, table: &str) -> BTreeSet<String> {
        let shown = self.inspect(table, "files", "SELECT file_path FROM meta WHERE content = 0").await;
        shown
            .lines()
            .filter_map(|line| Some(line.split_once("s3://lake/")?.1.trim_end_matches([' ', '|']).to_owned()))
            .collect()
    }
}

#[tokio::test]
async fn rows_that_others_deleted_stay_deleted_and_the_right_ones_follow() {
    let cloud = Cloud::new();
    let rows = "SELECT unnest(range(0, 100000)) AS n ORDER BY n";
    let written = cloud.create_as(&table("t", &["n bigint"], &[]), rows).await.unwrap();
    cloud.delete_positions("t", &written.files[0], &[0, 7, 99_999]).await;
    assert_eq!(cloud.delete("t", "n % 1000 = 7").await.unwrap(), 99);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 100_000 - 3 - 99);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE n % 1000 = 7 OR n = 0 OR n = 99999").await, 0);
    assert_eq!(cloud.delete("t", "n % 1000 = 7 OR n = 0").await.unwrap(), 0);
    assert_eq!(cloud.delete("t", "true").await.unwrap(), 100_000 - 3 - 99);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 0);
}

#[tokio::test]
async fn rows_that_others_deleted_by_value_stay_deleted_and_may_come_again() {
    let cloud = Cloud::new();
    cloud.create_as(&table("t", &["n bigint"], &[]), "SELECT unnest(range(0, 20000)) AS n ORDER BY n").await.unwrap();
    cloud.delete_equal("t", &[3, 9000, 19_999]).await;
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 19_997);
    assert_eq!(cloud.delete("t", "n % 100 = 3 OR n = 9000").await.unwrap(), 199);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 19_997 - 199);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE n % 100 = 3 OR n IN (9000, 19999)").await, 0);
    // The delete file is older than the row that comes again.
    let changes = cloud.begin("t").await;
    let query = "SELECT \"$row\", CAST(1 AS int), CAST(9000 AS bigint) FROM target WHERE n = 5";
    assert_eq!(cloud.change(changes, query, &[RowAction::Update]).await.unwrap().rows, 1);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE n = 9000").await, 1);
}

#[tokio::test]
async fn a_file_that_several_streams_read_keeps_its_rows_apart() {
    let cloud = Cloud::new();
    let rows = "SELECT n FROM (SELECT unnest(range(0, 2500000)) AS n) ORDER BY n";
    let written = cloud.create_as(&table("t", &["n bigint"], &[]), rows).await.unwrap();
    assert_eq!(written.files.len(), 1);
    let changes = cloud.begin("t").await;
    let query = "SELECT \"$row\", CAST(1 AS int), -n FROM target WHERE n % 100000 = 17";
    cloud.sql.register_table("target", changes.target()).unwrap();
    let shown = cloud.sql.sql(&format!("EXPLAIN {query}")).await.unwrap().collect().await.unwrap();
    cloud.sql.deregister_table("target").unwrap();
    let shown = pretty_format_batches(&shown).unwrap().to_string();
    assert!(!shown.contains("pieces=1,"), "the file is too small for the test: {shown}");
    assert_eq!(cloud.change(changes, query, &[RowAction::Update]).await.unwrap().rows, 25);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t WHERE n < 0 AND n % 100000 = -17").await, 25);
    assert_eq!(cloud.number("t", "SELECT count(DISTINCT abs(n)) FROM t").await, 2_500_000);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 2_500_000);
}

#[tokio::test]
async fn only_files_with_an_affected_row_are_written_anew_and_whole_files_are_only_dropped() {
    let cloud = Cloud::new();
    cloud.create(&pageviews("t")).await.unwrap();
    cloud.append("t", &daily_rows(90, 20)).await.unwrap();
    let before = cloud.live_files("t").await;
    assert_eq!(before.len(), 3);
    assert_eq!(cloud.delete("t", "url = '/page/3' AND view_date = date '2026-02-05'").await.unwrap(), 1);
    let after = cloud.live_files("t").await;
    assert_eq!(before.intersection(&after).count(), 2, "{after:?}");
    let objects = cloud.keys("t/data/");
    assert_eq!(cloud.delete("t", "view_date < date '2026-02-01'").await.unwrap(), 31 * 20);
    assert_eq!(cloud.keys("t/data/"), objects, "no data file is written");
    let shown = cloud.inspect("t", "snapshots", "SELECT operation FROM meta ORDER BY committed_at").await;
    let operations: Vec<_> = shown.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim).collect();
    assert_eq!(operations[1..], ["append", "overwrite", "delete"]);
}

#[tokio::test]
async fn another_commit_in_between_is_a_conflict_and_nothing_is_left() {
    let cloud = Cloud::new();
    cloud.create_as(&table("t", &["n bigint"], &[]), "SELECT unnest(range(0, 10)) AS n").await.unwrap();
    let changes = cloud.begin("t").await;
    let insert = cloud.begin("t").await;
    cloud.append("t", "SELECT 100").await.unwrap();
    let before = cloud.keys("t/");
    let query = "SELECT \"$row\", CAST(1 AS int), n + 1000 FROM target WHERE n < 5";
    let lost = cloud.change(changes, query, &[RowAction::Update]).await.unwrap_err();
    assert_eq!(lost.to_string(), "ICEBERG_COMMIT_ERROR: Failed to commit Iceberg update to table: db.t");
    assert!(lost.athena_error().retryable);
    // A MERGE that only inserts is as wrong after another commit: it may have inserted the same rows.
    let query = "SELECT CAST(NULL AS bigint), CAST(1 AS int), CAST(7 AS bigint)";
    let lost = cloud.change(insert, query, &[RowAction::Insert]).await.unwrap_err();
    assert!(lost.to_string().starts_with("ICEBERG_COMMIT_ERROR: "), "{lost}");
    assert_eq!(cloud.keys("t/"), before);
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 145);
}

#[tokio::test]
async fn a_change_of_the_entry_alone_does_no_harm() {
    let cloud = Cloud::new();
    cloud.create_as(&table("t", &["n bigint"], &[]), "SELECT unnest(range(0, 10)) AS n").await.unwrap();
    let changes = cloud.begin("t").await;
    let mut entry = cloud.catalog.get_table("db", "t").unwrap();
    entry.parameters.insert("comment".into(), "someone's note".into());
    cloud.catalog.update_table("db", entry, None).unwrap();
    let query = "SELECT \"$row\", CAST(1 AS int) FROM target WHERE n = 5";
    assert_eq!(cloud.change(changes, query, &[RowAction::Delete]).await.unwrap().rows, 1);
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 40);
    assert_eq!(cloud.catalog.get_table("db", "t").unwrap().parameters["comment"], "someone's note");
}

#[tokio::test]
async fn a_table_that_was_swapped_meanwhile_is_a_conflict() {
    let cloud = Cloud::new();
    for name in ["t", "other"] {
        cloud.create_as(&table(name, &["n bigint"], &[]), "SELECT unnest(range(0, 10)) AS n").await.unwrap();
    }
    let changes = cloud.begin("t").await;
    let mut entry = cloud.catalog.get_table("db", "t").unwrap();
    entry.parameters.insert("metadata_location".into(), cloud.metadata_location("other"));
    cloud.catalog.update_table("db", entry, None).unwrap();
    let query = "SELECT \"$row\", CAST(1 AS int) FROM target WHERE n = 5";
    let lost = cloud.change(changes, query, &[RowAction::Delete]).await.unwrap_err();
    assert!(lost.to_string().starts_with("ICEBERG_COMMIT_ERROR: "), "{lost}");
}

#[tokio::test]
async fn a_bound_change_without_removed_files_is_not_tried_again() {
    let cloud = Cloud::new();
    cloud.create(&table("t", &["n bigint"], &[])).await.unwrap();
    let base = Loaded::load(&cloud.catalog, &cloud.lake, "db", "t").await.unwrap();
    cloud.append("t", "SELECT 1").await.unwrap();
    let change = Change { operation: Operation::Append, bound: true, ..Change::append(Vec::new()) };
    let lost = commit(&cloud.catalog, &cloud.lake, base, &change).await.unwrap_err();
    assert!(lost.to_string().starts_with("ICEBERG_COMMIT_ERROR: "), "{lost}");
}
