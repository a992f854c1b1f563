//! A batch of results as Athena writes it: every value a text, NULL no text at all.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/querying.html> (results are CSV text).

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type, Int64Type,
    IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::text;
use super::zone;
use crate::{Result, Row};

/// Formats one value of a column by its row number; the row is not NULL.
type Format<'a> = Box<dyn Fn(usize) -> String + 'a>;

/// All rows of a batch.
///
/// # Errors
/// When a column's type cannot be written.
pub fn format_rows(batch: &RecordBatch) -> Result<Vec<Row>> {
    let columns = batch.columns().iter().map(ready).collect::<Result<Vec<_>>>()?;
    let formats = columns.iter().map(format).collect::<Result<Vec<_>>>()?;
    let nulls: Vec<_> = columns.iter().map(Array::logical_nulls).collect();
    let is_valid = |column: usize, i: usize| nulls[column].as_ref().is_none_or(|nulls| nulls.is_valid(i));
    let row = |i: usize| formats.iter().enumerate().map(|(c, f)| is_valid(c, i).then(|| f(i))).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

/// One column's texts.
pub(crate) fn texts(column: &ArrayRef) -> datafusion::error::Result<Vec<Option<String>>> {
    let batch = RecordBatch::try_from_iter_with_nullable([("value", ArrayRef::clone(column), true)])?;
    let rows = format_rows(&batch).map_err(|e| datafusion::error::DataFusionError::External(Box::new(e)))?;
    Ok(rows.into_iter().map(|mut row| row.pop().flatten()).collect())
}

/// Brings a column to the one layout that [`format`] reads for its type.
fn ready(column: &ArrayRef) -> Result<ArrayRef> {
    let target = match column.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => DataType::Int64,
        DataType::Duration(_) => DataType::Duration(TimeUnit::Microsecond),
        DataType::Interval(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        DataType::LargeList(item) | DataType::FixedSizeList(item, _) => DataType::List(item.clone()),
        _ => return Ok(column.clone()),
    };
    let cast = arrow::compute::cast(column, &target).map_err(datafusion::error::DataFusionError::from)?;
    if matches!(column.data_type(), DataType::Dictionary(..)) { ready(&cast) } else { Ok(cast) }
}

fn format(column: &ArrayRef) -> Result<Format<'_>> {
    Ok(match column.data_type() {
        DataType::Null => Box::new(|_| String::new()),
        DataType::Boolean => {
            let values = column.as_boolean();
            Box::new(|i| values.value(i).to_string())
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            Box::new(|i| values.value(i).to_string())
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            Box::new(|i| text::double(values.value(i)))
        }
        DataType::Float32 => {
            let values = column.as_primitive::<Float32Type>();
            Box::new(|i| text::real(values.value(i)))
        }
        DataType::Decimal128(_, scale) => {
            let (values, scale) = (column.as_primitive::<Decimal128Type>(), *scale);
            Box::new(move |i| text::decimal(values.value(i), scale))
        }
        DataType::Utf8View => {
            let values = column.as_string_view();
            Box::new(|i| values.value(i).to_owned())
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            Box::new(|i| text::bytes(values.value(i)))
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>();
            Box::new(|i| text::date(values.value(i)))
        }
        DataType::Timestamp(unit, zone) => timestamps(column, *unit, zone.as_deref())?,
        DataType::Interval(_) | DataType::Duration(_) => intervals(column),
        DataType::List(_) => lists(column)?,
        DataType::Map(..) => maps(column)?,
        DataType::Struct(_) => rows(column)?,
        _ => other(column)?,
    })
}

fn timestamps<'a>(column: &ArrayRef, unit: TimeUnit, zone: Option<&str>) -> Result<Format<'a>> {
    // Athena never writes fewer than milliseconds.
    let digits = match unit {
        TimeUnit::Second | TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let cast = arrow::compute::cast(column, &micros).map_err(datafusion::error::DataFusionError::from)?;
    let values = cast.as_primitive::<TimestampMicrosecondType>().clone();
    let Some(zone) = zone.map(str::to_owned) else {
        return Ok(Box::new(move |i| text::timestamp(values.value(i), digits)));
    };
    Ok(Box::new(move |i| {
        let local = zone::to_local(values.value(i), &zone).unwrap_or(values.value(i));
        format!("{} {}", text::timestamp(local, digits), zone::name(&zone))
    }))
}

fn intervals(column: &ArrayRef) -> Format<'_> {
    if let DataType::Duration(_) = column.data_type() {
        let values = column.as_primitive::<DurationMicrosecondType>();
        return Box::new(|i| text::day_interval(values.value(i).into()));
    }
    let values = column.as_primitive::<IntervalMonthDayNanoType>();
    Box::new(|i| {
        let value = values.value(i);
        if value.months != 0 {
            return text::month_interval(value.months);
        }
        let micros = i128::from(value.days) * i128::from(text::DAY_MICROS) + i128::from(value.nanoseconds / 1000);
        text::day_interval(micros)
    })
}

