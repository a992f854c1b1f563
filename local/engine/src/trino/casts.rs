//! `CAST` and `TRY_CAST` where Trino's result or error differs from arrow's.
//! Source: <https://trino.io/docs/current/functions/conversion.html>

use std::any::Any;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int64Array, ListArray, MapArray, StringViewArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::coercion::Kind;
use super::error::data;
use super::function::{Days, Micros, Ret};
use super::types::{VARCHAR, trino_name};
use super::{format, json_casts, text, zone};

/// A cast of Trino's to one type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cast {
    to: DataType,
    /// Whether a value that cannot be cast gives NULL.
    forgiving: bool,
    signature: Signature,
}

/// The function that casts to `to`, if arrow's own cast from `from` would not do.
pub(crate) fn own_cast(from: &DataType, to: &DataType, forgiving: bool) -> Option<Arc<ScalarUDF>> {
    is_own(Kind::of(from), Kind::of(to)).then(|| {
        let signature = Signature::any(1, Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Cast { to: to.clone(), forgiving, signature }))
    })
}

fn is_own(from: Kind, to: Kind) -> bool {
    use Kind::{Date, Decimal, Double, Json, Real, Timestamp, TimestampTz, Unknown, Varchar, Whole};

    match (from, to) {
        (Unknown, _) | (Varchar, Varchar | Kind::Varbinary) | (Json, Json) => false,
        (_, Varchar) | (Varchar | Json, _) => true,
        (_, Json) => true,
        (Double | Real | Decimal, Whole(_)) => true,
        (Timestamp | TimestampTz, Date) | (TimestampTz, Timestamp) => true,
        (Kind::Row, Kind::Row) | (Kind::Array, Kind::Array) | (Kind::Map, Kind::Map) => true,
        _ => false,
    }
}

impl ScalarUDFImpl for Cast {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn name(&self) -> &str {
        if self.forgiving { "$try_cast" } else { "$cast" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(arg) = args.args.into_iter().next() else { return Ok(ColumnarValue::Scalar(ScalarValue::Null)) };
        let constant = matches!(arg, ColumnarValue::Scalar(_));
        let column = arg.into_array(if constant { 1 } else { args.number_rows })?;
        let result = self.convert(&column)?;
        if constant {
            return ScalarValue::try_from_array(&result, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(result))
    }
}

impl Cast {
    fn convert(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let result = self.convert_kind(column)?;
        super::function::as_returned(&result, &self.to)
    }

    /// The same cast to another type, for a part of a value.
    fn part(&self, column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
        let (from, kind) = (Kind::of(column.data_type()), Kind::of(to));
        if is_own(from, kind) {
            let part = Self { to: to.clone(), forgiving: self.forgiving, signature: self.signature.clone() };
            return part.convert(column);
        }
        let options = arrow::compute::CastOptions { safe: self.forgiving, ..Default::default() };
        Ok(arrow::compute::cast_with_options(column, to, &options)?)
    }

