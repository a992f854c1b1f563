//! Arrays.
//! Source: <https://trino.io/docs/current/functions/array.html>

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, MapArray, StringViewArray, UInt32Array, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{SortOptions, concat, sort_to_indices, take};
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::error::Result;
use datafusion::functions_nested as nested;
use datafusion::logical_expr::ScalarUDF;

use super::super::casts;
use super::super::error::data;
use super::super::function::{Call, Days, Function, Run};

const INVALID: &str = "INVALID_FUNCTION_ARGUMENT";

/// The functions of this file.
pub(crate) fn functions() -> Vec<Arc<ScalarUDF>> {
    let own = |signatures: &[&'static str], run| Function::new(signatures, Run::Own(run)).udf();
    let inner = |signature: &'static str, f| Function::new(&[signature], Run::Inner(f)).udf();
    vec![
        inner("$array(T, T...) -> array(T)", nested::make_array::make_array_udf()),
        own(
            &[
                "$array_concat(array(T), array(T)) -> array(T)",
                "$array_concat(array(T), T) -> array(T)",
                "$array_concat(T, array(T)) -> array(T)",
            ],
            array_concat,
        ),
        own(&["$subscript(array(T), bigint) -> T", "$subscript(map(K, V), K) -> V"], |c| element(c, true)),
        own(&["element_at(array(T), bigint) -> T", "element_at(map(K, V), K) -> V"], |c| element(c, false)),
        own(&["$ordinals(array(T)) -> array(bigint)"], ordinals),
        own(&["cardinality(array(T)) -> bigint", "cardinality(map(K, V)) -> bigint"], cardinality),
        inner("contains(array(T), T) -> boolean", nested::array_has::array_has_udf()),
        inner("arrays_overlap(array(T), array(T)) -> boolean", nested::array_has::array_has_any_udf()),
        inner("array_union(array(T), array(T)) -> array(T)", nested::set_ops::array_union_udf()),
        inner("array_intersect(array(T), array(T)) -> array(T)", nested::set_ops::array_intersect_udf()),
        inner("array_except(array(T), array(T)) -> array(T)", nested::except::array_except_udf()),
        inner("array_remove(array(T), T) -> array(T)", nested::remove::array_remove_all_udf()),
        inner("repeat(T, bigint) -> array(T)", nested::repeat::array_repeat_udf()),
        inner("flatten(array(array(T))) -> array(T)", nested::flatten::flatten_udf()),
        own(&["array_distinct(array(T)) -> array(T)"], |c| each(c, distinct)),
        own(&["array_sort(array(T)) -> array(T)"], |c| each(c, sorted)),
        own(&["array_max(array(T)) -> T"], |c| extreme(c, true)),
        own(&["array_min(array(T)) -> T"], |c| extreme(c, false)),
        own(&["array_position(array(T), T) -> bigint"], position),
        own(&["array_join(array(T), varchar) -> varchar", "array_join(array(T), varchar, varchar) -> varchar"], join),
        own(&["slice(array(T), bigint, bigint) -> array(T)"], slice),
        own(
            &[
                "sequence(bigint, bigint) -> array(bigint)",
                "sequence(bigint, bigint, bigint) -> array(bigint)",
                "sequence(date, date) -> array(date)",
            ],
            sequence,
        ),
        own(&["reverse(varchar) -> varchar", "reverse(array(T)) -> array(T)"], reverse),
    ]
}

fn lists(call: &Call, i: usize) -> Result<&ListArray> {
    call.column::<ArrayRef>(i)
}

/// Lists made of the rows' items, in order; `None` is NULL.
fn gather(rows: &[Option<ArrayRef>], item: &DataType) -> Result<ArrayRef> {
    let offsets = OffsetBuffer::from_lengths(rows.iter().map(|row| row.as_ref().map_or(0, Array::len)));
    let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
    let parts: Vec<&dyn Array> = rows.iter().flatten().map(AsRef::as_ref).collect();
    let items = if parts.is_empty() { arrow::array::new_empty_array(item) } else { concat(&parts)? };
    Ok(Arc::new(ListArray::try_new(Arc::new(Field::new_list_field(item.clone(), true)), offsets, items, Some(nulls))?))
}

/// Applies `change` to each array that is not NULL.
fn each(call: &Call, change: fn(&ArrayRef) -> Result<ArrayRef>) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let one = |i| if lists.is_valid(i) { change(&lists.value(i)).map(Some) } else { Ok(None) };
    gather(&(0..lists.len()).map(one).collect::<Result<Vec<_>>>()?, &lists.value_type())
}

