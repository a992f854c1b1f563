//! A Trino function on DataFusion: resolution by Trino's signatures, evaluation row by row or by DataFusion's own.

use std::any::Any;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::error;
use super::signature::{self, Overload, Resolved};
use super::types::{JSON, VARCHAR, trino_name};

/// The arguments of a call, as columns of equal length.
///
/// Timestamps arrive in microseconds and JSON as `varchar`; `types` has what they were.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) args: Vec<ArrayRef>,
    pub(crate) types: Vec<DataType>,
    pub(crate) rows: usize,
    /// The result's type; a result of another carrier is cast to it.
    pub(crate) returns: DataType,
}

/// How a function is computed.
#[derive(Clone)]
pub(crate) enum Run {
    /// Here.
    Own(fn(&Call) -> Result<ArrayRef>),
    /// By a function of DataFusion with the same meaning.
    Inner(Arc<ScalarUDF>),
}

/// A function under Trino's name.
#[derive(Clone)]
pub(crate) struct Function {
    name: &'static str,
    overloads: Vec<Overload>,
    signature: Signature,
    run: Run,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Function").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl Function {
    /// A function of these forms, all of one name.
    pub(crate) fn new(signatures: &[&'static str], run: Run) -> Self {
        let overloads: Vec<_> = signatures.iter().filter_map(|text| Overload::parse(text)).collect();
        let name = overloads.first().map_or("", Overload::name);
        Self { name, overloads, signature: Signature::user_defined(Volatility::Immutable), run }
    }

    /// The same, giving another value at each call.
    pub(crate) fn volatile(mut self) -> Self {
        self.signature = Signature::user_defined(Volatility::Volatile);
        self
    }

    /// For the session's list.
    pub(crate) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }

    fn resolve(&self, args: &[DataType]) -> Result<Resolved> {
        if let Some(resolved) = signature::resolve(&self.overloads, args) {
            return Ok(resolved);
        }
        let given: Vec<_> = args.iter().map(trino_name).collect();
        let forms: Vec<_> = self.overloads.iter().map(|o| o.text.split(" ->").next().unwrap_or_default()).collect();
        let (given, forms) = (given.join(", "), forms.join(", "));
        let message = format!("Unexpected parameters ({given}) for function {}. Expected: {forms}", self.name);
        Err(error::tagged("FUNCTION_NOT_FOUND", &message))
    }

    /// The types that the inner function wants for arguments that Trino accepts.
    fn inner_types(inner: &ScalarUDF, args: &[DataType]) -> Result<Vec<DataType>> {
        let fields: Vec<FieldRef> = args.iter().map(|t| Arc::new(Field::new("arg", t.clone(), true))).collect();
        Ok(fields_with_udf(&fields, inner)?.iter().map(|f| f.data_type().clone()).collect())
    }

    fn invoke_own(
        run: fn(&Call) -> Result<ArrayRef>,
        args: ScalarFunctionArgs,
        volatile: bool,
    ) -> Result<ColumnarValue> {
        let constant = !volatile && args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let returns = args.return_field.data_type().clone();
        let types = args.args.iter().map(ColumnarValue::data_type).collect();
        let columns = args.args.into_iter().map(|arg| plain(&arg.into_array(rows)?)).collect::<Result<_>>()?;
        let result = run(&Call { args: columns, types, rows, returns: returns.clone() })?;
        let result = as_returned(&result, &returns)?;
        if constant {
            return ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(result))
    }

    fn invoke_inner(inner: &ScalarUDF, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let returns = args.return_field.data_type().clone();
        let types: Vec<_> = args.args.iter().map(ColumnarValue::data_type).collect();
        args.return_field = Arc::new(Field::new(inner.name(), inner.return_type(&types)?, true));
        let result = inner.invoke_with_args(args)?;
        if result.data_type() == returns { Ok(result) } else { result.cast_to(&returns, None) }
    }
}

