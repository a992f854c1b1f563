//! [`IcebergTable`]: reading a table.
//!
//! Manifests are read while the scan is planned; they decide which files are read at all, and by which of the parallel
//! streams. Data is read by field id, with the delete files of other writers applied, by the library's reader.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use ::iceberg::Runtime;
use ::iceberg::arrow::{ArrowReader, ArrowReaderBuilder, schema_to_arrow_schema};
use ::iceberg::io::FileIO;
use ::iceberg::scan::FileScanTask;
use ::iceberg::spec::{SchemaRef as TableSchema, SnapshotRef};
use ::iceberg::table::Table;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt};

use super::storage::file_io;
use super::table::Loaded;
use super::tasks::{bytes, rows, spread};
use super::travel::snapshot_at;
use super::{partitioning, predicate, properties, statistics};
use crate::catalog::{Catalog, Parameters};
use crate::lake::Lake;
use crate::trino::AsOf;
use crate::{Error, Result, ScanMeter};

/// A Parquet footer's length and magic: the reader fetches them, and then exactly the metadata, so that no byte is
/// read, or counted, twice.
const FOOTER_BYTES: usize = 8;

/// One state of an Iceberg table.
#[derive(Debug)]
pub struct IcebergTable {
    pub(super) table: Table,
    snapshot: Option<SnapshotRef>,
    pub(super) table_schema: TableSchema,
    schema: SchemaRef,
    /// Where its data is read; counts.
    data: FileIO,
    pub(super) meter: Arc<ScanMeter>,
}

impl IcebergTable {
    /// The table as it is now. Bytes of data files are counted in `meter`; metadata is not, as in Athena.
    ///
    /// # Errors
    /// The catalog's; `ICEBERG_MISSING_METADATA`, `ICEBERG_INVALID_METADATA`.
    pub async fn load(
        catalog: &Catalog,
        lake: &Lake,
        database: &str,
        name: &str,
        meter: Arc<ScanMeter>,
    ) -> Result<Self> {
        let table = Loaded::load(catalog, lake, database, name).await?.table;
        Self::of(table, lake, meter)
    }

    /// The table as it was, with the columns that it had.
    ///
    /// # Errors
    /// Those of [`IcebergTable::load`]; `INVALID_ARGUMENTS` if it had no such state.
    pub async fn load_as_of(
        catalog: &Catalog,
        lake: &Lake,
        database: &str,
        name: &str,
        as_of: &AsOf,
        meter: Arc<ScanMeter>,
    ) -> Result<Self> {
        let table = Loaded::load(catalog, lake, database, name).await?.table;
        let snapshot = snapshot_at(&table, as_of)?;
        let schema = snapshot.schema(table.metadata())?;
        Self::at(table, Some(snapshot), schema, lake, meter)
    }

    pub(super) fn of(table: Table, lake: &Lake, meter: Arc<ScanMeter>) -> Result<Self> {
        let schema = table.metadata().current_schema().clone();
        let snapshot = table.metadata().current_snapshot().cloned();
        Self::at(table, snapshot, schema, lake, meter)
    }

    fn at(
        table: Table,
        snapshot: Option<SnapshotRef>,
        table_schema: TableSchema,
        lake: &Lake,
        meter: Arc<ScanMeter>,
    ) -> Result<Self> {
        let schema = Arc::new(plain(&schema_to_arrow_schema(&table_schema)?));
        let data = file_io(lake, Some(Arc::clone(&meter)));
        Ok(Self { table, snapshot, table_schema, schema, data, meter })
    }

    /// Its properties, under Athena's names: what `SHOW TBLPROPERTIES` shows.
    pub fn properties(&self) -> Parameters {
        properties::to_athena(self.table.metadata())
    }

    /// Its partition transforms, as Athena's DDL writes them.
    pub fn partitioning(&self) -> Vec<String> {
        partitioning::shown(self.table.metadata().default_partition_spec(), &self.table_schema)
    }