fn by_order(items: &ArrayRef, descending: bool) -> Result<UInt32Array> {
    Ok(sort_to_indices(items, Some(SortOptions { descending, nulls_first: false }), None)?)
}

fn sorted(items: &ArrayRef) -> Result<ArrayRef> {
    Ok(take(items, &by_order(items, false)?, None)?)
}

/// The first of each value, in the order of the array.
fn distinct(items: &ArrayRef) -> Result<ArrayRef> {
    let converter = arrow::row::RowConverter::new(vec![arrow::row::SortField::new(items.data_type().clone())])?;
    let rows = converter.convert_columns(&[Arc::clone(items)])?;
    let mut seen = std::collections::HashSet::new();
    let first: UInt32Array = (0..items.len()).filter(|i| seen.insert(rows.row(*i))).map(|i| i as u32).collect();
    Ok(take(items, &first, None)?)
}

/// NULL if the array is empty or holds a NULL.
fn extreme(call: &Call, greatest: bool) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let offsets = lists.value_offsets();
    let best = |i: usize| {
        let items =
            lists.is_valid(i).then(|| lists.value(i)).filter(|items| !items.is_empty() && items.null_count() == 0);
        let Some(items) = items else { return Ok(None) };
        let first = by_order(&items, greatest)?.value(0);
        Ok(Some(u64::from(first) + offsets[i] as u64))
    };
    let places = (0..lists.len()).map(best).collect::<Result<UInt64Array>>()?;
    Ok(take(lists.values(), &places, None)?)
}

fn cardinality(call: &Call) -> Result<ArrayRef> {
    let column = &call.args[0];
    let (offsets, nulls) = match column.as_any().downcast_ref::<MapArray>() {
        Some(maps) => (maps.offsets(), maps.nulls()),
        None => (lists(call, 0)?.offsets(), column.nulls()),
    };
    let lengths: Vec<i64> = offsets.lengths().map(|n| n as i64).collect();
    Ok(Arc::new(Int64Array::new(lengths.into(), nulls.cloned())))
}

fn ordinals(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let one = |i| {
        let numbers = |n: usize| Arc::new(Int64Array::from_iter_values(1..=n as i64)) as ArrayRef;
        lists.is_valid(i).then(|| numbers(lists.value(i).len()))
    };
    gather(&(0..lists.len()).map(one).collect::<Vec<_>>(), &DataType::Int64)
}

/// `x[i]` fails where there is no such element; `element_at` gives NULL and counts negative indices from the end.
fn element(call: &Call, strict: bool) -> Result<ArrayRef> {
    if let Some(maps) = call.args[0].as_any().downcast_ref::<MapArray>() {
        return value_at(maps, &call.args[1], strict);
    }
    let lists = lists(call, 0)?;
    let indices = call.column::<i64>(1)?;
    let offsets = lists.value_offsets();
    let place = |i: usize| {
        if lists.is_null(i) || indices.is_null(i) {
            return Ok(None);
        }
        let (index, length) = (indices.value(i), i64::from(offsets[i + 1] - offsets[i]));
        let nth = if index < 0 { length + index } else { index - 1 };
        match index {
            0 => Err(data(INVALID, "SQL array indices start at 1")),
            ..0 if strict => Err(data(INVALID, format!("Array subscript is negative: {index}"))),
            _ if strict && index > length => {
                let message = "Array subscript must be less than or equal to array length";
                Err(data(INVALID, format!("{message}: {index} > {length}")))
            }
            _ if nth < 0 || nth >= length => Ok(None),
            _ => Ok(Some((i64::from(offsets[i]) + nth) as u64)),
        }
    };
    let places = (0..call.rows).map(place).collect::<Result<UInt64Array>>()?;
    Ok(take(lists.values(), &places, None)?)
}

