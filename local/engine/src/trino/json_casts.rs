//! `CAST` between JSON and arrays, maps and rows.
//! Source: <https://trino.io/docs/current/functions/json.html#cast-to-json>

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeStringArray, ListArray, MapArray, StringViewArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type, Int64Type};
use datafusion::error::{DataFusionError, Result};
use serde_json::{Map, Number, Value};

use super::coercion::Kind;
use super::error::data;
use super::format;
use super::function::as_returned;
use super::types::{VARCHAR, trino_name};

/// Reads each JSON text as a value of `to`; `scalar` casts a column of texts to a type that is no array, map or row.
pub(crate) fn from_json(
    column: &ArrayRef,
    to: &DataType,
    scalar: &dyn Fn(&StringViewArray, &DataType) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let texts = cast(column, &VARCHAR)?;
    let parse = |text: Option<&str>| text.map(|t| serde_json::from_str(t).unwrap_or(Value::Null));
    let values: Vec<_> = texts.as_string_view().iter().map(parse).collect();
    build(&values, to, scalar)
}

type Scalar<'a> = &'a dyn Fn(&StringViewArray, &DataType) -> Result<ArrayRef>;

fn refused(value: &Value, to: &DataType) -> DataFusionError {
    data("INVALID_CAST_ARGUMENT", format!("Cannot cast the JSON value '{value}' to {}", trino_name(to)))
}

/// A column of `to`; JSON's null and what is not there are NULL.
fn build(values: &[Option<Value>], to: &DataType, scalar: Scalar<'_>) -> Result<ArrayRef> {
    match to {
        DataType::List(item) => build_lists(values, item, to, scalar),
        DataType::Map(entries, _) => build_maps(values, entries, to, scalar),
        DataType::Struct(fields) => {
            let mut columns = Vec::with_capacity(fields.len());
            for (i, field) in fields.iter().enumerate() {
                let of_row = |value: &Option<Value>| match value {
                    None | Some(Value::Null) => Ok(None),
                    Some(Value::Object(row)) => Ok(row.get(field.name()).cloned()),
                    Some(Value::Array(row)) => Ok(row.get(i).cloned()),
                    Some(other) => Err(refused(other, to)),
                };
                let part = values.iter().map(of_row).collect::<Result<Vec<_>>>()?;
                columns.push(build(&part, field.data_type(), scalar)?);
            }
            let nulls: NullBuffer = values.iter().map(|value| is_there(value.as_ref())).collect();
            Ok(Arc::new(StructArray::try_new(fields.clone(), columns, Some(nulls))?))
        }
        DataType::LargeUtf8 => {
            let texts = values.iter().map(|value| value.as_ref().map(Value::to_string));
            Ok(Arc::new(texts.collect::<LargeStringArray>()))
        }
        _ => {
            let text = |value: &Option<Value>| match value {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) => Ok(Some(text.clone())),
                Some(other @ (Value::Bool(_) | Value::Number(_))) => Ok(Some(other.to_string())),
                Some(other) => Err(refused(other, to)),
            };
            let column = scalar(&values.iter().map(text).collect::<Result<StringViewArray>>()?, to)?;
            as_returned(&column, to)
        }
    }
}

fn is_there(value: Option<&Value>) -> bool {
    value.is_some_and(|value| !value.is_null())
}

fn build_lists(values: &[Option<Value>], item: &FieldRef, to: &DataType, scalar: Scalar<'_>) -> Result<ArrayRef> {
    let (mut items, mut lengths) = (Vec::new(), Vec::with_capacity(values.len()));
    for value in values {
        match value {
            Some(Value::Array(of_row)) => {
                lengths.push(of_row.len());
                items.extend(of_row.iter().cloned().map(Some));
            }
            None | Some(Value::Null) => lengths.push(0),
            Some(other) => return Err(refused(other, to)),
        }
    }
    let items = build(&items, item.data_type(), scalar)?;
    let nulls: NullBuffer = values.iter().map(|value| is_there(value.as_ref())).collect();
    Ok(Arc::new(ListArray::try_new(Arc::clone(item), OffsetBuffer::from_lengths(lengths), items, Some(nulls))?))
}

