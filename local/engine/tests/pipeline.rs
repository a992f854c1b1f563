//! The engine from its one entry: CSV tables and their partitions, Iceberg tables, views, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test ends where its preparation fails")]

use std::path::Path;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use local_engine::lake::S3Uri;
use local_engine::{Engine, EngineConfig, Error, Result, StatementType};

/// An engine in a folder of its own, with the bucket `lake` and the database `appdb`.
struct Athena {
    engine: Engine,
    _folder: tempfile::TempDir,
}

/// What a statement answered.
#[derive(Debug)]
struct Answer {
    columns: Vec<String>,
    rows: Vec<String>,
    update_count: Option<u64>,
    files: Vec<String>,
    bytes: u64,
}

fn open(data_dir: &Path) -> Result<Engine> {
    Engine::open(&EngineConfig { data_dir: data_dir.to_owned(), memory_limit: 256 << 20, threads: 2 })
}

impl Athena {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(folder.path()).unwrap();
        engine.lake().create_bucket("lake").unwrap();
        let athena = Self { engine, _folder: folder };
        athena.run("CREATE DATABASE IF NOT EXISTS appdb COMMENT 'page views'").await;
        athena
    }

    async fn try_run(&self, sql: &str) -> Result<Answer> {
        let output = self.engine.execute(self.engine.prepare(sql, "appdb")?).await?;
        let chunks: Vec<_> = output.rows.try_collect().await?;
        let text = |row: Vec<Option<String>>| {
            row.into_iter().map(|value| value.unwrap_or_else(|| "NULL".to_owned())).collect::<Vec<_>>().join("|")
        };
        Ok(Answer {
            columns: output.columns.into_iter().map(|column| column.name).collect(),
            rows: chunks.into_iter().flatten().map(text).collect(),
            update_count: output.update_count,
            files: output.files_written,
            bytes: output.meter.bytes(),
        })
    }

    async fn run(&self, sql: &str) -> Answer {
        self.try_run(sql).await.unwrap_or_else(|error| panic!("{sql}\n{error}"))
    }

    async fn rows(&self, sql: &str) -> Vec<String> {
        self.run(sql).await.rows
    }

    async fn error(&self, sql: &str) -> Error {
        match self.try_run(sql).await {
            Ok(answer) => panic!("{sql}\nanswered {answer:?}"),
            Err(error) => error,
        }
    }

    fn put(&self, key: &str, text: &str) -> u64 {
        self.engine.lake().put(&S3Uri::new("lake", key), text.as_bytes()).unwrap().size
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        self.engine.lake().list("lake", prefix).unwrap().into_iter().map(|entry| entry.key).collect()
    }

    /// Two days of page views and three customers, with their tables and partitions.
    async fn with_raw_zone() -> Self {
        let athena = Self::new().await;
        athena.put(
            "raw/customers/country=USA/1.csv",
            "customer_id,name,email,created_at\n1,Ann,a@x.org,2025-01-01 00:00:00\n",
        );
        athena.put(
            "raw/customers/country=C%C3%B4te/1.csv",
            "customer_id,name,email,created_at\n2,\"Bo, Bob\",b@x.org,2025-01-01 00:00:00\n",
        );
        let header = "view_id,customer_id,url,viewed_at\n";
        athena.put(
            "raw/pageviews/year=2026/month=01/day=01/1.csv",
            &format!("{header}1,1,/a,2026-01-01 00:00:01\n2,2,/a,2026-01-01 00:00:02\n3,9,/ü,2026-01-01 23:59:59\n"),
        );
        athena.put("raw/pageviews/year=2026/month=01/day=02/1.csv", &format!("{header}4,1,/a,2026-01-02 00:00:01\n"));
        for (table, columns, keys) in [
            ("customers", "customer_id string, name string, email string, created_at string", "country string"),
            (
                "pageviews",
                "view_id string, customer_id string, url string, viewed_at string",
                "year string, month string, day string",
            ),
        ] {
            athena
                .run(&format!(
                    "CREATE EXTERNAL TABLE IF NOT EXISTS `appdb`.`{table}` ({columns})
                     PARTITIONED BY ({keys})
                     ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
                     WITH SERDEPROPERTIES ('separatorChar' = ',', 'quoteChar' = '\"', 'escapeChar' = '\\\\')
                     STORED AS TEXTFILE LOCATION 's3://lake/raw/{table}/'
                     TBLPROPERTIES ('skip.header.line.count' = '1')"
                ))
                .await;
            athena.run(&format!("MSCK REPAIR TABLE appdb.{table}")).await;
        }
        athena
    }

    async fn create_output(&self) {
        self.run(
            "CREATE TABLE IF NOT EXISTS appdb.pageviews_daily (
                 view_date date, url string, country string, view_count bigint)
             PARTITIONED BY (month(view_date))
             LOCATION 's3://lake/curated/pageviews_daily/first/'
             TBLPROPERTIES ('table_type'='ICEBERG', 'format'='parquet', 'write_compression'='snappy',
                 'write_target_data_file_size_bytes'='268435456')",
        )
        .await;
    }
}

