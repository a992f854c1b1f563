//! Partitions, files, snapshots, conflicts, and what failures leave.

use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;

#[tokio::test]
async fn a_month_is_one_file_and_only_its_bytes_are_read() {
    let cloud = Cloud::new();
    cloud.create(&pageviews("t")).await.unwrap();
    let written = cloud.append("t", &daily_rows(90, 200)).await.unwrap();
    assert_eq!((written.rows, written.files.len()), (18_000, 3), "{:?}", written.files);
    assert!(written.files[0].starts_with("s3://lake/t/data/view_date_month=2026-01/"), "{}", written.files[0]);
    let (_, all) = cloud.query("t", "SELECT sum(view_count), count(url) FROM t").await;
    let february = "SELECT sum(view_count), count(url) FROM t \
                    WHERE view_date >= DATE '2026-02-01' AND view_date < DATE '2026-03-01'";
    let (answer, one) = cloud.query("t", february).await;
    let shown = pretty_format_batches(&answer).unwrap().to_string();
    assert!(shown.contains(&format!("{}", 28 * 199 * 200 / 2)), "{shown}");
    assert!(one > 0 && one * 2 < all, "{one} of {all} bytes");
    let (_, none) = cloud.query("t", "SELECT sum(view_count) FROM t WHERE view_date = DATE '2020-01-01'").await;
    assert_eq!(none, 0);
}

#[tokio::test]
async fn only_the_columns_asked_for_are_read_and_no_more_than_the_files_hold() {
    let cloud = Cloud::new();
    cloud.create(&pageviews("t")).await.unwrap();
    let written = cloud.append("t", &daily_rows(20, 5000)).await.unwrap();
    let size: u64 = written.files.iter().map(|file| cloud.lake.head(&uri(file)).unwrap().size).sum();
    let (_, everything) = cloud.query("t", "SELECT * FROM t").await;
    assert!(everything <= size, "{everything} of {size}");
    let (_, one) = cloud.query("t", "SELECT sum(view_count) FROM t").await;
    assert!(one * 2 < everything, "{one} of {everything}");
}

#[tokio::test]
async fn the_compression_asked_for_is_the_compression_in_the_file() {
    let cloud = Cloud::new();
    for (codec, wanted) in [("snappy", "SNAPPY"), ("zstd", "ZSTD"), ("gzip", "GZIP"), ("none", "UNCOMPRESSED")] {
        let mut new = table(codec, &["a bigint", "s string"], &[]);
        new.properties = Parameters::from([("write_compression".into(), codec.into())]);
        let written = cloud.create_as(&new, "SELECT 1, 'x'").await.unwrap();
        let file = cloud.lake.open_object(&uri(&written.files[0])).unwrap();
        let footer = SerializedFileReader::new(file).unwrap();
        for column in footer.metadata().row_group(0).columns() {
            assert!(format!("{:?}", column.compression()).starts_with(wanted), "{codec}: {column:?}");
        }
        assert_eq!(cloud.number(codec, &format!("SELECT a FROM {codec}")).await, 1);
    }
}

#[tokio::test]
async fn files_grow_to_the_target_size_and_not_far_beyond() {
    let cloud = Cloud::new();
    let mut new = table("t", &["n bigint", "s string"], &[]);
    new.properties.insert("write_target_data_file_size_bytes".into(), "500000".into());
    let query = "SELECT n, md5(CAST(n AS varchar)) FROM (SELECT unnest(range(0, 100000)) AS n)";
    let written = cloud.create_as(&new, query).await.unwrap();
    let sizes: Vec<u64> = written.files.iter().map(|file| cloud.lake.head(&uri(file)).unwrap().size).collect();
    assert!(sizes.len() > 3, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < 1_000_000), "{sizes:?}");
    assert_eq!(cloud.number("t", "SELECT count(DISTINCT s) FROM t").await, 100_000);
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 99_999 * 50_000);
}