/// Gives a result the carrier that was promised. Instants without a zone are in UTC.
pub(crate) fn as_returned(result: &ArrayRef, returns: &DataType) -> Result<ArrayRef> {
    if result.data_type() == returns {
        return Ok(Arc::clone(result));
    }
    match (result.data_type(), returns) {
        (DataType::Timestamp(_, None), DataType::Timestamp(unit, Some(_))) => {
            let utc = cast(result, &DataType::Timestamp(*unit, Some("+00:00".into())))?;
            Ok(cast(&utc, returns)?)
        }
        _ => Ok(cast(result, returns)?),
    }
}

/// One carrier for each kind of value, so that functions read one.
fn plain(column: &ArrayRef) -> Result<ArrayRef> {
    let carrier = match column.data_type() {
        DataType::Timestamp(unit, _) if *unit != TimeUnit::Microsecond => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        DataType::Timestamp(_, Some(_)) => DataType::Timestamp(TimeUnit::Microsecond, None),
        json if *json == JSON => VARCHAR,
        _ => return Ok(Arc::clone(column)),
    };
    // Dropping a zone would move the clock; the instant is what is wanted.
    if let DataType::Timestamp(unit, Some(_)) = column.data_type() {
        let utc = cast(column, &DataType::Timestamp(*unit, Some("+00:00".into())))?;
        return Ok(cast(&utc, &carrier)?);
    }
    Ok(cast(column, &carrier)?)
}