    /// The id of a column, by its name in a query.
    pub(super) fn field_id(&self, name: &str) -> Option<i32> {
        self.schema.index_of(name).ok().map(|index| self.table_schema.as_struct().fields()[index].id)
    }

    /// The schema that the snapshot was written with: manifests know its names.
    pub(super) fn snapshot_schema(&self) -> Result<TableSchema> {
        match &self.snapshot {
            Some(snapshot) => Ok(snapshot.schema(self.table.metadata())?),
            None => Ok(self.table_schema.clone()),
        }
    }

    /// The files that may hold wanted rows, with this table's names and the columns to read.
    pub(super) async fn tasks(&self, filters: &[Expr], fields: &[i32]) -> Result<Vec<FileScanTask>> {
        let wanted = predicate::of_filters(filters, self.snapshot_schema()?.as_ref(), &|name| self.field_id(name));
        let scan = self.table.scan().select_empty();
        let scan = match &self.snapshot {
            Some(snapshot) => scan.snapshot_id(snapshot.snapshot_id()),
            None => scan,
        };
        let scan = match wanted {
            Some(wanted) => scan.with_filter(wanted),
            None => scan,
        };
        let mut tasks: Vec<FileScanTask> = scan.build()?.plan_files().await?.try_collect().await?;
        for task in &mut tasks {
            // Read by today's schema: a column that was renamed or added since keeps its id.
            task.schema = self.table_schema.clone();
            task.project_field_ids = fields.to_vec();
        }
        tasks.sort_by(|a, b| a.data_file_path.cmp(&b.data_file_path));
        Ok(tasks)
    }

    async fn plan(&self, projection: Option<&Vec<usize>>, filters: &[Expr], streams: usize) -> Result<IcebergScan> {
        let all: Vec<i32> = self.table_schema.as_struct().fields().iter().map(|field| field.id).collect();
        let (schema, fields) = match projection {
            None => (Arc::clone(&self.schema), all),
            Some(columns) => {
                let projected = self.schema.project(columns).map_err(DataFusionError::from)?;
                (Arc::new(projected), columns.iter().map(|column| all[*column]).collect())
            }
        };
        // Rows without columns are counted by a column that is read and dropped.
        let read = if fields.is_empty() { self.narrowest() } else { fields.clone() };
        let tasks = self.tasks(filters, &read).await?;
        let statistics = match &self.snapshot {
            Some(snapshot) if filters.is_empty() => {
                statistics::of_snapshot(&self.table, snapshot, &schema, &fields).await?
            }
            _ => {
                let known = if tasks.is_empty() { Precision::Exact } else { Precision::Inexact };
                statistics::of_rows(known(rows(&tasks)), bytes(&tasks), &schema)
            }
        };
        let groups = spread(tasks, streams.max(1));
        Ok(IcebergScan {
            name: self.table.identifier().to_string(),
            properties: plan_properties(&schema, groups.len()),
            groups: groups.into(),
            schema,
            data: self.data.clone(),
            meter: Arc::clone(&self.meter),
            statistics,
        })
    }

    /// Reads its files, as they are planned.
    pub(super) fn reader(&self, context: &TaskContext) -> Result<ArrowReader> {
        reader(&self.data, context)
    }

    pub(super) fn narrowest(&self) -> Vec<i32> {
        let fields = self.table_schema.as_struct().fields();
        let width = |index: &usize| self.schema.field(*index).data_type().primitive_width().unwrap_or(usize::MAX);
        (0..fields.len()).min_by_key(width).map(|index| fields[index].id).into_iter().collect()
    }
}

#[async_trait]
impl TableProvider for IcebergTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> PlanResult<Vec<TableProviderFilterPushDown>> {
        let schema = self.snapshot_schema().map_err(external)?;
        let support = |filter: &&Expr| {
            let known = predicate::of_filters(std::slice::from_ref(*filter), &schema, &|name| self.field_id(name));
            known.map_or(TableProviderFilterPushDown::Unsupported, |_| TableProviderFilterPushDown::Inexact)
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let streams = state.config().target_partitions();
        let plan = self.plan(projection, filters, streams).await.map_err(external)?;
        Ok(Arc::new(plan))
    }
}