#[tokio::test]
async fn every_transform_writes_and_prunes() {
    let cloud = Cloud::new();
    let query = "SELECT CAST(n AS bigint), TIMESTAMP '2026-01-01 00:00:00' + CAST(n * 7 || ' hours' AS interval), \
                 CASE WHEN n % 5 = 0 THEN NULL ELSE 'k' || (n % 3) END FROM (SELECT unnest(range(0, 50)) AS n)";
    for (index, term) in
        ["year(t)", "month(t)", "day(t)", "hour(t)", "bucket(4, n)", "truncate(10, n)", "truncate(2, s)", "s"]
            .iter()
            .enumerate()
    {
        let name = format!("t{index}");
        let written = cloud.create_as(&table(&name, &["n bigint", "t timestamp", "s string"], &[term]), query).await;
        assert_eq!(written.unwrap().rows, 50, "{term}");
        assert_eq!(cloud.number(&name, &format!("SELECT sum(n) FROM {name}")).await, 1225, "{term}");
        assert_eq!(cloud.number(&name, &format!("SELECT count(*) FROM {name} WHERE n = 17 AND s = 'k2'")).await, 1);
        let day = "t >= TIMESTAMP '2026-01-03 00:00:00' AND t < TIMESTAMP '2026-01-04 00:00:00'";
        assert_eq!(cloud.number(&name, &format!("SELECT count(*) FROM {name} WHERE {day}")).await, 4, "{term}");
        assert_eq!(cloud.number(&name, &format!("SELECT count(*) FROM {name} WHERE s IS NULL")).await, 10, "{term}");
        assert_eq!(
            cloud.number(&name, &format!("SELECT count(*) FROM {name} WHERE NOT (s = 'k1')")).await,
            26,
            "{term}"
        );
    }
}

#[tokio::test]
async fn a_partition_value_of_any_letters_has_a_file_of_its_own() {
    let cloud = Cloud::new();
    let long = "ü".repeat(300);
    let query = format!("SELECT * FROM (VALUES ('a/b', 1), ('é?#%', 2), ('', 3), (NULL, 4), ('..', 5), ('{long}', 6))");
    let written = cloud.create_as(&table("t", &["s string", "n bigint"], &["s"]), &query).await.unwrap();
    assert_eq!(written.files.len(), 6, "{:?}", written.files);
    assert!(written.files.iter().all(|file| file.is_ascii() && !file.contains(['?', '#', ' '])));
    assert_eq!(cloud.number("t", "SELECT n FROM t WHERE s = 'é?#%'").await, 2);
    assert_eq!(cloud.number("t", "SELECT n FROM t WHERE s IS NULL").await, 4);
    assert_eq!(cloud.number("t", "SELECT n FROM t WHERE s = ''").await, 3);
    assert_eq!(cloud.number("t", &format!("SELECT n FROM t WHERE s = '{long}'")).await, 6);
}

#[tokio::test]
async fn one_hundred_partitions_are_written_and_one_more_is_refused() {
    let cloud = Cloud::new();
    cloud.create(&table("t", &["n bigint"], &["n"])).await.unwrap();
    cloud.append("t", "SELECT unnest(range(0, 100))").await.unwrap();
    let before = cloud.keys("t/");
    let error = cloud.append("t", "SELECT unnest(range(0, 101))").await.unwrap_err().to_string();
    assert_eq!(error, "ICEBERG_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions");
    assert_eq!(cloud.keys("t/"), before);
}