    /// Rows, arrays and maps: part by part; the fields of a row by position.
    fn parts(&self, column: &ArrayRef) -> Result<ArrayRef> {
        match &self.to {
            DataType::Struct(fields) => {
                let row = column.as_struct();
                if row.num_columns() != fields.len() {
                    let (from, to) = (trino_name(column.data_type()), trino_name(&self.to));
                    return Err(super::error::statement("TYPE_MISMATCH", format!("Cannot cast {from} to {to}")));
                }
                let parts = row.columns().iter().zip(fields).map(|(part, field)| self.part(part, field.data_type()));
                let parts = parts.collect::<Result<Vec<_>>>()?;
                Ok(Arc::new(StructArray::try_new(fields.clone(), parts, row.nulls().cloned())?))
            }
            DataType::List(item) => {
                let lists = cast_lists(column)?;
                let items = self.part(lists.values(), item.data_type())?;
                let nulls = lists.nulls().cloned();
                Ok(Arc::new(ListArray::try_new(Arc::clone(item), lists.offsets().clone(), items, nulls)?))
            }
            DataType::Map(entries, _) => {
                let map = column.as_map();
                let pairs: ArrayRef = Arc::new(map.entries().clone());
                let pairs = self.part(&pairs, entries.data_type())?;
                let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
                Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs.as_struct().clone(), nulls, false)?))
            }
            other => Ok(cast(column, other)?),
        }
    }

    fn convert_kind(&self, column: &ArrayRef) -> Result<ArrayRef> {
        match (Kind::of(column.data_type()), Kind::of(&self.to)) {
            (Kind::Json, _) => json_casts::from_json(column, &self.to, &|texts, to| {
                Self { to: to.clone(), forgiving: self.forgiving, signature: self.signature.clone() }.read(texts)
            }),
            (_, Kind::Json) => json_casts::to_json(column),
            (Kind::Varchar, _) => self.read(cast(column, &VARCHAR)?.as_string_view()),
            (_, Kind::Varchar) => to_text(column),
            (Kind::TimestampTz, Kind::Timestamp) => Ok(Arc::new(wall_clock(column)?)),
            (_, Kind::Date) => {
                let local = wall_clock(column)?;
                let day = |micros: i64| Ok(Some(Days(micros.div_euclid(text::DAY_MICROS) as i32)));
                gather(local.iter(), day)
            }
            (Kind::Row | Kind::Array | Kind::Map, _) => self.parts(column),
            _ => self.round(column),
        }
    }

    /// Reads each text as a value of the target type.
    fn read(&self, texts: &StringViewArray) -> Result<ArrayRef> {
        let kind = Kind::of(&self.to);
        let parse = Parse { to: &self.to, forgiving: self.forgiving };
        match kind {
            Kind::Boolean => parse.column(texts, boolean),
            Kind::Whole(size) => parse.column(texts, |t| whole(t, size)),
            Kind::Double => parse.column(texts, |t| t.trim().parse::<f64>().ok()),
            Kind::Real => parse.column(texts, |t| t.trim().parse::<f32>().ok()),
            Kind::Date => parse.column(texts, |t| text::parse_date(t).map(Days)),
            Kind::Timestamp => parse.column(texts, |t| text::parse_timestamp(t).map(|read| Micros(read.micros))),
            Kind::TimestampTz => parse.column(texts, |t| {
                let read = text::parse_timestamp(t)?;
                let zone = if read.zone.is_empty() { "UTC" } else { read.zone };
                zone::from_local(read.micros, zone).map(Micros)
            }),
            Kind::Varchar => Ok(Arc::new(texts.clone())),
            Kind::Decimal => parse.decimals(texts),
            _ => Err(super::error::statement(
                "TYPE_MISMATCH",
                format!("Cannot cast varchar to {}", trino_name(&self.to)),
            )),
        }
    }

    /// A number with a fraction to a whole one: half goes away from zero.
    fn round(&self, column: &ArrayRef) -> Result<ArrayRef> {
        let rounded: Int64Array = if let DataType::Decimal128(_, scale) = column.data_type() {
            let unit = 10_i128.pow(u32::from(scale.unsigned_abs()));
            let values = column.as_primitive::<Decimal128Type>().iter();
            let nearest = |v: i128| i64::try_from((v + v.signum() * unit / 2) / unit).ok();
            self.checked(values, nearest, |v| text::decimal(v, *scale))?
        } else {
            let doubles = cast(column, &DataType::Float64)?;
            let values = doubles.as_primitive::<Float64Type>().iter();
            let nearest = |v: f64| {
                let whole = v.round();
                // The bounds are powers of two, so they are exact.
                (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole).then_some(whole as i64)
            };
            self.checked(values, nearest, text::double)?
        };
        let options = arrow::compute::CastOptions { safe: self.forgiving, ..Default::default() };
        Ok(arrow::compute::cast_with_options(&rounded, &self.to, &options)?)
    }

    fn checked<T: Copy>(
        &self,
        values: impl Iterator<Item = Option<T>>,
        convert: impl Fn(T) -> Option<i64>,
        show: impl Fn(T) -> String,
    ) -> Result<Int64Array> {
        let one = |value: Option<T>| match value.map(|v| (v, convert(v))) {
            None => Ok(None),
            Some((_, Some(whole))) => Ok(Some(whole)),
            Some((_, None)) if self.forgiving => Ok(None),
            Some((v, None)) => {
                let name = hive_upper(&self.to);
                Err(data("INVALID_CAST_ARGUMENT", format!("Cannot cast '{}' to {name}", show(v))))
            }
        };
        values.map(one).collect()
    }
}

/// The one list layout that is read here.
pub(crate) fn cast_lists(column: &ArrayRef) -> Result<ListArray> {
    let lists = match column.data_type() {
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            cast(column, &DataType::List(Arc::clone(item)))?
        }
        _ => Arc::clone(column),
    };
    Ok(lists.as_list::<i32>().clone())
}

fn gather<T, R: Ret>(values: impl Iterator<Item = Option<T>>, f: impl Fn(T) -> Result<Option<R>>) -> Result<ArrayRef> {
    R::gather(values.map(|value| value.map_or(Ok(None), &f)))
}

/// What to read texts as, and what to say when one is not that.
struct Parse<'a> {
    to: &'a DataType,
    forgiving: bool,
}

