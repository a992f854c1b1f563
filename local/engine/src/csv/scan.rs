//! The execution plan: streams that take ranges of files from one queue and turn them into batches.

mod absorb;

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DataFusionError, ScalarValue, Statistics, stats::Precision};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};

use super::estimate::Estimate;
use super::field_type::FieldType;
use super::files::{Queue, Range, TextFile};
use super::stream::ScanStream;
use crate::engine::ScanMeter;
use crate::lake::Lake;

const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };

/// What is read; shared by a scan's plans and streams.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) lake: Lake,
    pub(super) table: String,
    pub(super) files: Vec<TextFile>,
    pub(super) ranges: Vec<Range>,
    /// Of the columns in the files.
    pub(super) types: Arc<[FieldType]>,
    pub(super) meter: Arc<ScanMeter>,
}

/// Where an output column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// The files' column of this number.
    Field(usize),
    /// The same for all rows of a partition: this column of [`Constants`].
    Constant(usize),
}

impl Output {
    /// The number of the files' column, if it is one.
    pub(super) fn field(self) -> Option<usize> {
        match self {
            Self::Field(field) => Some(field),
            Self::Constant(_) => None,
        }
    }
}

/// Columns that are constant in a partition: its values, and expressions over them. One row for each partition.
#[derive(Debug, Clone)]
pub(super) struct Constants {
    schema: SchemaRef,
    /// How many of the columns are the partition's values; rows are in their order.
    keys: usize,
    pub(super) rows: Vec<Vec<ScalarValue>>,
}

impl Constants {
    /// The orders that the rows of each stream have, since a stream meets the partitions in the order of their values.
    /// Whoever groups by such a column lets a partition's groups go once the next one begins, so that its hash table
    /// stays in the processor's cache: a sixth less time, half the memory.
    ///
    /// Only of expressions, which come late into the scan: the planner would keep the order of the partition columns
    /// themselves through the exchange between two aggregations, by a merge that costs more than it gains.
    fn orderings(&self, outputs: &[Output], schema: &SchemaRef) -> EquivalenceProperties {
        let ordering = |(at, output): (usize, &Output)| match *output {
            Output::Constant(constant) if constant >= self.keys && self.ascends(constant) => {
                let column = Arc::new(Column::new(schema.field(at).name(), at));
                Some([PhysicalSortExpr::new(column, ASCENDING)])
            }
            _ => None,
        };
        let orderings: Vec<_> = outputs.iter().enumerate().filter_map(ordering).collect();
        EquivalenceProperties::new_with_orderings(Arc::clone(schema), orderings)
    }

    /// Whether the column never falls from one partition to the next; NULL would have to be last.
    fn ascends(&self, column: usize) -> bool {
        let values = || self.rows.iter().map(|row| &row[column]);
        values().all(|value| !value.is_null())
            && values().zip(values().skip(1)).all(|(value, next)| value.partial_cmp(next).is_some_and(Ordering::is_le))
    }
}

/// Scans a [`super::CsvTable`]. The streams share the work: all partitions of the plan must be executed.
#[derive(Debug)]
pub(super) struct CsvScan {
    source: Arc<Source>,
    outputs: Arc<[Output]>,
    constants: Arc<Constants>,
    estimate: Arc<Estimate>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    round: Mutex<Round>,
}

/// One execution of all partitions. A partition that is executed again begins the next round, with a full queue.
#[derive(Debug, Default)]
struct Round {
    queue: Option<Arc<Queue>>,
    handed_out: Vec<bool>,
}

impl CsvScan {
    /// A scan of the columns `projection` of `schema`: first the files' columns, then the partition columns.
    /// It always has as many streams as the query wants: one without work costs nothing, and fewer would make the planner
    /// spread the rows by a repartition, which costs more than it gains and comes between the scan and its projection.
    pub(super) fn try_new(
        source: Arc<Source>,
        schema: &Schema,
        projection: &[usize],
        (keys, values): (&SchemaRef, Vec<Vec<ScalarValue>>),
        streams: usize,
    ) -> Result<Self, DataFusionError> {
        let fields = source.types.len();
        let output = |&column: &usize| match column.checked_sub(fields) {
            Some(constant) => Output::Constant(constant),
            None => Output::Field(column),
        };
        let outputs: Arc<[Output]> = projection.iter().map(output).collect();
        let estimate = Arc::new(Estimate::sample(&source)?);
        let streams = streams.max(1);
        let constants = Arc::new(Constants { schema: Arc::clone(keys), keys: keys.fields().len(), rows: values });
        Ok(Self::new(source, outputs, constants, estimate, &Arc::new(schema.project(projection)?), streams))
    }

    fn new(
        source: Arc<Source>,
        outputs: Arc<[Output]>,
        constants: Arc<Constants>,
        estimate: Arc<Estimate>,
        schema: &SchemaRef,
        streams: usize,
    ) -> Self {
        let properties = PlanProperties::new(
            constants.orderings(&outputs, schema),
            Partitioning::UnknownPartitioning(streams),
            EmissionType::Incremental,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        let (metrics, round) = (ExecutionPlanMetricsSet::new(), Mutex::default());
        Self { source, outputs, constants, estimate, properties: Arc::new(properties), metrics, round }
    }

    fn streams(&self) -> usize {
        self.properties.partitioning.partition_count()
    }

    /// The queue that the stream `partition` works on.
    fn queue(&self, partition: usize) -> Arc<Queue> {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let again = round.handed_out.get(partition).copied().unwrap_or(true);
        match &round.queue {
            Some(queue) if !again => {
                let queue = Arc::clone(queue);
                round.handed_out[partition] = true;
                queue
            }
            _ => {
                let queue = Arc::new(Queue::new(self.source.ranges.clone()));
                round.queue = Some(Arc::clone(&queue));
                round.handed_out = (0..self.streams()).map(|stream| stream == partition).collect();
                queue
            }
        }
    }
}

impl DisplayAs for CsvScan {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.schema();
        let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(
            formatter,
            "CsvScan: table={}, columns=[{}], files={}, bytes={}, streams={}",
            self.source.table,
            columns.join(", "),
            self.source.files.len(),
            self.estimate.bytes,
            self.streams()
        )
    }
}

impl ExecutionPlan for CsvScan {
    fn name(&self) -> &'static str {
        "CsvScan"
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

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let stream = ScanStream::new(
            Arc::clone(&self.source),
            self.queue(partition),
            Arc::clone(&self.outputs),
            Arc::clone(&self.constants),
            self.schema(),
            context.session_config().batch_size(),
        );
        let batches = stream.batches(&self.metrics, partition);
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    /// Rows and bytes are estimates from a sample: enough to tell the small side of a join from the large one.
    fn partition_statistics(&self, partition: Option<usize>) -> Result<Statistics, DataFusionError> {
        let share = if partition.is_some() { self.streams() } else { 1 };
        let width: usize = self.outputs.iter().map(|output| self.estimate.width(*output)).sum();
        let rows = self.estimate.rows.div_ceil(share);
        Ok(Statistics {
            num_rows: Precision::Inexact(rows),
            total_byte_size: Precision::Inexact(rows.saturating_mul(width)),
            column_statistics: Statistics::unknown_column(&self.schema()),
        })
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        self.absorb(projection)
    }
}

/// A batch of `rows` rows.
pub(super) fn record_batch(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, DataFusionError> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