#[tokio::test]
async fn every_append_is_one_snapshot_with_running_totals() {
    let cloud = Cloud::new();
    cloud.create(&pageviews("t")).await.unwrap();
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 0);
    cloud.append("t", &daily_rows(2, 3)).await.unwrap();
    cloud.append("t", &daily_rows(1, 4)).await.unwrap();
    assert_eq!(cloud.append("t", &daily_rows(0, 0)).await.unwrap(), Written::default());
    let summary = "SELECT operation, summary['added-records'] AS added, summary['total-records'] AS total, \
                   summary['total-data-files'] AS files, parent_id IS NULL AS first FROM meta ORDER BY committed_at";
    let shown = cloud.inspect("t", "snapshots", summary).await;
    let rows: Vec<&str> = shown.lines().skip(3).take(2).collect();
    assert_eq!(rows[0].replace(' ', ""), "|append|6|6|1|true|", "{shown}");
    assert_eq!(rows[1].replace(' ', ""), "|append|4|10|2|false|", "{shown}");
    let history = cloud.inspect("t", "history", "SELECT count(*), bool_and(is_current_ancestor) FROM meta").await;
    assert!(history.contains("| 2        | true"), "{history}");
    let files = cloud
        .inspect("t", "files", "SELECT sum(record_count), min(map_extract(lower_bounds, CAST(1 AS int))[1]), max(map_extract(upper_bounds, CAST(1 AS int))[1]) FROM meta")
        .await;
    assert!(files.contains("| 10") && files.contains("2026-01-01") && files.contains("2026-01-02"), "{files}");
    let partitions =
        cloud.inspect("t", "partitions", "SELECT record_count, file_count, data['view_date']['max'] FROM meta").await;
    assert!(partitions.contains("| 10           | 2          | 2026-01-02"), "{partitions}");
    assert!(cloud.inspect("t", "refs", "SELECT name, type FROM meta").await.contains("| main | BRANCH |"));
    assert!(cloud.inspect("t", "manifests", "SELECT count(*) FROM meta").await.contains("| 2 "));
    let unknown = IcebergTable::metadata_table(&cloud.catalog, &cloud.lake, "db", "t", "nothing").await.unwrap_err();
    assert!(unknown.to_string().starts_with("TABLE_NOT_FOUND: "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_at_once_all_arrive() {
    let cloud = Arc::new(Cloud::new());
    cloud.create(&table("t", &["n bigint"], &[])).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let cloud = Arc::clone(&cloud);
        writers.spawn(async move { cloud.append("t", &format!("SELECT {n}")).await });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap().unwrap();
    }
    assert_eq!(cloud.number("t", "SELECT sum(n) FROM t").await, 6);
    assert_eq!(
        cloud.inspect("t", "snapshots", "SELECT count(*) FROM meta").await.lines().nth(3).unwrap().trim(),
        "| 4        |"
    );
}

#[tokio::test]
async fn a_failed_create_table_as_leaves_neither_entry_nor_file() {
    let cloud = Cloud::new();
    let new = table("t", &["n bigint", "m bigint"], &["n"]);
    let error =
        cloud.create_as(&new, "SELECT n, 1 / (n - 40) FROM (SELECT unnest(range(0, 50)) AS n)").await.unwrap_err();
    assert_eq!(error.to_string(), "DIVISION_BY_ZERO: Division by zero");
    assert!(cloud.catalog.get_table("db", "t").is_err());
    assert_eq!(cloud.keys("t/"), Vec::<String>::new());
    cloud.create_as(&new, "SELECT 1 AS a, 1 AS b").await.unwrap();
    let again = cloud.create_as(&new, "SELECT 1 AS a, 1 AS b").await.unwrap_err().to_string();
    assert!(again.contains("already exists"), "{again}");
    let mut elsewhere = table("other", &["n bigint"], &[]);
    elsewhere.location = "s3://lake/t".into();
    let occupied = cloud.create_as(&elsewhere, "SELECT 1").await.unwrap_err().to_string();
    assert!(
        occupied.starts_with("ICEBERG_FILESYSTEM_ERROR: Cannot create a table on a non-empty location"),
        "{occupied}"
    );
}

#[tokio::test]
async fn an_empty_create_table_as_is_an_empty_table() {
    let cloud = Cloud::new();
    let written = cloud.create_as(&pageviews("t"), &format!("{} WHERE false", daily_rows(1, 1))).await.unwrap();
    assert_eq!(written, Written::default());
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 0);
    cloud.append("t", &daily_rows(1, 1)).await.unwrap();
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 1);
}

#[tokio::test]
async fn a_dropped_statement_removes_its_files() {
    let cloud = Cloud::new();
    cloud.create(&table("t", &["n bigint"], &[])).await.unwrap();
    let before = cloud.keys("t/");
    let endless = "SELECT a.n FROM (SELECT unnest(range(0, 10000)) AS n) a, (SELECT unnest(range(0, 10000)) AS n) b";
    let stopped = tokio::time::timeout(std::time::Duration::from_millis(200), cloud.append("t", endless)).await;
    assert!(stopped.is_err());
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(cloud.keys("t/"), before);
    assert_eq!(cloud.number("t", "SELECT count(*) FROM t").await, 0);
}

