//! Tables written and read back through the query engine, on a lake and a catalog of their own.

mod changing;
mod maintaining;
mod others;
mod types;
mod writing;

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use tempfile::TempDir;

use super::*;
use crate::catalog::{Catalog, Column, Database, Parameters};
use crate::lake::{Lake, S3Uri};
use crate::{Result, ScanMeter};

/// A lake with one bucket, a catalog with one database.
struct Cloud {
    _folder: TempDir,
    lake: Lake,
    catalog: Catalog,
    sql: SessionContext,
}

impl Cloud {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open(&folder.path().join("s3")).unwrap();
        lake.create_bucket("lake").unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).unwrap();
        catalog.create_database(Database { name: "db".into(), ..Database::default() }).unwrap();
        let sql = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4));
        Self { _folder: folder, lake, catalog, sql }
    }

    async fn create(&self, new: &NewTable) -> Result<()> {
        create_table(&self.catalog, &self.lake, new).await
    }

    async fn append(&self, table: &str, query: &str) -> Result<Written> {
        let plan = self.sql.sql(query).await?.create_physical_plan().await?;
        append(&self.catalog, &self.lake, "db", table, plan, self.sql.task_ctx()).await
    }

    async fn create_as(&self, new: &NewTable, query: &str) -> Result<Written> {
        let plan = self.sql.sql(query).await?.create_physical_plan().await?;
        create_table_as(&self.catalog, &self.lake, new, plan, self.sql.task_ctx()).await
    }

    /// Runs `query` over `table`; the answer and the bytes that were read for it.
    async fn query(&self, table: &str, query: &str) -> (Vec<RecordBatch>, u64) {
        let meter = Arc::new(ScanMeter::default());
        let provider = IcebergTable::load(&self.catalog, &self.lake, "db", table, Arc::clone(&meter)).await.unwrap();
        self.sql.register_table(table, Arc::new(provider)).unwrap();
        let answer = self.sql.sql(query).await.unwrap().collect().await.unwrap();
        self.sql.deregister_table(table).unwrap();
        (answer, meter.bytes())
    }

    async fn shown(&self, table: &str, query: &str) -> String {
        pretty_format_batches(&self.query(table, query).await.0).unwrap().to_string()
    }

    async fn number(&self, table: &str, query: &str) -> i64 {
        let (answer, _) = self.query(table, query).await;
        answer[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap().value(0)
    }

    /// `query` over `"t$kind"`, which it calls `meta`.
    async fn inspect(&self, table: &str, kind: &str, query: &str) -> String {
        let provider = IcebergTable::metadata_table(&self.catalog, &self.lake, "db", table, kind).await.unwrap();
        self.sql.register_table("meta", provider).unwrap();
        let answer = self.sql.sql(query).await.unwrap().collect().await.unwrap();
        self.sql.deregister_table("meta").unwrap();
        pretty_format_batches(&answer).unwrap().to_string()
    }

    fn keys(&self, prefix: &str) -> Vec<String> {
        self.lake.list("lake", prefix).unwrap().into_iter().map(|object| object.key).collect()
    }

    fn metadata_location(&self, table: &str) -> String {
        self.catalog.get_table("db", table).unwrap().parameters["metadata_location"].clone()
    }
}

/// A table of `columns`, each `name type`, below `s3://lake/<name>/`.
fn table(name: &str, columns: &[&str], partitioning: &[&str]) -> NewTable {
    let column = |text: &&str| {
        let (name, type_) = text.split_once(' ').unwrap();
        Column { name: name.into(), type_: type_.into(), ..Column::default() }
    };
    NewTable {
        database: "db".into(),
        name: name.into(),
        columns: columns.iter().map(column).collect(),
        partitioning: partitioning.iter().map(|term| (*term).to_owned()).collect(),
        location: format!("s3://lake/{name}/"),
        properties: Parameters::from([("write_compression".into(), "snappy".into())]),
    }
}

fn pageviews(name: &str) -> NewTable {
    table(name, &["view_date date", "url string", "country string", "view_count bigint"], &["month(view_date)"])
}

/// `days` days from 2026-01-01, `urls` rows each.
fn daily_rows(days: u32, urls: u32) -> String {
    format!(
        "SELECT date '2026-01-01' + CAST(d AS int) AS view_date, '/page/' || u AS url, 'FR' AS country, \
         CAST(u AS bigint) AS view_count \
         FROM (SELECT unnest(range(0, {days})) AS d) CROSS JOIN (SELECT unnest(range(0, {urls})) AS u)"
    )
}

fn uri(text: &str) -> S3Uri {
    S3Uri::parse(text).unwrap()
}
