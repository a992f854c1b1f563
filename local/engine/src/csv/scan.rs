//! The execution plan: streams that take ranges of files from one queue and turn them into batches.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, ScalarValue, Statistics, stats::Precision};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};

use super::estimate::Estimate;
use super::field_type::FieldType;
use super::files::{Queue, Range, TextFile};
use super::partitions;
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

    /// Whether `expr` is the same for all rows of a partition. Literals are not worth asking.
    fn is_constant(&self, expr: &Arc<dyn PhysicalExpr>) -> bool {
        let columns = collect_columns(expr);
        !columns.is_empty()
            && columns.iter().all(|column| matches!(self.outputs[column.index()], Output::Constant(_)))
            && !is_volatile(expr)
    }

    /// The values of a constant expression for each partition; `None` if it fails for one of them. Then it is left to
    /// fail in its place, if the query gets there.
    fn evaluate(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Vec<ScalarValue>>, DataFusionError> {
        let expr = rewrite(expr, |column| match self.outputs[column.index()] {
            Output::Constant(constant) => constant,
            Output::Field(field) => field,
        })?;
        let rows = &self.constants.rows;
        let batch = partitions::batch(&self.constants.schema, rows)?;
        let values = expr.evaluate(&batch).and_then(|values| values.into_array(rows.len()));
        let Ok(values) = values else { return Ok(None) };
        (0..rows.len()).map(|row| ScalarValue::try_from_array(&values, row)).collect::<Result<_, _>>().map(Some)
    }

    /// This scan with the projection's constant expressions computed once for each partition instead of for each row.
    /// What is left of the projection stays above it.
    fn absorb(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        let mut absorbed = Absorbed::new(self);
        for (at, item) in projection.expr().iter().enumerate() {
            absorbed.add(&item.expr, projection.schema().field(at))?;
        }
        if absorbed.rest == 0 {
            return Ok(Some(Arc::new(absorbed.scan(&projection.schema()))));
        }
        if absorbed.evaluated == 0 {
            return Ok(None);
        }
        absorbed.with_projection(projection)
    }
}

/// A projection being taken into a scan.
struct Absorbed<'a> {
    scan: &'a CsvScan,
    outputs: Vec<Output>,
    fields: Vec<arrow::datatypes::FieldRef>,
    constants: Constants,
    constant_fields: Vec<arrow::datatypes::FieldRef>,
    /// For each item of the projection: whether it is an output of the new scan.
    taken: Vec<bool>,
    evaluated: usize,
    rest: usize,
}

impl<'a> Absorbed<'a> {
    fn new(scan: &'a CsvScan) -> Self {
        let constants = Constants::clone(&scan.constants);
        let constant_fields = constants.schema.fields().to_vec();
        Self {
            scan,
            outputs: Vec::new(),
            fields: Vec::new(),
            constants,
            constant_fields,
            taken: Vec::new(),
            evaluated: 0,
            rest: 0,
        }
    }

    fn add(&mut self, expr: &Arc<dyn PhysicalExpr>, field: &arrow::datatypes::Field) -> Result<(), DataFusionError> {
        let output = if let Some(column) = expr.as_any().downcast_ref::<Column>() {
            Some(self.scan.outputs[column.index()])
        } else if self.scan.is_constant(expr) {
            self.scan.evaluate(expr)?.map(|values| self.add_constant(values, field))
        } else {
            None
        };
        self.taken.push(output.is_some());
        match output {
            Some(output) => {
                self.outputs.push(output);
                self.fields.push(Arc::new(field.clone()));
            }
            None => self.rest += 1,
        }
        Ok(())
    }

    fn add_constant(&mut self, values: Vec<ScalarValue>, field: &arrow::datatypes::Field) -> Output {
        for (row, value) in self.constants.rows.iter_mut().zip(values) {
            row.push(value);
        }
        self.constant_fields.push(Arc::new(field.clone().with_nullable(true)));
        self.evaluated += 1;
        Output::Constant(self.constant_fields.len() - 1)
    }

    fn scan(self, schema: &SchemaRef) -> CsvScan {
        let schema_of_constants = Arc::new(Schema::new(self.constant_fields));
        let constants = Constants { schema: schema_of_constants, ..self.constants };
        CsvScan::new(
            Arc::clone(&self.scan.source),
            self.outputs.into(),
            Arc::new(constants),
            Arc::clone(&self.scan.estimate),
            schema,
            self.scan.streams(),
        )
    }

    /// The new scan also gives the columns that the rest of the projection uses.
    fn with_projection(
        mut self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        let old_schema = self.scan.schema();
        let mut moved = vec![None; self.scan.outputs.len()];
        let rest = projection.expr().iter().zip(&self.taken).filter(|(_, taken)| !**taken);
        for column in rest.flat_map(|(item, _)| collect_columns(&item.expr)) {
            moved[column.index()].get_or_insert_with(|| {
                self.outputs.push(self.scan.outputs[column.index()]);
                self.fields.push(Arc::clone(&old_schema.fields()[column.index()]));
                self.outputs.len() - 1
            });
        }
        let mut items = Vec::new();
        let mut next_taken = 0;
        for (item, taken) in projection.expr().iter().zip(&self.taken) {
            let expr = if *taken {
                let name = self.fields[next_taken].name();
                next_taken += 1;
                Arc::new(Column::new(name, next_taken - 1)) as Arc<dyn PhysicalExpr>
            } else {
                rewrite(&item.expr, |column| moved[column.index()].unwrap_or(column.index()))?
            };
            items.push(ProjectionExpr { expr, alias: item.alias.clone() });
        }
        let schema = Arc::new(Schema::new(self.fields.clone()));
        let scan = Arc::new(self.scan(&schema));
        Ok(Some(Arc::new(ProjectionExec::try_new(items, scan)?)))
    }
}

/// The expression with its columns at other places.
fn rewrite(
    expr: &Arc<dyn PhysicalExpr>,
    place: impl Fn(&Column) -> usize,
) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
    Arc::clone(expr)
        .transform(|expr| {
            Ok(match expr.as_any().downcast_ref::<Column>() {
                Some(column) => Transformed::yes(Arc::new(Column::new(column.name(), place(column)))),
                None => Transformed::no(expr),
            })
        })
        .data()
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