impl ScalarUDFImpl for Function {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let resolved = self.resolve(arg_types)?;
        match &self.run {
            Run::Own(_) => Ok(resolved.args),
            Run::Inner(inner) => Self::inner_types(inner, &resolved.args),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.resolve(arg_types).map(|resolved| resolved.returns)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let resolved = self.resolve(&types)?;
        let zone = resolved.zone_arg.and_then(|i| args.scalar_arguments.get(i).copied().flatten());
        let returns = match (zone.and_then(|z| z.try_as_str().flatten()), resolved.returns) {
            (Some(zone), DataType::Timestamp(unit, _)) => DataType::Timestamp(unit, Some(zone.into())),
            (_, returns) => returns,
        };
        Ok(Arc::new(Field::new(self.name, returns, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &self.run {
            Run::Own(run) => Self::invoke_own(*run, args, self.signature.volatility == Volatility::Volatile),
            Run::Inner(inner) => Self::invoke_inner(inner, args),
        }
    }
}

/// An argument's type as a Rust value.
pub(crate) trait Arg<'a>: Sized + 'a {
    /// The column it is read from.
    type Column: 'a;
    /// Finds the column.
    fn column(array: &'a ArrayRef) -> Option<&'a Self::Column>;
    /// Reads a row that is not NULL.
    fn read(column: &'a Self::Column, row: usize) -> Self;
}

/// A result's type as a Rust value.
pub(crate) trait Ret: Sized {
    /// Gathers a column.
    fn gather(rows: impl Iterator<Item = Result<Option<Self>>>) -> Result<ArrayRef>;
}

/// Day number of a `date`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Days(pub(crate) i32);
/// Microseconds since the epoch of a `timestamp`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Micros(pub(crate) i64);

macro_rules! arg {
    ($rust:ty, $array:ty, $read:expr) => {
        impl<'a> Arg<'a> for $rust {
            type Column = $array;
            fn column(array: &'a ArrayRef) -> Option<&'a $array> {
                array.as_any().downcast_ref()
            }
            fn read(column: &'a $array, row: usize) -> Self {
                $read(column.value(row))
            }
        }
    };
}

arg!(&'a str, arrow::array::StringViewArray, |v| v);
arg!(&'a [u8], arrow::array::BinaryArray, |v| v);
arg!(bool, arrow::array::BooleanArray, |v| v);
arg!(i32, arrow::array::Int32Array, |v| v);
arg!(i64, arrow::array::Int64Array, |v| v);
arg!(f32, arrow::array::Float32Array, |v| v);
arg!(f64, arrow::array::Float64Array, |v| v);
arg!(i128, arrow::array::Decimal128Array, |v| v);
arg!(Days, arrow::array::Date32Array, Days);
arg!(Micros, arrow::array::TimestampMicrosecondArray, Micros);
arg!(ArrayRef, arrow::array::ListArray, |v| v);

macro_rules! ret {
    ($rust:ty, $array:ty, $write:expr) => {
        impl Ret for $rust {
            fn gather(rows: impl Iterator<Item = Result<Option<Self>>>) -> Result<ArrayRef> {
                let column = rows.map(|row| row.map(|value| value.map($write))).collect::<Result<$array>>()?;
                Ok(Arc::new(column))
            }
        }
    };
}

ret!(&str, arrow::array::StringViewArray, |v| v);
ret!(String, arrow::array::StringViewArray, |v| v);
ret!(std::borrow::Cow<'_, str>, arrow::array::StringViewArray, |v| v);
ret!(bool, arrow::array::BooleanArray, |v| v);
ret!(i32, arrow::array::Int32Array, |v| v);
ret!(i64, arrow::array::Int64Array, |v| v);
ret!(f32, arrow::array::Float32Array, |v| v);
ret!(f64, arrow::array::Float64Array, |v| v);
ret!(Vec<u8>, arrow::array::BinaryArray, |v: Vec<u8>| v);
ret!(Days, arrow::array::Date32Array, |v: Days| v.0);
ret!(Micros, arrow::array::TimestampMicrosecondArray, |v: Micros| v.0);

impl Ret for Vec<String> {
    fn gather(rows: impl Iterator<Item = Result<Option<Self>>>) -> Result<ArrayRef> {
        let mut builder = arrow::array::ListBuilder::new(arrow::array::StringViewBuilder::new());
        for row in rows {
            builder.append_option(row?.map(|items| items.into_iter().map(Some)));
        }
        Ok(Arc::new(builder.finish()))
    }
}

impl Call {
    /// The column of argument `i`.
    pub(crate) fn column<'a, A: Arg<'a>>(&'a self, i: usize) -> Result<&'a A::Column> {
        self.args
            .get(i)
            .and_then(|array| A::column(array))
            .ok_or_else(|| DataFusionError::Internal(format!("argument {i} has the type {:?}", self.types.get(i))))
    }

    /// Whether an argument of the row is NULL.
    fn has_null(&self, row: usize) -> bool {
        self.args.iter().any(|arg| arg.is_null(row))
    }

    fn gather<R: Ret>(&self, f: impl Fn(usize) -> Result<Option<R>>) -> Result<ArrayRef> {
        R::gather((0..self.rows).map(|row| if self.has_null(row) { Ok(None) } else { f(row) }))
    }
}

/// Applies `f` to each row of one argument; NULL gives NULL.
pub(crate) fn unary<'a, A: Arg<'a>, R: Ret>(call: &'a Call, f: impl Fn(A) -> Result<Option<R>>) -> Result<ArrayRef> {
    let a = call.column::<A>(0)?;
    call.gather(|row| f(A::read(a, row)))
}

/// Applies `f` to each row of two arguments; a NULL gives NULL.
pub(crate) fn binary<'a, A: Arg<'a>, B: Arg<'a>, R: Ret>(
    call: &'a Call,
    f: impl Fn(A, B) -> Result<Option<R>>,
) -> Result<ArrayRef> {
    let (a, b) = (call.column::<A>(0)?, call.column::<B>(1)?);
    call.gather(|row| f(A::read(a, row), B::read(b, row)))
}

/// Applies `f` to each row of three arguments; a NULL gives NULL.
pub(crate) fn ternary<'a, A: Arg<'a>, B: Arg<'a>, C: Arg<'a>, R: Ret>(
    call: &'a Call,
    f: impl Fn(A, B, C) -> Result<Option<R>>,
) -> Result<ArrayRef> {
    let (a, b, c) = (call.column::<A>(0)?, call.column::<B>(1)?, call.column::<C>(2)?);
    call.gather(|row| f(A::read(a, row), B::read(b, row), C::read(c, row)))
}

/// A value that is there.
#[allow(clippy::unnecessary_wraps, reason = "it is what the row functions give")]
pub(crate) fn ok<R>(value: R) -> Result<Option<R>> {
    Ok(Some(value))
}
