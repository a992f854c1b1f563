//! `TRY(…)`: an error inside gives NULL for that row.
//!
//! Each function and cast inside is replaced by a form that swallows its own errors. So `TRY(coalesce(1 / 0, 2))` is 2
//! here and NULL in Trino; for everything else the results are equal.
//! Source: <https://trino.io/docs/current/functions/conditional.html#try>

use std::any::Any;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TryCast,
};

use super::casts;
use crate::Error;

/// The expression with its errors swallowed.
pub(crate) fn forgive(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let forgiving = |expr: Expr| {
        Ok(match expr {
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                let function = ScalarUDF::new_from_impl(Try { inner: func });
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: Arc::new(function), args }))
            }
            Expr::Cast(Cast { expr, data_type }) => match casts::own_cast(&expr.get_type(schema)?, &data_type, true) {
                Some(function) => Transformed::yes(function.call(vec![*expr])),
                None => Transformed::yes(Expr::TryCast(TryCast::new(expr, data_type))),
            },
            other => Transformed::no(other),
        })
    };
    Ok(expr.transform_up(forgiving)?.data)
}

/// A function whose errors in the data give NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Try {
    inner: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Try {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "$try"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.inner.return_field_from_args(args)?;
        Ok(Arc::new(field.as_ref().clone().with_nullable(true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let whole = self.inner.invoke_with_args(args.clone());
        match whole {
            Err(error) if is_datas(&error) => self.row_by_row(&args),
            other => other,
        }
    }
}

impl Try {
    fn row_by_row(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = args.return_field.data_type();
        let null = ScalarValue::try_from(returns)?;
        if args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_))) {
            return Ok(ColumnarValue::Scalar(null));
        }
        let null = null.to_array()?;
        let row = |i: usize| -> Result<ArrayRef> {
            let mut one = args.clone();
            one.number_rows = 1;
            for arg in &mut one.args {
                if let ColumnarValue::Array(column) = arg {
                    *column = column.slice(i, 1);
                }
            }
            match self.inner.invoke_with_args(one) {
                Ok(value) => value.into_array(1),
                Err(error) if is_datas(&error) => Ok(Arc::clone(&null)),
                Err(error) => Err(error),
            }
        };
        let rows = (0..args.number_rows).map(row).collect::<Result<Vec<_>>>()?;
        let rows: Vec<_> = rows.iter().map(|row| row.as_ref() as &dyn arrow::array::Array).collect();
        if rows.is_empty() {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(returns)));
        }
        Ok(ColumnarValue::Array(concat(&rows)?))
    }
}

/// Whether an error is of the data, which `TRY` swallows.
fn is_datas(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ArrowError(..) => true,
        DataFusionError::External(inner) => {
            matches!(inner.downcast_ref::<Error>(), Some(Error::Query { error_type: super::error::DATA, .. }))
        }
        _ => false,
    }
}
