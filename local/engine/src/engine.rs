//! [`Engine`]: prepares and executes one statement against the catalog and the lake.
//!
//! The service in front of it (asynchronous states, tokens, result files) is not here. In the order in which a
//! statement meets them: [`planning`] makes a plan of a query, [`names`] finds the tables in it, [`execution`] runs it.

mod data_dir;
mod execution;
mod memory;
mod names;
mod planning;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use futures::stream::BoxStream;

use crate::Result;
use crate::access::Access;
use crate::catalog::Catalog;
use crate::lake::{Lake, S3Uri};
use crate::statement::{self, Statement};
use data_dir::{DataDirLock, clear};
use execution::Execution;
use memory::QueryMemory;

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
    runtime: Arc<RuntimeEnv>,
    threads: usize,
    /// Held as long as the engine lives.
    _lock: Arc<DataDirLock>,
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
    statement: Statement,
    database: String,
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
    /// Opens the catalog and the lake below `config.data_dir`, making them when absent. The directory is this
    /// engine's alone until the last clone is dropped; what a killed process had begun to write there is removed.
    ///
    /// # Errors
    /// [`Error::DataDirInUse`], [`Error::DataDir`], and those of the catalog and the lake.
    pub fn open(config: &EngineConfig) -> Result<Self> {
        let lock = DataDirLock::take(&config.data_dir)?;
        let lake = Lake::open(&config.data_dir.join("s3"))?;
        lake.clear_staging()?;
        let catalog = Catalog::open(&config.data_dir.join("catalog.sqlite"))?;
        let spill = config.data_dir.join("tmp");
        clear(&spill)?;
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Directories(vec![spill]));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(QueryMemory::new(config.memory_limit)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        Ok(Self { lake, catalog, runtime, threads: config.threads.max(1), _lock: Arc::new(lock) })
    }

    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The lake.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// This engine, acting for a caller: its statements, its catalog and its lake ask `access` before whatever they do.
    #[must_use]
    pub fn acting_for(&self, access: Arc<dyn Access>) -> Self {
        Self {
            lake: self.lake.acting_for(Arc::clone(&access)),
            catalog: self.catalog.acting_for(access),
            ..self.clone()
        }
    }

    /// Whether the caller may keep a statement's result as the object `output`. Asked before the statement runs; the
    /// object itself is asked for when it is written.
    ///
    /// # Errors
    /// [`Error::AccessDenied`].
    pub fn ask_for_results(&self, output: &S3Uri) -> Result<()> {
        Ok(self.lake.ask_results(output)?)
    }

    /// Checks a statement's syntax and tells its type, without touching data. Names that the statement does not
    /// qualify are in `database`.
    ///
    /// # Errors
    /// [`Error::Syntax`]: Athena refuses the statement at start. Any other: its execution fails.
    pub fn prepare(&self, sql: &str, database: &str) -> Result<Prepared> {
        let database = database.to_lowercase();
        Ok(Prepared { statement: statement::parse(sql, &database)?, database })
    }

    /// Executes a prepared statement. Dropping the future or the rows stops it; a write that was not committed
    /// leaves the table as it was.
    ///
    /// # Errors
    /// What the execution fails with: [`Error::athena_error`] has its category and number.
    pub async fn execute(&self, prepared: Prepared) -> Result<QueryOutput> {
        Execution::new(self, prepared.database).run(prepared.statement.action).await
    }
}

impl Prepared {
    /// Athena's type of the statement.
    pub fn statement_type(&self) -> StatementType {
        self.statement.type_
    }

    /// Athena's `SubstatementType`: `SELECT`, `INSERT`, `CREATE_TABLE_AS_SELECT`, …
    pub fn substatement_type(&self) -> &'static str {
        self.statement.name
    }

    /// The database that unqualified names resolve in.
    pub fn database(&self) -> &str {
        &self.database
    }
}
