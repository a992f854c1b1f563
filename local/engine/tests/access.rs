//! What each kind of statement asks for when the engine acts for a caller, and what a refusal does: nothing.

#![allow(clippy::unwrap_used, reason = "a test ends where its preparation fails")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use local_engine::lake::S3Uri;
use local_engine::{Access, AccessDenied, Engine, EngineConfig, Error, Resource, Result};

/// Writes down what is asked, and refuses one thing.
#[derive(Debug, Default)]
struct Recorder {
    asked: Mutex<Vec<(&'static str, Resource)>>,
    refused: Option<String>,
}

impl Access for Recorder {
    fn check(&self, action: &'static str, resource: &Resource) -> Result<(), AccessDenied> {
        self.asked.lock().unwrap().push((action, resource.clone()));
        if self.refused.as_deref() == Some(&shown(action, resource)) {
            return Err(AccessDenied { message: format!("no right to {action} on {resource}") });
        }
        Ok(())
    }
}

/// `action resource`, whose parts that differ from run to run are stars.
fn shown(action: &str, resource: &Resource) -> String {
    let resource = resource.to_string();
    let Some((folder, file)) = resource.rsplit_once('/').filter(|(folder, _)| folder.contains("/curated")) else {
        return format!("{action} {resource}");
    };
    let file = file.rsplit_once('.').map_or(file.to_owned(), |(_, ending)| format!("*.{ending}"));
    format!("{action} {folder}/{file}").replace("/*.json", "/*.metadata.json")
}

impl Recorder {
    /// Each thing once, by name. Glue's are named by their last resource: the ones before it must have been asked too.
    fn summary(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let was_asked = |action: &str, resource: Resource| asked.contains(&(asked_name(action, &asked), resource));
        let mut lines = BTreeSet::new();
        for (action, resource) in asked.iter() {
            match resource {
                Resource::Catalog => continue,
                Resource::Table { database, .. } => {
                    assert!(was_asked(action, Resource::Catalog), "{action} was asked on {resource} only");
                    assert!(was_asked(action, Resource::Database { name: database.clone() }), "{action} {resource}");
                }
                Resource::Database { .. } if *action != "glue:GetDatabase" && asked_of_a_table(action, &asked) => {
                    continue;
                }
                Resource::Database { .. } => {
                    assert!(was_asked(action, Resource::Catalog), "{action} was asked on {resource} only");
                }
                _ => {}
            }
            lines.insert(shown(action, resource));
        }
        lines.into_iter().collect()
    }
}

fn asked_name(action: &str, asked: &[(&'static str, Resource)]) -> &'static str {
    asked.iter().find(|(name, _)| *name == action).unwrap().0
}

fn asked_of_a_table(action: &str, asked: &[(&'static str, Resource)]) -> bool {
    asked.iter().any(|(name, resource)| *name == action && matches!(resource, Resource::Table { .. }))
}

struct Athena {
    engine: Engine,
    _folder: tempfile::TempDir,
}

const CUSTOMERS: &str = "CREATE EXTERNAL TABLE IF NOT EXISTS appdb.customers (customer_id string, name string)
    PARTITIONED BY (country string) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
    LOCATION 's3://lake/raw/customers/'";
const DAILY: &str = "CREATE TABLE IF NOT EXISTS appdb.daily (country string, view_count bigint)
    LOCATION 's3://lake/curated/daily/' TBLPROPERTIES ('table_type' = 'ICEBERG')";
const FILL: &str = "INSERT INTO appdb.daily SELECT country, count(*) FROM appdb.customers GROUP BY country";
const COPY: &str = "CREATE TABLE appdb.copy WITH (table_type = 'ICEBERG', is_external = false,
    location = 's3://lake/curated/copy/', optimize_rewrite_data_file_threshold = 2, vacuum_max_snapshot_age_seconds = 0)
    AS SELECT * FROM appdb.daily";

/// In order: each statement, and everything that it asks for.
const STATEMENTS: &[(&str, &[&str])] = &[
    (
        "CREATE DATABASE IF NOT EXISTS appdb",
        &["glue:CreateDatabase database/appdb", "glue:GetDatabase database/appdb", "glue:GetDatabase database/default"],
    ),
    (
        CUSTOMERS,
        &[
            "glue:CreateTable table/appdb/customers",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/customers",
            "s3:ListBucket lake?prefix=raw/customers/",
        ],
    ),
    (
        "MSCK REPAIR TABLE customers",
        &[
            "glue:BatchCreatePartition table/appdb/customers",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetPartitions table/appdb/customers",
            "glue:GetTable table/appdb/customers",
            "s3:ListBucket lake?prefix=raw/customers/",
        ],
    ),
    (
        "ALTER TABLE customers ADD IF NOT EXISTS PARTITION (country = 'CH')",
        &[
            "glue:BatchCreatePartition table/appdb/customers",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/customers",
        ],
    ),
    (
        DAILY,
        &[
            "glue:CreateTable table/appdb/daily",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/daily",
            "s3:AbortMultipartUpload lake/curated/daily/metadata/*.metadata.json",
            "s3:GetObject lake/curated/daily/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/daily/",
            "s3:ListMultipartUploadParts lake/curated/daily/metadata/*.metadata.json",
            "s3:PutObject lake/curated/daily/metadata/*.metadata.json",
        ],
    ),
    (
        FILL,
        &[
            "glue:BatchGetPartition table/appdb/customers",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetPartitions table/appdb/customers",
            "glue:GetTable table/appdb/customers",
            "glue:GetTable table/appdb/daily",
            "glue:UpdateTable table/appdb/daily",
            "s3:AbortMultipartUpload lake/curated/daily/data/*.parquet",
            "s3:AbortMultipartUpload lake/curated/daily/metadata/*.avro",
            "s3:AbortMultipartUpload lake/curated/daily/metadata/*.metadata.json",
            "s3:GetObject lake/curated/daily/metadata/*.metadata.json",
            "s3:GetObject lake/raw/customers/country=USA/1.csv",
            "s3:ListBucket lake?prefix=curated/daily/",
            "s3:ListBucket lake?prefix=raw/customers/country=CH/",
            "s3:ListBucket lake?prefix=raw/customers/country=USA/",
            "s3:ListMultipartUploadParts lake/curated/daily/data/*.parquet",
            "s3:ListMultipartUploadParts lake/curated/daily/metadata/*.avro",
            "s3:ListMultipartUploadParts lake/curated/daily/metadata/*.metadata.json",
            "s3:PutObject lake/curated/daily/data/*.parquet",
            "s3:PutObject lake/curated/daily/metadata/*.avro",
            "s3:PutObject lake/curated/daily/metadata/*.metadata.json",
        ],
    ),
    (
        COPY,
        &[
            "glue:CreateTable table/appdb/copy",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "glue:GetTable table/appdb/daily",
            "s3:AbortMultipartUpload lake/curated/copy/data/*.parquet",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.avro",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/daily/data/*.parquet",
            "s3:GetObject lake/curated/daily/metadata/*.avro",
            "s3:GetObject lake/curated/daily/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
            "s3:ListBucket lake?prefix=curated/daily/",
            "s3:ListMultipartUploadParts lake/curated/copy/data/*.parquet",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.avro",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.metadata.json",
            "s3:PutObject lake/curated/copy/data/*.parquet",
            "s3:PutObject lake/curated/copy/metadata/*.avro",
            "s3:PutObject lake/curated/copy/metadata/*.metadata.json",
        ],
    ),
    (
        "SELECT count(*), max(view_count) FROM appdb.daily",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/daily",
            "s3:GetObject lake/curated/daily/metadata/*.avro",
            "s3:GetObject lake/curated/daily/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/daily/",
        ],
    ),
    (
        "SELECT country FROM appdb.copy WHERE view_count > 0",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "s3:GetObject lake/curated/copy/data/*.parquet",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
        ],
    ),
    (
        "MERGE INTO copy t USING daily s ON t.country = s.country WHEN MATCHED THEN UPDATE SET view_count = t.view_count + 1",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "glue:GetTable table/appdb/daily",
            "glue:UpdateTable table/appdb/copy",
            "s3:AbortMultipartUpload lake/curated/copy/data/*.parquet",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.avro",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/copy/data/*.parquet",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/daily/data/*.parquet",
            "s3:GetObject lake/curated/daily/metadata/*.avro",
            "s3:GetObject lake/curated/daily/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
            "s3:ListBucket lake?prefix=curated/daily/",
            "s3:ListMultipartUploadParts lake/curated/copy/data/*.parquet",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.avro",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.metadata.json",
            "s3:PutObject lake/curated/copy/data/*.parquet",
            "s3:PutObject lake/curated/copy/metadata/*.avro",
            "s3:PutObject lake/curated/copy/metadata/*.metadata.json",
        ],
    ),
    (
        "UPDATE copy SET view_count = 7 WHERE country = 'USA'",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "glue:UpdateTable table/appdb/copy",
            "s3:AbortMultipartUpload lake/curated/copy/data/*.parquet",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.avro",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/copy/data/*.parquet",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
            "s3:ListMultipartUploadParts lake/curated/copy/data/*.parquet",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.avro",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.metadata.json",
            "s3:PutObject lake/curated/copy/data/*.parquet",
            "s3:PutObject lake/curated/copy/metadata/*.avro",
            "s3:PutObject lake/curated/copy/metadata/*.metadata.json",
        ],
    ),
    (
        "DELETE FROM copy WHERE country = 'USA'",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "glue:UpdateTable table/appdb/copy",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.avro",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/copy/data/*.parquet",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.avro",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.metadata.json",
            "s3:PutObject lake/curated/copy/metadata/*.avro",
            "s3:PutObject lake/curated/copy/metadata/*.metadata.json",
        ],
    ),
    (
        "INSERT INTO copy SELECT 'FR', 1",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "glue:UpdateTable table/appdb/copy",
            "s3:AbortMultipartUpload lake/curated/copy/data/*.parquet",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.avro",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
            "s3:ListMultipartUploadParts lake/curated/copy/data/*.parquet",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.avro",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.metadata.json",
            "s3:PutObject lake/curated/copy/data/*.parquet",
            "s3:PutObject lake/curated/copy/metadata/*.avro",
            "s3:PutObject lake/curated/copy/metadata/*.metadata.json",
        ],
    ),
    (
        "INSERT INTO copy SELECT 'CH', 2",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "glue:UpdateTable table/appdb/copy",
            "s3:AbortMultipartUpload lake/curated/copy/data/*.parquet",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.avro",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
            "s3:ListMultipartUploadParts lake/curated/copy/data/*.parquet",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.avro",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.metadata.json",
            "s3:PutObject lake/curated/copy/data/*.parquet",
            "s3:PutObject lake/curated/copy/metadata/*.avro",
            "s3:PutObject lake/curated/copy/metadata/*.metadata.json",
        ],
    ),
    (
        "OPTIMIZE copy REWRITE DATA USING BIN_PACK",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "glue:UpdateTable table/appdb/copy",
            "s3:AbortMultipartUpload lake/curated/copy/data/*.parquet",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.avro",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/copy/data/*.parquet",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
            "s3:ListMultipartUploadParts lake/curated/copy/data/*.parquet",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.avro",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.metadata.json",
            "s3:PutObject lake/curated/copy/data/*.parquet",
            "s3:PutObject lake/curated/copy/metadata/*.avro",
            "s3:PutObject lake/curated/copy/metadata/*.metadata.json",
        ],
    ),
    (
        "SELECT country FROM copy FOR VERSION AS OF 'main'",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "s3:GetObject lake/curated/copy/data/*.parquet",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
        ],
    ),
    (
        "VACUUM copy",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "glue:UpdateTable table/appdb/copy",
            "s3:AbortMultipartUpload lake/curated/copy/metadata/*.metadata.json",
            "s3:DeleteObject lake/curated/copy/data/*.parquet",
            "s3:DeleteObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
            "s3:ListMultipartUploadParts lake/curated/copy/metadata/*.metadata.json",
            "s3:PutObject lake/curated/copy/metadata/*.metadata.json",
        ],
    ),
    (
        "SELECT customer_id FROM customers",
        &[
            "glue:BatchGetPartition table/appdb/customers",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetPartitions table/appdb/customers",
            "glue:GetTable table/appdb/customers",
            "s3:GetObject lake/raw/customers/country=USA/1.csv",
            "s3:ListBucket lake?prefix=raw/customers/country=CH/",
            "s3:ListBucket lake?prefix=raw/customers/country=USA/",
        ],
    ),
    (
        "CREATE VIEW swiss AS SELECT customer_id FROM customers WHERE country = 'CH'",
        &[
            "glue:BatchGetPartition table/appdb/customers",
            "glue:CreateTable table/appdb/swiss",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetPartitions table/appdb/customers",
            "glue:GetTable table/appdb/customers",
            "glue:GetTable table/appdb/swiss",
        ],
    ),
    (
        "SELECT table_name FROM information_schema.tables",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetDatabases database/*",
            "glue:GetTables table/appdb/*",
        ],
    ),
    (
        "SHOW TABLES IN appdb",
        &["glue:GetDatabase database/appdb", "glue:GetDatabase database/default", "glue:GetTables table/appdb/*"],
    ),
    (
        "SHOW PARTITIONS customers",
        &[
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetPartitions table/appdb/customers",
            "glue:GetTable table/appdb/customers",
        ],
    ),
    (
        "DROP VIEW swiss",
        &[
            "glue:DeleteTable table/appdb/swiss",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/swiss",
        ],
    ),
    (
        "DROP TABLE IF EXISTS copy",
        &[
            "glue:DeleteTable table/appdb/copy",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/copy",
            "s3:DeleteObject lake/curated/copy/data/*.parquet",
            "s3:DeleteObject lake/curated/copy/metadata/*.avro",
            "s3:DeleteObject lake/curated/copy/metadata/*.metadata.json",
            "s3:GetObject lake/curated/copy/metadata/*.avro",
            "s3:GetObject lake/curated/copy/metadata/*.metadata.json",
            "s3:ListBucket lake?prefix=curated/copy/",
        ],
    ),
    (
        "DROP TABLE IF EXISTS copy",
        &["glue:GetDatabase database/appdb", "glue:GetDatabase database/default", "glue:GetTable table/appdb/copy"],
    ),
    (
        "DROP TABLE customers",
        &[
            "glue:DeletePartition table/appdb/customers",
            "glue:DeleteTable table/appdb/customers",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetPartition table/appdb/customers",
            "glue:GetPartitions table/appdb/customers",
            "glue:GetTable table/appdb/customers",
        ],
    ),
    (
        "DROP DATABASE appdb CASCADE",
        &[
            "glue:DeleteDatabase database/appdb",
            "glue:DeleteTable table/appdb/*",
            "glue:GetDatabase database/appdb",
            "glue:GetDatabase database/default",
            "glue:GetTable table/appdb/*",
            "glue:GetTables table/appdb/*",
        ],
    ),
];

impl Athena {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = EngineConfig { data_dir: folder.path().to_owned(), memory_limit: 256 << 20, threads: 2 };
        let engine = Engine::open(&config).unwrap();
        engine.lake().create_bucket("lake").unwrap();
        engine.lake().put(&S3Uri::new("lake", "raw/customers/country=USA/1.csv"), b"1,Ann\n2,Bo\n").unwrap();
        Self { engine, _folder: folder }
    }

    async fn run_as(&self, recorder: &Arc<Recorder>, sql: &str) -> Result<()> {
        let access: Arc<dyn Access> = Arc::<Recorder>::clone(recorder);
        let engine = self.engine.acting_for(access);
        let output = engine.execute(engine.prepare(sql, "appdb")?).await?;
        output.rows.try_collect::<Vec<_>>().await.map(|_| ())
    }

    /// Every object and every entry, as text.
    fn state(&self) -> String {
        let keys: Vec<_> = self.engine.lake().list("lake", "").unwrap().into_iter().map(|entry| entry.key).collect();
        let catalog = self.engine.catalog();
        let mut tables = Vec::new();
        for database in catalog.list_databases().unwrap() {
            for table in catalog.list_tables(&database.name).unwrap() {
                let partitions = catalog.list_partitions(&database.name, &table.name).unwrap();
                tables.push(format!("{table:?} {partitions:?}"));
            }
            tables.push(database.name);
        }
        format!("{keys:#?} {tables:#?}")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_asks_for_what_it_needs() {
    let athena = Athena::new();
    for (sql, expected) in STATEMENTS {
        let recorder = Arc::<Recorder>::default();
        athena.run_as(&recorder, sql).await.unwrap_or_else(|error| panic!("{sql}\n{error}"));
        assert_eq!(recorder.summary(), *expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_anything_leaves_everything_as_it_was() {
    for (at, (sql, needs)) in STATEMENTS.iter().enumerate() {
        let athena = Athena::new();
        for (before, _) in &STATEMENTS[..at] {
            athena.run_as(&Arc::default(), before).await.unwrap();
        }
        let before = athena.state();
        for need in *needs {
            let recorder = Arc::new(Recorder { refused: Some((*need).to_owned()), ..Recorder::default() });
            let Err(error) = athena.run_as(&recorder, sql).await else { panic!("{sql} without {need}") };
            let kind = if need.starts_with("s3:") { 1501 } else { 1500 };
            assert_eq!((error.athena_error().category, error.athena_error().error_type), (2, kind), "{sql}: {error}");
            let Error::AccessDenied { source, .. } = &error else { panic!("{sql} without {need}: {error}") };
            let action = need.split_once(' ').unwrap().0;
            assert!(source.message.starts_with(&format!("no right to {action} on ")), "{error}");
            assert!(error.to_string().contains(&source.message), "{error}");
            assert_eq!(athena.state(), before, "{sql} without {need}");
        }
    }
}

#[tokio::test]
async fn results_need_the_bucket_and_its_folder() {
    let athena = Athena::new();
    let recorder = Arc::<Recorder>::default();
    let access: Arc<dyn Access> = Arc::<Recorder>::clone(&recorder);
    athena.engine.acting_for(access).ask_for_results(&S3Uri::new("lake", "athena-results/q.csv")).unwrap();
    assert_eq!(recorder.summary(), ["s3:GetBucketLocation lake", "s3:ListBucket lake?prefix=athena-results/"]);
}
