//! The table that a statement changes, read twice: [`Target`] with the addresses of its rows, [`Kept`] without those
//! that go.

use std::any::Any;
use std::sync::Arc;

use ::iceberg::scan::FileScanTask;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};

use super::rows::{Rows, addresses};
use crate::Result;
use crate::iceberg::scan::{IcebergTable, external, fit, plan_properties, unreadable};
use crate::iceberg::statistics;
use crate::iceberg::tasks::{bytes, rows, spread};

/// The name of the column of addresses.
const ADDRESS: &str = "$row";

/// The table with its rows' addresses as the last column.
#[derive(Debug)]
pub(super) struct Target {
    table: Arc<IcebergTable>,
    rows: Arc<Rows>,
    schema: SchemaRef,
}

impl Target {
    pub(super) fn new(table: Arc<IcebergTable>, rows: Arc<Rows>) -> Self {
        let mut fields = table.schema().fields().to_vec();
        fields.push(Arc::new(Field::new(ADDRESS, DataType::Int64, false)));
        Self { table, rows, schema: Arc::new(Schema::new(fields)) }
    }

    async fn plan(&self, projection: Option<&Vec<usize>>, filters: &[Expr], streams: usize) -> Result<PieceScan> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let columns = projection.unwrap_or(&all);
        let schema = Arc::new(self.schema.project(columns).map_err(DataFusionError::from)?);
        let fields = self.table.table_schema.as_struct().fields();
        let read: Vec<i32> = columns.iter().filter_map(|column| Some(fields.get(*column)?.id)).collect();
        let read = if read.is_empty() { self.table.narrowest() } else { read };
        let mut tasks = self.table.tasks(filters, &read).await?;
        // Every row of a file is read, or the second reading would count other rows.
        for task in &mut tasks {
            task.predicate = None;
        }
        let statistics = statistics::of_rows(Precision::Inexact(rows(&tasks)), bytes(&tasks), &schema);
        let numbered = |task: FileScanTask| (self.rows.number(&task), task);
        let groups = spread(tasks, streams.max(1)).into_iter();
        let groups: Vec<Vec<_>> = groups.map(|group| group.into_iter().map(numbered).collect()).collect();
        Ok(PieceScan {
            table: Arc::clone(&self.table),
            properties: plan_properties(&schema, groups.len()),
            groups: groups.into(),
            schema,
            statistics,
        })
    }
}

#[async_trait]
impl TableProvider for Target {
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
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let streams = state.config().target_partitions();
        Ok(Arc::new(self.plan(projection, filters, streams).await.map_err(external)?))
    }
}

type Piece = (usize, FileScanTask);

/// Reads pieces one after the other; with each batch its piece and the number of its first row.
fn batches(
    table: &IcebergTable,
    pieces: &[Piece],
    context: &TaskContext,
) -> PlanResult<impl futures::Stream<Item = PlanResult<(usize, usize, RecordBatch)>> + Send + 'static> {
    let (reader, meter) = (table.reader(context).map_err(external)?, Arc::clone(&table.meter));
    let piece = move |(piece, task): Piece| {
        let read = reader.clone().read(stream::iter([Ok(task)]).boxed()).map_err(|error| external(error.into()))?;
        let (mut first, meter) = (0, Arc::clone(&meter));
        let counted = read.stream().map(move |batch| {
            let batch = batch.map_err(|error| external(unreadable(&error)))?;
            meter.add_rows(batch.num_rows() as u64);
            let start = first;
            first += batch.num_rows();
            Ok((piece, start, batch))
        });
        Ok::<_, DataFusionError>(counted)
    };
    Ok(stream::iter(pieces.to_vec()).map(piece).try_flatten())
}

/// The scan that shows addresses.
#[derive(Debug)]
struct PieceScan {
    table: Arc<IcebergTable>,
    groups: Arc<[Vec<Piece>]>,
    schema: SchemaRef,
    statistics: Statistics,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for PieceScan {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pieces: usize = self.groups.iter().map(Vec::len).sum();
        write!(f, "PieceScan: pieces={pieces}, streams={}", self.groups.len())
    }
}

impl ExecutionPlan for PieceScan {
    fn name(&self) -> &'static str {
        "PieceScan"
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
        let schema = Arc::clone(&self.schema);
        let data: Vec<_> = schema.fields().iter().filter(|field| field.name() != ADDRESS).cloned().collect();
        let data = Arc::new(Schema::new(data));
        let batches = batches(&self.table, &self.groups[partition], &context)?;
        let rows = batches.map(move |found| {
            let (piece, first, batch) = found?;
            addressed(&fit(&batch, &data)?, addresses(piece, first, batch.num_rows()), &schema)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }

    fn partition_statistics(&self, partition: Option<usize>) -> PlanResult<Statistics> {
        Ok(partition.map_or_else(|| self.statistics.clone(), |_| Statistics::new_unknown(&self.schema)))
    }
}

/// A batch's columns with the addresses where `schema` wants them.
fn addressed(batch: &RecordBatch, addresses: impl Iterator<Item = i64>, schema: &SchemaRef) -> PlanResult<RecordBatch> {
    let addresses: ArrayRef = Arc::new(addresses.collect::<Int64Array>());
    let mut data = batch.columns().iter();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = if field.name() == ADDRESS { Some(&addresses) } else { data.next() };
        columns.extend(column.cloned());
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// The rows that stay, of files that lose others.
#[derive(Debug)]
pub(super) struct Kept {
    table: Arc<IcebergTable>,
    rows: Arc<Rows>,
    groups: Vec<Vec<Piece>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl Kept {
    pub(super) fn new(table: Arc<IcebergTable>, rows: Arc<Rows>, pieces: Vec<Piece>, streams: usize) -> Self {
        let all: Vec<i32> = table.table_schema.as_struct().fields().iter().map(|field| field.id).collect();
        let mut groups = vec![Vec::new(); streams.min(pieces.len()).max(1)];
        for (at, (number, task)) in pieces.into_iter().enumerate() {
            let stream = at % groups.len();
            groups[stream].push((number, FileScanTask { project_field_ids: all.clone(), ..task }));
        }
        let schema = table.schema();
        Self { properties: plan_properties(&schema, groups.len()), table, rows, groups, schema }
    }
}

impl DisplayAs for Kept {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept: streams={}", self.groups.len())
    }
}

impl ExecutionPlan for Kept {
    fn name(&self) -> &'static str {
        "Kept"
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
        let (schema, rows) = (Arc::clone(&self.schema), Arc::clone(&self.rows));
        let batches = batches(&self.table, &self.groups[partition], &context)?;
        let kept = batches.map(move |found| {
            let (piece, first, batch) = found?;
            let staying = BooleanArray::from(rows.staying(piece, first, batch.num_rows()));
            Ok(filter_record_batch(&fit(&batch, &schema)?, &staying)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), kept)))
    }
}