fn value_at(maps: &MapArray, wanted: &ArrayRef, strict: bool) -> Result<ArrayRef> {
    let fields = vec![arrow::row::SortField::new(wanted.data_type().clone())];
    let converter = arrow::row::RowConverter::new(fields)?;
    let keys = converter.convert_columns(&[Arc::clone(maps.keys())])?;
    let wanted_rows = converter.convert_columns(&[Arc::clone(wanted)])?;
    let offsets = maps.value_offsets();
    let place = |i: usize| {
        if maps.is_null(i) || wanted.is_null(i) {
            return Ok(None);
        }
        let mut range = offsets[i] as usize..offsets[i + 1] as usize;
        match range.find(|k| keys.row(*k) == wanted_rows.row(i)) {
            Some(found) => Ok(Some(found as u64)),
            None if strict => {
                let key = casts::to_text(&wanted.slice(i, 1))?;
                Err(data(INVALID, format!("Key not present in map: {}", key.as_string_view().value(0))))
            }
            None => Ok(None),
        }
    };
    let places = (0..maps.len()).map(place).collect::<Result<UInt64Array>>()?;
    Ok(take(maps.values(), &places, None)?)
}

fn array_concat(call: &Call) -> Result<ArrayRef> {
    let DataType::List(item) = &call.returns else {
        return Err(datafusion::error::DataFusionError::Internal("an array was expected".into()));
    };
    let part = |arg: &ArrayRef, i: usize| match arg.as_any().downcast_ref::<ListArray>() {
        Some(lists) if arg.data_type() == &call.returns => lists.is_valid(i).then(|| lists.value(i)),
        _ => Some(arg.slice(i, 1)),
    };
    let one = |i| {
        let (Some(left), Some(right)) = (part(&call.args[0], i), part(&call.args[1], i)) else { return Ok(None) };
        Ok(Some(concat(&[&left, &right])?))
    };
    gather(&(0..call.rows).map(one).collect::<Result<Vec<_>>>()?, item.data_type())
}

/// The place of the first equal element; 0 if there is none.
fn position(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let converter = arrow::row::RowConverter::new(vec![arrow::row::SortField::new(lists.value_type())])?;
    let items = converter.convert_columns(&[Arc::clone(lists.values())])?;
    let wanted = converter.convert_columns(&[Arc::clone(&call.args[1])])?;
    let offsets = lists.value_offsets();
    let place = |i: usize| {
        if lists.is_null(i) || call.args[1].is_null(i) {
            return None;
        }
        let mut range = offsets[i] as usize..offsets[i + 1] as usize;
        Some(range.position(|j| items.row(j) == wanted.row(i)).map_or(0, |at| at as i64 + 1))
    };
    Ok(Arc::new((0..lists.len()).map(place).collect::<Int64Array>()))
}

/// NULL elements are left out, unless there is a text for them.
fn join(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let texts = casts::to_text(lists.values())?;
    let texts = texts.as_string_view();
    let separators = call.column::<&str>(1)?;
    let missing = if call.args.len() > 2 { Some(call.column::<&str>(2)?) } else { None };
    let offsets = lists.value_offsets();
    let one = |i: usize| {
        if call.args.iter().any(|arg| arg.is_null(i)) {
            return None;
        }
        let text = |j: usize| if texts.is_valid(j) { Some(texts.value(j)) } else { missing.map(|m| m.value(i)) };
        let parts: Vec<&str> = (offsets[i] as usize..offsets[i + 1] as usize).filter_map(text).collect();
        Some(parts.join(separators.value(i)))
    };
    Ok(Arc::new((0..call.rows).map(one).collect::<StringViewArray>()))
}

