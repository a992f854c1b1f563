//! Projections taken into a scan: what is constant in a partition is computed once there instead of for each row.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::super::partitions;
use super::{Constants, CsvScan, Output};

impl CsvScan {
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
    pub(super) fn absorb(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
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
    fields: Vec<FieldRef>,
    constants: Constants,
    constant_fields: Vec<FieldRef>,
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

    fn add(&mut self, expr: &Arc<dyn PhysicalExpr>, field: &Field) -> Result<(), DataFusionError> {
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

    fn add_constant(&mut self, values: Vec<ScalarValue>, field: &Field) -> Output {
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
