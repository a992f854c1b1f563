//! Conditional functions and what else belongs to no theme.
//! Source: <https://trino.io/docs/current/functions/conditional.html>

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringViewArray};
use arrow::compute::kernels::cmp;
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_null, nullif, or};
use arrow::error::ArrowError;
use datafusion::error::Result;
use datafusion::logical_expr::ScalarUDF;

use super::function::{Call, Function, Run};
use super::types::trino_name;

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signature: &'static str, run| Function::new(&[signature], Run::Own(run)).udf();
    vec![
        own("typeof(any) -> varchar", |c| {
            let name = c.types.first().map(trino_name).unwrap_or_default();
            Ok(Arc::new(StringViewArray::from(vec![name; c.rows])))
        }),
        own("greatest(T, T...) -> T", |c| extreme(c, cmp::gt_eq)),
        own("least(T, T...) -> T", |c| extreme(c, cmp::lt_eq)),
        // The typing rules take it away: it only names a cast by its type.
        own("$as(T, varchar) -> T", |c| Ok(Arc::clone(&c.args[0]))),
        // The typing rules replace it by error-swallowing forms of what is inside.
        own("try(T) -> T", |c| Ok(Arc::clone(&c.args[0]))),
    ]
}

type Compare = fn(&dyn arrow::array::Datum, &dyn arrow::array::Datum) -> Result<BooleanArray, ArrowError>;

/// A NULL among the arguments gives NULL.
fn extreme(call: &Call, keeps: Compare) -> Result<ArrayRef> {
    let mut best = Arc::clone(&call.args[0]);
    let mut missing = is_null(&best)?;
    for next in &call.args[1..] {
        missing = or(&missing, &is_null(next)?)?;
        best = zip(&keeps(&best, next)?, &best, next)?;
    }
    Ok(if missing.has_true() { nullif(&best, &missing)? } else { best })
}