impl Parse<'_> {
    fn column<R: Ret>(&self, texts: &StringViewArray, read: impl Fn(&str) -> Option<R>) -> Result<ArrayRef> {
        gather(texts.iter(), |t| match read(t) {
            Some(value) => Ok(Some(value)),
            None if self.forgiving => Ok(None),
            None => Err(self.refused(t)),
        })
    }

    fn refused(&self, t: &str) -> datafusion::error::DataFusionError {
        let message = match Kind::of(self.to) {
            Kind::Date => format!("Value cannot be cast to date: {t}"),
            Kind::Timestamp | Kind::TimestampTz => format!("Value cannot be cast to timestamp: {t}"),
            Kind::Decimal => {
                let name = trino_name(self.to).to_uppercase().replace(',', ", ");
                format!("Cannot cast VARCHAR '{t}' to {name}. Value is not a number.")
            }
            _ => format!("Cannot cast '{t}' to {}", hive_upper(self.to)),
        };
        data("INVALID_CAST_ARGUMENT", message)
    }

    fn decimals(&self, texts: &StringViewArray) -> Result<ArrayRef> {
        let DataType::Decimal128(precision, scale) = *self.to else {
            return Err(super::error::unsupported(trino_name(self.to)));
        };
        let read = |t: Option<&str>| match t.map(|t| (t, decimal(t, precision, scale))) {
            None => Ok(None),
            Some((_, Some(value))) => Ok(Some(value)),
            Some(_) if self.forgiving => Ok(None),
            Some((t, None)) => Err(self.refused(t)),
        };
        let values = texts.iter().map(read).collect::<Result<Decimal128Array>>()?;
        Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
    }
}

/// Trino writes `integer` as INT in its cast errors.
fn hive_upper(data_type: &DataType) -> String {
    match data_type {
        DataType::Int32 => "INT".into(),
        other => trino_name(other).to_uppercase(),
    }
}

fn boolean(t: &str) -> Option<bool> {
    match t.to_ascii_lowercase().as_str() {
        "t" | "true" | "1" => Some(true),
        "f" | "false" | "0" => Some(false),
        _ => None,
    }
}

fn whole(t: &str, size: u8) -> Option<i64> {
    let value: i64 = t.trim().parse().ok()?;
    let fits = match size {
        1 => i8::try_from(value).is_ok(),
        2 => i16::try_from(value).is_ok(),
        4 => i32::try_from(value).is_ok(),
        _ => true,
    };
    fits.then_some(value)
}

/// The unscaled value, rounded half away from zero to the scale.
fn decimal(t: &str, precision: u8, scale: i8) -> Option<i128> {
    let t = t.trim();
    let (negative, digits) = match t.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, t.strip_prefix('+').unwrap_or(t)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let scale = usize::from(scale.unsigned_abs());
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(scale).collect();
    let mut value: i128 = format!("0{whole}{kept}").parse().ok()?;
    if fraction.as_bytes().get(scale).is_some_and(|digit| *digit >= b'5') {
        value += 1;
    }
    let fits = value < 10_i128.checked_pow(u32::from(precision))?;
    fits.then_some(if negative { -value } else { value })
}

/// What the clock on the wall reads: for a zoned timestamp that of its zone.
fn wall_clock(column: &ArrayRef) -> Result<arrow::array::TimestampMicrosecondArray> {
    let DataType::Timestamp(_, zone) = column.data_type() else {
        return Err(datafusion::error::DataFusionError::Internal(format!("{} has no clock", column.data_type())));
    };
    let micros = cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
    let values = micros.as_primitive::<TimestampMicrosecondType>();
    Ok(match zone {
        Some(zone) => values.iter().map(|v| v.map(|v| zone::to_local(v, zone).unwrap_or(v))).collect(),
        None => values.clone(),
    })
}

/// Each value as Trino casts it to `varchar`: like a result, but floating-point numbers are scientific.
pub(crate) fn to_text(column: &ArrayRef) -> Result<ArrayRef> {
    let texts: StringViewArray = match Kind::of(column.data_type()) {
        Kind::Array | Kind::Map | Kind::Row | Kind::Varbinary => {
            let message = format!("Cannot cast {} to varchar", trino_name(column.data_type()));
            return Err(super::error::statement("TYPE_MISMATCH", message));
        }
        Kind::Double => {
            let values = column.as_primitive::<Float64Type>().iter();
            values.map(|v| v.map(|v| text::scientific(v, &format!("{v:e}")))).collect()
        }
        Kind::Real => {
            let values = cast(column, &DataType::Float32)?;
            let values = values.as_primitive::<Float32Type>().iter();
            values.map(|v| v.map(|v| text::scientific(v.into(), &format!("{v:e}")))).collect()
        }
        _ => format::texts(column)?.into_iter().collect(),
    };
    Ok(Arc::new(texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_to_their_scale() {
        assert_eq!(decimal("1.005", 10, 2), Some(101));
        assert_eq!(decimal("-1.5", 10, 0), Some(-2));
        assert_eq!(decimal("12345", 4, 0), None);
        assert_eq!(decimal("1e5", 10, 0), None);
    }

    #[test]
    fn whole_numbers_fit_or_do_not() {
        assert_eq!(whole("128", 1), None);
        assert_eq!(whole("-128", 1), Some(-128));
        assert_eq!(whole("1.0", 8), None);
        assert_eq!(boolean("T"), Some(true));
        assert_eq!(boolean("yes"), None);
    }
}