#[tokio::test]
async fn a_drop_removes_its_files_and_no_other_tables() {
    let cloud = Cloud::new();
    cloud.create_as(&pageviews("a"), &daily_rows(3, 3)).await.unwrap();
    cloud.create_as(&pageviews("ab"), &daily_rows(3, 3)).await.unwrap();
    drop_table(&cloud.catalog, &cloud.lake, "db", "a").await.unwrap();
    assert_eq!(cloud.keys("a/"), Vec::<String>::new());
    assert!(cloud.catalog.get_table("db", "a").is_err());
    assert_eq!(cloud.number("ab", "SELECT count(view_count) FROM ab").await, 9);
}

#[tokio::test]
async fn a_drop_of_shared_files_is_refused() {
    let cloud = Cloud::new();
    cloud.create_as(&pageviews("live"), &daily_rows(3, 3)).await.unwrap();
    // As after the swap: two entries, one metadata file.
    let mut twin = cloud.catalog.get_table("db", "live").unwrap();
    twin.name = "twin".into();
    cloud.catalog.create_table("db", twin).unwrap();
    let before = cloud.keys("");
    for name in ["twin", "live"] {
        let error = drop_table(&cloud.catalog, &cloud.lake, "db", name).await.unwrap_err().to_string();
        assert!(error.starts_with("ICEBERG_FILESYSTEM_ERROR: Cannot drop table db."), "{error}");
    }
    assert_eq!(cloud.keys(""), before);
    cloud.catalog.delete_table("db", "twin").unwrap();
    drop_table(&cloud.catalog, &cloud.lake, "db", "live").await.unwrap();
    assert_eq!(cloud.keys(""), Vec::<String>::new());
}

#[tokio::test]
async fn a_swapped_table_reads_and_writes_as_its_new_self() {
    let cloud = Cloud::new();
    cloud.create_as(&pageviews("old"), &daily_rows(2, 2)).await.unwrap();
    cloud.create_as(&pageviews("new"), &daily_rows(5, 5)).await.unwrap();
    let (mut entry, new) =
        (cloud.catalog.get_table("db", "old").unwrap(), cloud.catalog.get_table("db", "new").unwrap());
    entry.parameters.insert("metadata_location".into(), new.parameters["metadata_location"].clone());
    entry.storage_descriptor = new.storage_descriptor;
    let version = entry.version_id.clone();
    cloud.catalog.update_table("db", entry, version.as_deref()).unwrap();
    cloud.catalog.delete_table("db", "new").unwrap();
    assert_eq!(cloud.number("old", "SELECT count(*) FROM old").await, 25);
    cloud.append("old", &daily_rows(1, 1)).await.unwrap();
    assert_eq!(cloud.number("old", "SELECT count(url) FROM old").await, 26);
    assert!(cloud.metadata_location("old").starts_with("s3://lake/new/metadata/00001-"));
    assert_eq!(cloud.keys("old/data/").len(), 1, "the old generation's files are still there");
}

#[tokio::test]
async fn a_table_altered_by_hand_is_an_error_that_names_it() {
    let cloud = Cloud::new();
    let written = cloud.create_as(&pageviews("t"), &daily_rows(1, 1)).await.unwrap();
    let load = || IcebergTable::load(&cloud.catalog, &cloud.lake, "db", "t", Arc::default());
    let metadata = uri(&cloud.metadata_location("t"));
    let whole = cloud.lake.read(&metadata).unwrap();
    cloud.lake.put(&metadata, b"{\"format-version\": 2").unwrap();
    let error = load().await.unwrap_err().to_string();
    assert!(
        error.starts_with("ICEBERG_INVALID_METADATA: Invalid metadata file for table db.t: s3://lake/t/"),
        "{error}"
    );
    cloud.lake.delete(&metadata).unwrap();
    let error = load().await.unwrap_err().to_string();
    assert!(error.starts_with("ICEBERG_MISSING_METADATA: "), "{error}");
    cloud.lake.put(&metadata, &whole).unwrap();
    cloud.lake.delete(&uri(&written.files[0])).unwrap();
    cloud.sql.register_table("t", Arc::new(load().await.unwrap())).unwrap();
    let error = cloud.sql.sql("SELECT url FROM t").await.unwrap().collect().await.unwrap_err().to_string();
    assert!(error.contains("ICEBERG_CANNOT_OPEN_SPLIT") && error.contains("data/"), "{error}");
}