/// The scan of one table by several streams.
#[derive(Debug)]
struct IcebergScan {
    name: String,
    groups: Arc<[Vec<FileScanTask>]>,
    schema: SchemaRef,
    data: FileIO,
    meter: Arc<ScanMeter>,
    statistics: Statistics,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for IcebergScan {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: usize = self.groups.iter().map(Vec::len).sum();
        write!(f, "IcebergScan: table={}, files={files}, streams={}", self.name, self.groups.len())
    }
}

impl ExecutionPlan for IcebergScan {
    fn name(&self) -> &'static str {
        "IcebergScan"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> PlanResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let reader = reader(&self.data, &context).map_err(external)?;
        let tasks = futures::stream::iter(self.groups[partition].clone()).map(Ok).boxed();
        let batches = reader.read(tasks).map_err(|error| external(error.into()))?.stream();
        let (schema, meter) = (Arc::clone(&self.schema), Arc::clone(&self.meter));
        let rows = batches.map(move |batch| {
            let batch = batch.map_err(|error| external(unreadable(&error)))?;
            meter.add_rows(batch.num_rows() as u64);
            fit(&batch, &schema)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> PlanResult<Statistics> {
        Ok(match partition {
            None => self.statistics.clone(),
            Some(partition) => {
                let tasks = &self.groups[partition];
                statistics::of_rows(Precision::Inexact(rows(tasks)), bytes(tasks), &self.schema)
            }
        })
    }
}

/// Reads files one after the other, each row group by row group.
fn reader(data: &FileIO, context: &TaskContext) -> Result<ArrowReader> {
    let reader = ArrowReaderBuilder::new(data.clone(), Runtime::try_current()?)
        .with_batch_size(context.session_config().batch_size())
        .with_data_file_concurrency_limit(1)
        .with_metadata_size_hint(FOOTER_BYTES)
        // A gap that is skipped is not read: what is counted is what the columns hold.
        .with_range_coalesce_bytes(0);
    Ok(reader.build())
}

/// A reader's batch under the plan's schema: constants are unpacked, names and ids are the query's.
pub(super) fn fit(batch: &RecordBatch, schema: &SchemaRef) -> PlanResult<RecordBatch> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

pub(super) fn plan_properties(schema: &SchemaRef, streams: usize) -> Arc<PlanProperties> {
    Arc::new(PlanProperties::new(
        EquivalenceProperties::new(Arc::clone(schema)),
        Partitioning::UnknownPartitioning(streams),
        EmissionType::Incremental,
        Boundedness::Bounded,
    ))
}

/// A schema as queries see it: lower-case names, everything nullable, no ids of Iceberg's.
fn plain(schema: &Schema) -> Schema {
    let field = |field: &Arc<Field>| Field::new(field.name().to_lowercase(), plain_type(field.data_type()), true);
    Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}

fn plain_type(type_: &DataType) -> DataType {
    let inner = |field: &Arc<Field>| {
        let plain = plain_type(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(plain).with_metadata(HashMap::new()))
    };
    match type_ {
        DataType::List(element) => DataType::List(inner(element)),
        DataType::Map(entries, sorted) => DataType::Map(inner(entries), *sorted),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

pub(super) fn unreadable(error: &::iceberg::Error) -> Error {
    crate::error::denied(error).unwrap_or_else(|| super::refused("ICEBERG_CANNOT_OPEN_SPLIT", error.to_string()))
}

/// Our own error on its way through the query engine.
pub(super) fn external(error: Error) -> DataFusionError {
    match error {
        Error::DataFusion(error) => error,
        error => DataFusionError::External(Box::new(error)),
    }
}
