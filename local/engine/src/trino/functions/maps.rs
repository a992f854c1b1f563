//! Maps and rows.
//! Source: <https://trino.io/docs/current/functions/map.html>

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, ListArray, MapArray, StructArray, UInt64Array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::take;
use arrow::datatypes::{DataType, Field};
use arrow::row::{RowConverter, SortField};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ScalarUDF;

use super::super::error::data;
use super::super::function::{Call, Function, Run};
use super::row::row_function;

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    vec![
        own(&["map_keys(map(K, V)) -> array(K)"], |c| side(c, true)),
        own(&["map_values(map(K, V)) -> array(V)"], |c| side(c, false)),
        own(&["$map(array(K), array(V)) -> map(K, V)"], |c| map(c, true)),
        own(&["$map_of_pairs(array(K), array(V)) -> map(K, V)"], |c| map(c, false)),
        own(&["$histogram(array(K)) -> map(K, bigint)"], histogram),
        row_function(),
    ]
}

fn side(call: &Call, keys: bool) -> Result<ArrayRef> {
    let maps = call.args[0].as_any().downcast_ref::<MapArray>();
    let maps = maps.ok_or_else(|| DataFusionError::Internal("a map was expected".into()))?;
    let items = if keys { maps.keys() } else { maps.values() };
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, maps.offsets().clone(), Arc::clone(items), maps.nulls().cloned())?))
}

fn map_array(
    returns: &DataType,
    keys: ArrayRef,
    values: ArrayRef,
    lengths: impl IntoIterator<Item = usize>,
    nulls: NullBuffer,
) -> Result<ArrayRef> {
    let DataType::Map(entries, _) = returns else {
        return Err(DataFusionError::Internal("a map was expected".into()));
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(DataFusionError::Internal("a map's entries were expected".into()));
    };
    let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, Some(nulls), false)?))
}

/// A map of two arrays. A key that comes twice is an error, or, for `map_agg`, keeps its first value.
fn map(call: &Call, strict: bool) -> Result<ArrayRef> {
    let (keys, values) = (call.column::<ArrayRef>(0)?, call.column::<ArrayRef>(1)?);
    let converter = RowConverter::new(vec![SortField::new(keys.value_type())])?;
    let rows = converter.convert_columns(&[Arc::clone(keys.values())])?;
    let (key_offsets, value_offsets) = (keys.value_offsets(), values.value_offsets());
    let (mut key_places, mut value_places, mut lengths, mut valid) = (vec![], vec![], vec![], vec![]);
    for i in 0..call.rows {
        let present = keys.is_valid(i) && values.is_valid(i);
        valid.push(present);
        let before = key_places.len();
        let mut seen = HashSet::new();
        for k in (key_offsets[i] as usize..key_offsets[i + 1] as usize).filter(|_| present) {
            let v = value_offsets[i] as usize + (k - key_offsets[i] as usize);
            if keys.values().is_null(k) {
                return Err(data("INVALID_FUNCTION_ARGUMENT", "map key cannot be null"));
            }
            if v >= value_offsets[i + 1] as usize {
                return Err(data("INVALID_FUNCTION_ARGUMENT", "Key and value arrays must be the same length"));
            }
            if seen.insert(rows.row(k)) {
                key_places.push(k as u64);
                value_places.push(v as u64);
            } else if strict {
                return Err(data("INVALID_FUNCTION_ARGUMENT", "Duplicate map keys are not allowed"));
            }
        }
        lengths.push(key_places.len() - before);
    }
    let new_keys = take(keys.values(), &UInt64Array::from(key_places), None)?;
    let new_values = take(values.values(), &UInt64Array::from(value_places), None)?;
    map_array(&call.returns, new_keys, new_values, lengths, valid.into())
}

/// How often each key comes, in the order of the keys.
fn histogram(call: &Call) -> Result<ArrayRef> {
    let keys = call.column::<ArrayRef>(0)?;
    let converter = RowConverter::new(vec![SortField::new(keys.value_type())])?;
    let rows = converter.convert_columns(&[Arc::clone(keys.values())])?;
    let offsets = keys.value_offsets();
    let (mut places, mut counts, mut lengths) = (vec![], vec![], vec![]);
    for i in 0..call.rows {
        let mut found: BTreeMap<_, (u64, i64)> = BTreeMap::new();
        for k in (offsets[i] as usize..offsets[i + 1] as usize).filter(|_| keys.is_valid(i)) {
            found.entry(rows.row(k)).or_insert((k as u64, 0)).1 += 1;
        }
        lengths.push(found.len());
        for (place, count) in found.into_values() {
            places.push(place);
            counts.push(count);
        }
    }
    let valid: NullBuffer = (0..call.rows).map(|i| keys.is_valid(i)).collect();
    let new_keys = take(keys.values(), &UInt64Array::from(places), None)?;
    map_array(&call.returns, new_keys, Arc::new(Int64Array::from(counts)), lengths, valid)
}
