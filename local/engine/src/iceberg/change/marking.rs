//! [`Marking`]: takes what a plan says of each row, and passes on the rows that come.

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int32Type, Int64Type, SchemaRef};
use datafusion::error::{DataFusionError, Result as PlanResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties};
use futures::StreamExt;

use super::RowAction;
use super::rows::Rows;
use crate::iceberg::scan::plan_properties;

/// The columns of the plan before those of the table: address, action.
const BEFORE: usize = 2;

#[derive(Debug)]
pub(super) struct Marking {
    input: Arc<dyn ExecutionPlan>,
    marks: Marks,
    properties: Arc<PlanProperties>,
}

#[derive(Debug, Clone)]
struct Marks {
    actions: Arc<[RowAction]>,
    once: bool,
    rows: Arc<Rows>,
    schema: SchemaRef,
}

impl Marking {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        actions: &[RowAction],
        once: bool,
        rows: Arc<Rows>,
        schema: &SchemaRef,
    ) -> Self {
        let properties = plan_properties(schema, input.output_partitioning().partition_count());
        let marks = Marks { actions: actions.into(), once, rows, schema: Arc::clone(schema) };
        Self { input, marks, properties }
    }
}

impl Marks {
    /// Notes the rows that go, and gives those that come.
    fn take(&self, batch: &RecordBatch) -> PlanResult<RecordBatch> {
        let addresses = batch.column(0).as_primitive::<Int64Type>();
        let cases = batch.column(1).as_primitive::<Int32Type>();
        let action = |row: usize| {
            let case = if cases.is_null(row) { 0 } else { cases.value(row) };
            usize::try_from(case).ok().and_then(|case| self.actions.get(case.checked_sub(1)?)).copied()
        };
        let actions: Vec<_> = (0..batch.num_rows()).map(action).collect();
        let found = actions.iter().enumerate().filter(|(row, _)| addresses.is_valid(*row));
        // A row that stays is of interest where it may not be found twice.
        let found = found.filter(|(_, action)| self.once || action.is_some());
        self.rows.note(found.map(|(row, action)| (addresses.value(row), action.is_some())), self.once)?;
        let inserted = actions.iter().filter(|action| **action == Some(RowAction::Insert)).count();
        self.rows.inserted(inserted as u64);
        if batch.num_columns() == BEFORE {
            return Ok(RecordBatch::new_empty(Arc::clone(&self.schema)));
        }
        let comes = |action: &Option<RowAction>| matches!(action, Some(RowAction::Update | RowAction::Insert));
        let coming = BooleanArray::from(actions.iter().map(comes).collect::<Vec<_>>());
        let columns = batch.columns()[BEFORE..].to_vec();
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        Ok(filter_record_batch(&rows, &coming)?)
    }
}

impl DisplayAs for Marking {
    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Marking: actions={:?}", self.marks.actions)
    }
}

impl ExecutionPlan for Marking {
    fn name(&self) -> &'static str {
        "Marking"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> PlanResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().ok_or_else(|| DataFusionError::Internal("Marking has one input".into()))?;
        let properties = plan_properties(&self.marks.schema, input.output_partitioning().partition_count());
        Ok(Arc::new(Self { input, marks: self.marks.clone(), properties }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> PlanResult<SendableRecordBatchStream> {
        let (input, marks) = (self.input.execute(partition, context)?, self.marks.clone());
        let rows = input.map(move |batch| marks.take(&batch?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.marks.schema), rows)))
    }
}
