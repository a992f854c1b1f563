//! `row(a, b, …)`: a row whose fields have no name.

use std::any::Any;
use std::sync::Arc;

use arrow::array::StructArray;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The function.
pub(crate) fn row_function() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::new_from_impl(Row { signature: Signature::variadic_any(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    signature: Signature,
}

fn fields(types: &[DataType]) -> Fields {
    types.iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t.clone(), true)).collect()
}

impl ScalarUDFImpl for Row {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &'static str {
        "row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields(arg_types)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<_> = args.args.iter().map(ColumnarValue::data_type).collect();
        let columns = args.args.iter().map(|arg| arg.to_array(args.number_rows)).collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(Arc::new(StructArray::try_new(fields(&types), columns, None)?)))
    }
}
