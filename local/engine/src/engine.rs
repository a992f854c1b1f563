//! [`Engine`]: prepares and executes one statement against the catalog and the lake.
//!
//! The service in front of it (asynchronous states, tokens, result files) is not here.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::BoxStream;

use crate::catalog::Catalog;
use crate::lake::Lake;
use crate::{Error, Result};

/// Where the engine lives and what it may use.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Holds `s3/<bucket>/…` and the catalog's store.
    pub data_dir: PathBuf,
    /// Memory that all running queries may use together, in bytes.
    pub memory_limit: usize,
    /// Partitions that a query runs in at once.
    pub threads: usize,
}

/// The local Athena. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    lake: Lake,
    catalog: Catalog,
}

/// Athena's statement types, `QueryExecution.StatementType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementType {
    /// Data definition.
    Ddl,
    /// `SELECT`, `INSERT`, CTAS and the other statements that Trino runs.
    Dml,
    /// `SHOW`, `DESCRIBE`, `EXPLAIN`.
    Utility,
}

/// A statement whose syntax has been checked.
#[derive(Debug)]
pub struct Prepared {
    sql: String,
    database: String,
    statement_type: StatementType,
}

/// One result row; `None` is SQL NULL. Values are formatted as Athena writes them.
pub type Row = Vec<Option<String>>;

/// One result column, as in `ColumnInfo`.
/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_ColumnInfo.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name or alias; `_col0` where there is none.
    pub name: String,
    /// Athena's type name: `varchar`, `bigint`, `date`, `timestamp`, `decimal`, …
    pub type_name: String,
    /// As Athena reports it: 2147483647 for varchar, 19 for bigint, …
    pub precision: i32,
    /// Digits after the point, else 0.
    pub scale: i32,
}

/// What a statement has read so far; final once its rows are drained.
#[derive(Debug, Default)]
pub struct ScanMeter {
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl ScanMeter {
    /// Counts bytes of lake files that were really read.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    /// Counts rows that were read.
    pub fn add_rows(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// What a statement answers.
pub struct QueryOutput {
    /// Empty for statements without a result table.
    pub columns: Vec<Column>,
    /// The rows, in chunks. For DDL and utility statements one single-column row a line.
    pub rows: BoxStream<'static, Result<Vec<Row>>>,
    /// Rows written, for `INSERT`, CTAS and their like.
    pub update_count: Option<u64>,
    /// Files that the statement wrote, as `s3://` URIs (Athena's data manifest).
    pub files_written: Vec<String>,
    /// Shared with the running scan.
    pub meter: Arc<ScanMeter>,
    /// Time spent planning, in milliseconds.
    pub planning_millis: u64,
}

impl std::fmt::Debug for QueryOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryOutput").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the catalog and the lake below `config.data_dir`, making them when absent.
    pub fn open(config: &EngineConfig) -> Result<Self> {
        let lake = Lake::open(&config.data_dir.join("s3"))?;
        let catalog = Catalog::open(&config.data_dir.join("catalog.sqlite"))?;
        Ok(Self { lake, catalog })
    }

    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The lake.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// Checks a statement's syntax and tells its type, without touching data.
    ///
    /// # Errors
    /// [`Error::Syntax`], or [`Error::Unsupported`] for a statement this engine does not know.
    pub fn prepare(&self, sql: &str, database: &str) -> Result<Prepared> {
        let _ = (sql, database);
        Err(Error::unsupported("any statement yet"))
    }

    /// Executes a prepared statement. Dropping the future or the rows stops it; a write that was not committed
    /// leaves the table as it was.
    pub async fn execute(&self, prepared: Prepared) -> Result<QueryOutput> {
        Err(Error::unsupported(prepared.sql))
    }
}

impl Prepared {
    /// Athena's type of the statement.
    pub fn statement_type(&self) -> StatementType {
        self.statement_type
    }
    /// The database that unqualified names resolve in.
    pub fn database(&self) -> &str {
        &self.database
    }
}
