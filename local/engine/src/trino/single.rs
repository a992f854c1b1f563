//! A scalar subquery gives one value, NULL if it has no row; a second row is an error.
//! Source: <https://trino.io/docs/current/sql/select.html#scalar-subquery>

use std::any::Any;
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, LogicalPlan, LogicalPlanBuilder, Signature, Volatility,
};

use super::error::data;

/// The subquery's plan, made to fail on a second row unless it cannot have one.
pub(crate) fn one_row(subquery: &Arc<LogicalPlan>) -> Result<Option<LogicalPlan>> {
    if subquery.max_rows().is_some_and(|rows| rows <= 1) {
        return Ok(None);
    }
    let Some((qualifier, field)) = subquery.schema().iter().next() else { return Ok(None) };
    let column = Expr::from((qualifier, field));
    let value = AggregateFunction::new_udf(function(), vec![column], false, None, vec![], None);
    // Another name than the column's: a correlated subquery keeps that beside it.
    let value = Expr::AggregateFunction(value).alias(format!("$single({})", field.name()));
    let none: [Expr; 0] = [];
    LogicalPlanBuilder::from(Arc::clone(subquery)).aggregate(none, [value])?.build().map(Some)
}

fn function() -> Arc<AggregateUDF> {
    static FUNCTION: OnceLock<Arc<AggregateUDF>> = OnceLock::new();
    let new = || {
        let signature = Signature::any(1, Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(Single { signature }))
    };
    Arc::clone(FUNCTION.get_or_init(new))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Single {
    signature: Signature,
}

impl AggregateUDFImpl for Single {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "$single"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let missing = || DataFusionError::Internal("$single takes one argument".into());
        arg_types.first().cloned().ok_or_else(missing)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let value = Field::new(format!("{}[value]", args.name), args.return_type().clone(), true);
        let rows = Field::new(format!("{}[rows]", args.name), DataType::Int64, false);
        Ok(vec![Arc::new(value), Arc::new(rows)])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Seen { value: ScalarValue::try_from(args.return_type())?, rows: 0 }))
    }
}

#[derive(Debug)]
struct Seen {
    value: ScalarValue,
    rows: i64,
}

impl Seen {
    fn add(&mut self, value: &ArrayRef, row: usize, rows: i64) -> Result<()> {
        self.rows += rows;
        if self.rows > 1 {
            return Err(data("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows"));
        }
        if rows == 1 {
            self.value = ScalarValue::try_from_array(value, row)?;
        }
        Ok(())
    }
}

impl Accumulator for Seen {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        (0..values[0].len()).try_for_each(|row| self.add(&values[0], row, 1))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::Int64(Some(self.rows))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states[1].as_primitive::<Int64Type>();
        (0..rows.len()).try_for_each(|row| self.add(&states[0], row, rows.value(row)))
    }
}