const TRANSFORM: &str = "SELECT CAST(v.year || '-' || v.month || '-' || v.day AS date) AS view_date, v.url AS url,
        coalesce(c.country, 'UNKNOWN') AS country, count(*) AS view_count
    FROM appdb.pageviews v
    LEFT JOIN (SELECT customer_id, min(country) AS country FROM appdb.customers GROUP BY customer_id) c
        ON v.customer_id = c.customer_id
    GROUP BY 1, 2, 3";

#[tokio::test(flavor = "multi_thread")]
async fn msck_adds_what_is_missing_and_tells_what_does_not_fit() {
    let athena = Athena::with_raw_zone().await;
    let shown = athena.rows("SHOW PARTITIONS pageviews").await;
    assert_eq!(shown, ["year=2026/month=01/day=01", "year=2026/month=01/day=02"]);
    assert_eq!(athena.rows("SHOW PARTITIONS appdb.customers").await, ["country=Côte", "country=USA"]);
    assert_eq!(athena.rows("MSCK REPAIR TABLE pageviews").await, [""; 0]);

    athena.put(
        "raw/pageviews/year=2026/month=01/day=03/1.csv",
        "view_id,customer_id,url,viewed_at\n5,1,/b,2026-01-03 01:00:00\n",
    );
    athena.put("raw/pageviews/2026-01-04/1.csv", "x");
    athena.put("raw/pageviews/stray.csv", "x");
    let two = athena.rows("SELECT count(*) FROM pageviews").await;
    assert_eq!(two, ["4"], "an unregistered folder is invisible");
    assert_eq!(
        athena.rows("MSCK REPAIR TABLE `pageviews`;").await,
        [
            "Partitions not in metastore:\tpageviews:year=2026/month=01/day=03",
            "Not a partition of this table, and not read:\tpageviews:2026-01-04\tpageviews:stray.csv",
            "Repair: Added partition to metastore pageviews:year=2026/month=01/day=03",
        ]
    );
    assert_eq!(athena.rows("SELECT count(*) FROM pageviews").await, ["5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_decide_what_is_read() {
    let athena = Athena::with_raw_zone().await;
    let all = athena.run("SELECT count(*) FROM pageviews").await;
    let one = athena.run("SELECT count(*) FROM pageviews WHERE year = '2026' AND month = '01' AND day = '02'").await;
    assert_eq!((all.rows, one.rows), (vec!["4".to_owned()], vec!["1".to_owned()]));
    let sizes: Vec<u64> = athena.engine.lake().list("lake", "raw/pageviews/").unwrap().iter().map(|e| e.size).collect();
    assert_eq!((all.bytes, one.bytes), (sizes[0] + sizes[1], sizes[1]));

    athena.run("ALTER TABLE pageviews DROP PARTITION (year = '2026', month = '01', day = '01')").await;
    assert_eq!(athena.rows("SELECT count(*) FROM pageviews").await, ["1"]);
    athena
        .run(
            "ALTER TABLE pageviews ADD IF NOT EXISTS
               PARTITION (year = '2026', month = '01', day = '01') LOCATION 's3://lake/raw/pageviews/year=2026/month=01/day=01/'
               PARTITION (year = '2026', month = '01', day = '02')",
        )
        .await;
    assert_eq!(athena.rows("SELECT count(*) FROM pageviews").await, ["4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipelines_statements_work_end_to_end() {
    let athena = Athena::with_raw_zone().await;
    athena.create_output().await;
    let inserted = athena.run(&format!("INSERT INTO appdb.pageviews_daily {TRANSFORM}")).await;
    assert_eq!(inserted.update_count, Some(4));
    assert!(inserted.bytes > 0);
    assert!(inserted.files.iter().all(|file| file.starts_with("s3://lake/curated/pageviews_daily/first/")));
    assert!(!inserted.files.is_empty());
    let daily = "SELECT view_date, url, country, view_count FROM pageviews_daily ORDER BY 1, 2, 3";
    let expected = ["2026-01-01|/a|Côte|1", "2026-01-01|/a|USA|1", "2026-01-01|/ü|UNKNOWN|1", "2026-01-02|/a|USA|1"];
    assert_eq!(athena.rows(daily).await, expected);
    assert_eq!(
        athena.rows("SELECT count(*), max(view_date) FROM \"appdb\".\"pageviews_daily\"").await,
        ["4|2026-01-02"]
    );
    assert_eq!(athena.rows("SELECT count(*) FROM \"appdb\".\"pageviews_daily$snapshots\"").await, ["1"]);

    let copied = athena
        .run(
            "CREATE TABLE appdb.pageviews_daily_x WITH (table_type = 'ICEBERG', is_external = false,
               location = 's3://lake/curated/pageviews_daily/x/', format = 'PARQUET', write_compression = 'SNAPPY',
               partitioning = ARRAY['month(view_date)'])
             AS SELECT * FROM appdb.pageviews_daily WHERE view_date < DATE '2026-01-02'",
        )
        .await;
    assert_eq!(copied.update_count, Some(3));
    assert_eq!(athena.rows("SELECT sum(view_count) FROM pageviews_daily_x").await, ["3"]);

    athena.run("DROP TABLE IF EXISTS pageviews_daily_x").await;
    assert_eq!(athena.keys("curated/pageviews_daily/x/"), [""; 0], "the data of a managed table goes with it");
    assert_eq!(athena.rows(daily).await, expected);
    athena.run("DROP TABLE customers").await;
    assert_eq!(athena.keys("raw/customers/").len(), 2, "the data of an external table stays");
    assert_eq!(athena.rows("SHOW TABLES IN appdb '*views*'").await, ["pageviews", "pageviews_daily"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_statement_leaves_everything_as_it_was() {
    let athena = Athena::with_raw_zone().await;
    athena.create_output().await;
    let before = athena.keys("");
    for sql in [
        "INSERT INTO pageviews_daily SELECT DATE '2026-01-01', url, 'x', CAST(url AS bigint) FROM pageviews",
        "INSERT INTO pageviews_daily SELECT url, url, url, 1 FROM pageviews",
        "CREATE TABLE appdb.t WITH (table_type = 'ICEBERG', is_external = false, location = 's3://lake/curated/t/')
         AS SELECT CAST(url AS bigint) AS n FROM pageviews",
        "CREATE TABLE appdb.t WITH (table_type = 'ICEBERG', is_external = false, location = 's3://lake/raw/')
         AS SELECT 1 AS n",
    ] {
        athena.error(sql).await;
    }
    assert_eq!(athena.keys(""), before);
    assert_eq!(athena.rows("SELECT count(*) FROM pageviews_daily").await, ["0"]);
    assert_eq!(athena.rows("SHOW TABLES").await, ["customers", "pageviews", "pageviews_daily"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_is_dropped_writes_all_or_nothing() {
    let athena = Athena::with_raw_zone().await;
    athena.create_output().await;
    let mut dropped = 0;
    for delay in (0..30).step_by(2) {
        let before = (athena.keys(""), athena.rows("SELECT count(*) FROM pageviews_daily").await);
        let insert = athena.engine.prepare(&format!("INSERT INTO pageviews_daily {TRANSFORM}"), "appdb").unwrap();
        let running = tokio::time::timeout(Duration::from_millis(delay), athena.engine.execute(insert));
        if running.await.is_ok() {
            continue;
        }
        dropped += 1;
        // What was under way on other threads ends, and takes its files with it.
        let patience = Instant::now() + Duration::from_secs(10);
        let after = loop {
            let after = (athena.keys(""), athena.rows("SELECT count(*) FROM pageviews_daily").await);
            // Dropped between the commit and its report, the rows are in: once, and whole.
            let committed = after.1[0].parse::<u64>().unwrap() == before.1[0].parse::<u64>().unwrap() + 4;
            if after == before || committed || Instant::now() > patience {
                break if committed { before.clone() } else { after };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(after, before, "dropped after {delay} ms");
    }
    assert!(dropped > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_queries_under_a_name() {
    let athena = Athena::with_raw_zone().await;
    athena.run("CREATE VIEW by_url AS SELECT url, count(*) AS views FROM pageviews GROUP BY url").await;
    athena.run("CREATE OR REPLACE VIEW top AS SELECT url FROM by_url WHERE views > 1").await;
    assert_eq!(athena.rows("SELECT * FROM appdb.top").await, ["/a"]);
    assert_eq!(athena.rows("SHOW VIEWS").await, ["by_url", "top"]);
    assert_eq!(athena.rows("SHOW COLUMNS IN by_url").await, ["url", "views"]);
    athena.run("CREATE OR REPLACE VIEW by_url AS SELECT url, 2 AS views FROM top").await;
    assert!(athena.error("SELECT * FROM top").await.to_string().starts_with("VIEW_IS_RECURSIVE"));
    athena.run("DROP VIEW top").await;
    assert!(
        athena
            .error("CREATE VIEW v AS SELECT count(*) FROM pageviews")
            .await
            .to_string()
            .contains("MISSING_COLUMN_NAME")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_shown_and_described() {
    let athena = Athena::with_raw_zone().await;
    let described = athena.run("DESCRIBE customers").await;
    assert_eq!(described.columns, ["col_name", "data_type", "comment"]);
    assert_eq!(described.rows[0], format!("{:<20}\t{:<20}\t{:<20}", "customer_id", "string", ""));
    assert_eq!(athena.rows("SHOW DATABASES LIKE 'app*'").await, ["appdb"]);
    assert_eq!(athena.rows("SHOW COLUMNS FROM customers IN appdb").await.len(), 5);
    let create = athena.rows("SHOW CREATE TABLE customers").await.join("\n");
    athena.run("DROP TABLE customers").await;
    athena.run(&create).await;
    athena.run("MSCK REPAIR TABLE customers").await;
    assert_eq!(athena.rows("SELECT name FROM customers WHERE country = 'Côte'").await, ["Bo, Bob"]);
    let properties = athena.rows("SHOW TBLPROPERTIES customers ('skip.header.line.count')").await;
    assert_eq!(properties, ["skip.header.line.count\t1"]);
    let tables = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'appdb' ORDER BY 1";
    assert_eq!(athena.rows(tables).await, ["customers|BASE TABLE", "pageviews|BASE TABLE"]);
    let columns = "SELECT column_name, ordinal_position, data_type FROM awsdatacatalog.information_schema.columns
                   WHERE table_name = 'customers' AND column_name IN ('name', 'country') ORDER BY 2";
    assert_eq!(athena.rows(columns).await, ["name|2|varchar", "country|5|varchar"]);
    let plan = athena.rows("EXPLAIN SELECT count(*) FROM customers").await;
    assert!(plan[0].contains("Logical plan"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_iceberg_table_is_renamed_and_described() {
    let athena = Athena::with_raw_zone().await;
    athena.create_output().await;
    let properties = athena.rows("SHOW TBLPROPERTIES pageviews_daily ('write_compression')").await;
    assert_eq!(properties, ["write_compression\tsnappy"]);
    let create = athena.rows("SHOW CREATE TABLE pageviews_daily").await.join("\n");
    assert!(create.contains("PARTITIONED BY (month(view_date))"), "{create}");
    athena.run("DROP TABLE pageviews_daily").await;
    athena.run(&create).await;
    athena.run("ALTER TABLE pageviews_daily RENAME TO pageviews_daily_previous").await;
    assert_eq!(athena.rows("SELECT count(*) FROM pageviews_daily_previous").await, ["0"]);
    assert!(athena.rows("DESCRIBE pageviews_daily_previous").await[0].starts_with("view_date"));
    assert!(athena.error("ALTER TABLE pageviews RENAME TO p").await.to_string().contains("Iceberg"));
}

/// Statements against what the raw zone holds, the words of their errors and Athena's numbers.
const REFUSED: &[(&str, &str, i32)] = &[
    ("SELECT * FROM nothing", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.appdb.nothing' does not exist", 1110),
    ("SELECT * FROM nodb.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'nodb' does not exist", 1110),
    ("SELECT * FROM other.appdb.t", "CATALOG_NOT_FOUND: line 1:15: Catalog 'other' not found", 1110),
    ("SELECT * FROM \"pageviews$files\"", "NOT_SUPPORTED", 1006),
    ("INSERT INTO nothing SELECT 1", "TABLE_NOT_FOUND: Table 'awsdatacatalog.appdb.nothing' does not exist", 1110),
    ("INSERT INTO pageviews SELECT * FROM pageviews", "NOT_SUPPORTED", 1006),
    ("CREATE DATABASE appdb", "FAILED: Execution Error, return code 1", 1003),
    ("DROP DATABASE appdb", "Database appdb is not empty", 1003),
    ("DROP DATABASE nodb", "Database does not exist: nodb", 1003),
    ("DROP TABLE nothing", "SemanticException [Error 10001]: Table not found appdb.nothing", 1110),
    ("MSCK REPAIR TABLE nothing", "Table not found appdb.nothing", 1110),
    ("CREATE EXTERNAL TABLE customers (a string) LOCATION 's3://lake/x/'", "Table customers already exists", 1003),
    ("CREATE EXTERNAL TABLE nodb.t (a string) LOCATION 's3://lake/x/'", "Database does not exist: nodb", 1006),
    ("CREATE EXTERNAL TABLE t (a string) LOCATION 's3://nobucket/x/'", "The specified bucket does not exist", 1003),
    ("CREATE EXTERNAL TABLE t (a string) LOCATION '/tmp/x/'", "is not an S3 location", 1003),
    ("ALTER TABLE pageviews ADD PARTITION (year = '2026', month = '01', day = '01')", "Partition already exists", 1003),
    ("ALTER TABLE pageviews ADD PARTITION (year = '2026')", "doesn't contain all (3) partition columns", 1006),
    ("ALTER TABLE pageviews ADD PARTITION (hour = '1')", "contains non-partition columns", 1006),
    ("ALTER TABLE pageviews DROP PARTITION (day = '31')", "Partition not found {day=31}", 1006),
    ("DROP VIEW pageviews", "View 'awsdatacatalog.appdb.pageviews' does not exist", 1110),
    ("CREATE VIEW pageviews AS SELECT 1 AS a", "Table already exists: 'awsdatacatalog.appdb.pageviews'", 1006),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_in_athenas_words() {
    let athena = Athena::with_raw_zone().await;
    for (sql, words, number) in REFUSED {
        let error = athena.error(sql).await;
        assert!(error.to_string().contains(words), "{sql}\n{error}");
        assert_eq!(error.athena_error().error_type, *number, "{sql}\n{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_athenas_type() {
    let athena = Athena::new().await;
    for (sql, type_, name) in [
        ("SELECT 1", StatementType::Dml, "SELECT"),
        ("-- a comment\nWITH a AS (SELECT 1 AS x) SELECT x FROM a", StatementType::Dml, "SELECT"),
        ("/* a comment */ DROP TABLE t", StatementType::Ddl, "DROP_TABLE"),
        ("INSERT INTO t VALUES (1)", StatementType::Dml, "INSERT"),
        ("DELETE FROM t WHERE a = 1", StatementType::Dml, "DELETE"),
        ("UPDATE t SET a = 1", StatementType::Dml, "UPDATE"),
        ("-- one\nMERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", StatementType::Dml, "MERGE"),
        ("OPTIMIZE t REWRITE DATA USING BIN_PACK WHERE a > 1", StatementType::Dml, "OPTIMIZE"),
        ("VACUUM t", StatementType::Dml, "VACUUM"),
        ("SHOW TABLES", StatementType::Utility, "SHOW_TABLES"),
        ("EXPLAIN SELECT 1", StatementType::Utility, "EXPLAIN"),
    ] {
        let prepared = athena.engine.prepare(sql, "AppDB").unwrap();
        assert_eq!((prepared.statement_type(), prepared.substatement_type()), (type_, name), "{sql}");
        assert_eq!(prepared.database(), "appdb");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_there_for_the_next_engine_and_a_second_one_is_refused() {
    let Athena { engine, _folder: folder } = Athena::with_raw_zone().await;
    let second = open(folder.path()).unwrap_err();
    assert!(matches!(&second, Error::DataDirInUse { path } if path == folder.path()), "{second}");
    drop(engine);
    let athena = Athena { engine: open(folder.path()).unwrap(), _folder: folder };
    assert_eq!(athena.rows("SELECT count(*) FROM pageviews").await, ["4"]);
}