fn slice(call: &Call) -> Result<ArrayRef> {
    let lists = lists(call, 0)?;
    let (starts, lengths) = (call.column::<i64>(1)?, call.column::<i64>(2)?);
    let one = |i: usize| {
        if call.args.iter().any(|arg| arg.is_null(i)) {
            return Ok(None);
        }
        let (items, start, length) = (lists.value(i), starts.value(i), lengths.value(i));
        if start == 0 {
            return Err(data(INVALID, "SQL array indices start at 1"));
        }
        if length < 0 {
            return Err(data(INVALID, "length must be greater than or equal to 0"));
        }
        let size = items.len() as i64;
        let first = if start > 0 { start - 1 } else { size + start };
        if first < 0 || first >= size {
            return Ok(Some(items.slice(0, 0)));
        }
        Ok(Some(items.slice(first as usize, length.min(size - first) as usize)))
    };
    gather(&(0..call.rows).map(one).collect::<Result<Vec<_>>>()?, &lists.value_type())
}

/// As many elements as Trino allows.
const LONGEST_SEQUENCE: i64 = 10_000;

fn sequence(call: &Call) -> Result<ArrayRef> {
    if call.column::<Days>(0).is_ok() {
        let days = |i: usize| arrow::compute::cast(&call.args[i], &DataType::Int32);
        let wide =
            |i: usize| Ok::<_, datafusion::error::DataFusionError>(arrow::compute::cast(&days(i)?, &DataType::Int64)?);
        let args = vec![wide(0)?, wide(1)?];
        let whole = Call { args, types: call.types.clone(), rows: call.rows, returns: call.returns.clone() };
        let numbers = sequence(&whole)?;
        let lists = numbers.as_list::<i32>();
        let dates = arrow::compute::cast(lists.values(), &DataType::Int32)?;
        let dates = arrow::compute::cast(&dates, &DataType::Date32)?;
        let field = Arc::new(Field::new_list_field(DataType::Date32, true));
        return Ok(Arc::new(ListArray::try_new(field, lists.offsets().clone(), dates, lists.nulls().cloned())?));
    }
    let (starts, stops) = (call.column::<i64>(0)?, call.column::<i64>(1)?);
    let strides = if call.args.len() > 2 { Some(call.column::<i64>(2)?) } else { None };
    let one = |i: usize| {
        if call.args.iter().any(|arg| arg.is_null(i)) {
            return Ok(None);
        }
        let (start, stop) = (starts.value(i), stops.value(i));
        let stride = strides.map_or(if start <= stop { 1 } else { -1 }, |s| s.value(i));
        numbers(start, stop, stride).map(Some)
    };
    gather(&(0..call.rows).map(one).collect::<Result<Vec<_>>>()?, &DataType::Int64)
}

fn numbers(start: i64, stop: i64, stride: i64) -> Result<ArrayRef> {
    if stride == 0 || (stop > start && stride < 0) || (stop < start && stride > 0) {
        return Err(data(
            INVALID,
            "sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop should be less than or equal to start",
        ));
    }
    let count = stop.checked_sub(start).map_or(i64::MAX, |distance| distance / stride).saturating_add(1);
    if count > LONGEST_SEQUENCE {
        return Err(data(INVALID, "result of sequence function must not have more than 10000 entries"));
    }
    let values: arrow::array::PrimitiveArray<Int64Type> = (0..count).map(|i| Some(start + i * stride)).collect();
    Ok(Arc::new(values))
}

fn reverse(call: &Call) -> Result<ArrayRef> {
    if call.column::<&str>(0).is_ok() {
        return super::super::function::unary(call, |s: &str| Ok(Some(s.chars().rev().collect::<String>())));
    }
    each(call, |items| {
        let backwards: UInt32Array = (0..items.len() as u32).rev().map(Some).collect();
        Ok(take(items, &backwards, None)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_stop_where_they_should() {
        let found = numbers(1, 6, 2).unwrap();
        assert_eq!(found.as_primitive::<Int64Type>().values(), &[1, 3, 5]);
        numbers(1, 5, -1).unwrap_err();
        numbers(0, 20_000, 1).unwrap_err();
    }

    #[test]
    fn duplicates_go_in_order() {
        let items: ArrayRef = Arc::new(Int64Array::from(vec![Some(2), None, Some(1), Some(2), None]));
        let kept = distinct(&items).unwrap();
        assert_eq!(kept.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(2), None, Some(1)]);
        let ordered = sorted(&items).unwrap();
        assert_eq!(ordered.as_primitive::<Int64Type>().value(0), 1);
        assert!(ordered.is_null(4));
    }
}