/// The texts of a whole child column; NULL is `null` inside an array, a map or a row.
fn children(column: &ArrayRef) -> Result<Vec<String>> {
    let column = ready(column)?;
    let format = format(&column)?;
    Ok((0..column.len()).map(|i| if column.is_valid(i) { format(i) } else { "null".to_owned() }).collect())
}

fn lists(column: &ArrayRef) -> Result<Format<'_>> {
    let values = column.as_list::<i32>();
    let items = children(values.values())?;
    let offsets = values.value_offsets();
    Ok(Box::new(move |i| format!("[{}]", items[offsets[i] as usize..offsets[i + 1] as usize].join(", "))))
}

fn maps(column: &ArrayRef) -> Result<Format<'_>> {
    let values = column.as_map();
    let (keys, items) = (children(values.keys())?, children(values.values())?);
    let offsets = values.value_offsets();
    Ok(Box::new(move |i| {
        let range = offsets[i] as usize..offsets[i + 1] as usize;
        let entries: Vec<_> = range.map(|j| format!("{}={}", keys[j], items[j])).collect();
        format!("{{{}}}", entries.join(", "))
    }))
}

fn rows(column: &ArrayRef) -> Result<Format<'_>> {
    let values = column.as_struct();
    let names = values.column_names().into_iter().map(field_name).collect::<Vec<_>>();
    let fields = values.columns().iter().map(children).collect::<Result<Vec<_>>>()?;
    Ok(Box::new(move |i| {
        let fields: Vec<_> = names.iter().zip(&fields).map(|(name, field)| format!("{name}={}", field[i])).collect();
        format!("{{{}}}", fields.join(", "))
    }))
}

/// Athena numbers the fields that have no name: `{field0=1, field1=a}`. Arrow calls them `c0`, `c1`, …
fn field_name(name: &str) -> String {
    match name.strip_prefix('c').filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
        Some(number) => format!("field{number}"),
        None => name.to_owned(),
    }
}

fn other(column: &ArrayRef) -> Result<Format<'_>> {
    const OPTIONS: FormatOptions<'static> = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(column, &OPTIONS).map_err(datafusion::error::DataFusionError::from)?;
    Ok(Box::new(move |i| formatter.value(i).to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, Decimal128Array, Int32Array, ListArray, StringArray, TimestampMillisecondArray,
    };
    use arrow::datatypes::Int64Type;

    use super::*;

    fn one(column: ArrayRef) -> Vec<Option<String>> {
        let batch = RecordBatch::try_from_iter([("c", column)]).unwrap();
        format_rows(&batch).unwrap().into_iter().map(|mut row| row.remove(0)).collect()
    }

    #[test]
    fn values_are_written_as_athena_writes_them() {
        assert_eq!(one(Arc::new(Int32Array::from(vec![Some(1), None]))), [Some("1".to_owned()), None]);
        assert_eq!(one(Arc::new(StringArray::from(vec!["é,\""]))), [Some("é,\"".to_owned())]);
        assert_eq!(one(Arc::new(BooleanArray::from(vec![true]))), [Some("true".to_owned())]);
        assert_eq!(one(Arc::new(Date32Array::from(vec![0]))), [Some("1970-01-01".to_owned())]);
        let timestamps = TimestampMillisecondArray::from(vec![1]);
        assert_eq!(one(Arc::new(timestamps)), [Some("1970-01-01 00:00:00.001".to_owned())]);
        let decimals = Decimal128Array::from(vec![150]).with_precision_and_scale(5, 2).unwrap();
        assert_eq!(one(Arc::new(decimals)), [Some("1.50".to_owned())]);
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(1), None]), None]);
        assert_eq!(one(Arc::new(lists)), [Some("[1, null]".to_owned()), None]);
    }
}