fn build_maps(values: &[Option<Value>], entries: &FieldRef, to: &DataType, scalar: Scalar<'_>) -> Result<ArrayRef> {
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(DataFusionError::Internal("a map's entries were expected".into()));
    };
    let (mut keys, mut items, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(values.len()));
    for value in values {
        match value {
            Some(Value::Object(of_row)) => {
                lengths.push(of_row.len());
                for (key, item) in of_row {
                    keys.push(Some(Value::String(key.clone())));
                    items.push(Some(item.clone()));
                }
            }
            None | Some(Value::Null) => lengths.push(0),
            Some(other) => return Err(refused(other, to)),
        }
    }
    let columns = vec![build(&keys, fields[0].data_type(), scalar)?, build(&items, fields[1].data_type(), scalar)?];
    let pairs = StructArray::try_new(fields.clone(), columns, None)?;
    let nulls: NullBuffer = values.iter().map(|value| is_there(value.as_ref())).collect();
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, Some(nulls), false)?))
}

/// Writes each value as JSON.
pub(crate) fn to_json(column: &ArrayRef) -> Result<ArrayRef> {
    let values = json_values(column)?;
    let texts = values.into_iter().map(|value| value.map(|value| value.to_string()));
    Ok(Arc::new(texts.collect::<LargeStringArray>()))
}

fn json_values(column: &ArrayRef) -> Result<Vec<Option<Value>>> {
    let valid = |i: usize| column.is_valid(i);
    let or_null = |values: Vec<Option<Value>>| values.into_iter().map(|v| v.unwrap_or(Value::Null)).collect::<Vec<_>>();
    Ok(match Kind::of(column.data_type()) {
        Kind::Unknown => vec![None; column.len()],
        Kind::Boolean => column.as_boolean().iter().map(|v| v.map(Value::Bool)).collect(),
        Kind::Whole(_) => {
            let whole = cast(column, &DataType::Int64)?;
            whole.as_primitive::<Int64Type>().iter().map(|v| v.map(Value::from)).collect()
        }
        Kind::Real | Kind::Double => {
            let doubles = cast(column, &DataType::Float64)?;
            let number = |v: f64| Number::from_f64(v).map_or(Value::Null, Value::Number);
            doubles.as_primitive::<Float64Type>().iter().map(|v| v.map(number)).collect()
        }
        Kind::Json => {
            let texts = column.as_string::<i64>();
            texts.iter().map(|t| t.map(|t| serde_json::from_str(t).unwrap_or(Value::Null))).collect()
        }
        Kind::Array => {
            let lists = super::casts::cast_lists(column)?;
            let items = or_null(json_values(lists.values())?);
            let offsets = lists.value_offsets();
            let of_row = |i: usize| Value::Array(items[offsets[i] as usize..offsets[i + 1] as usize].to_vec());
            (0..lists.len()).map(|i| valid(i).then(|| of_row(i))).collect()
        }
        Kind::Map => {
            let maps = column.as_map();
            let keys = super::casts::to_text(maps.keys())?;
            let (keys, items) = (keys.as_string_view(), or_null(json_values(maps.values())?));
            let offsets = maps.value_offsets();
            let of_row = |i: usize| {
                let range = offsets[i] as usize..offsets[i + 1] as usize;
                Value::Object(range.map(|j| (keys.value(j).to_owned(), items[j].clone())).collect())
            };
            (0..maps.len()).map(|i| valid(i).then(|| of_row(i))).collect()
        }
        Kind::Row => {
            let row = column.as_struct();
            let parts = row.columns().iter().map(json_values).collect::<Result<Vec<_>>>()?;
            let part = |j: usize, i: usize| parts[j][i].clone().unwrap_or(Value::Null);
            let of_row = |i: usize| {
                let named = row.column_names().into_iter().enumerate();
                Value::Object(named.map(|(j, name)| (name.to_owned(), part(j, i))).collect::<Map<_, _>>())
            };
            (0..row.len()).map(|i| valid(i).then(|| of_row(i))).collect()
        }
        Kind::Decimal => format::texts(column)?
            .into_iter()
            .map(|t| t.map(|t| serde_json::from_str(&t).unwrap_or(Value::Null)))
            .collect(),
        _ => format::texts(column)?.into_iter().map(|t| t.map(Value::String)).collect(),
    })
}
