//! What a table's manifests tell without reading data: rows, nulls, smallest and largest values.
//!
//! They are exact when no delete file is in force, and then `count(*)`, `min` and `max` of a whole table read nothing.

use std::collections::HashMap;

use ::iceberg::spec::{DataFile, Datum, ManifestContentType, PrimitiveLiteral, PrimitiveType, SnapshotRef};
use ::iceberg::table::Table;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};

use super::table::manifests;
use crate::Result;

/// The statistics of a whole snapshot; `fields` are the ids of the columns of `schema`.
pub(super) async fn of_snapshot(
    table: &Table,
    snapshot: &SnapshotRef,
    schema: &SchemaRef,
    fields: &[i32],
) -> Result<Statistics> {
    let mut files = Vec::new();
    for manifest in manifests(table, snapshot).await? {
        let alive = manifest.has_added_files() || manifest.has_existing_files();
        if manifest.content == ManifestContentType::Deletes && alive {
            return Ok(Statistics::new_unknown(schema));
        }
        let entries = manifest.load_manifest(table.file_io()).await?.into_parts().0;
        files.extend(entries.into_iter().filter(|entry| entry.is_alive()));
    }
    let files: Vec<&DataFile> = files.iter().map(|entry| entry.data_file()).collect();
    let columns = fields.iter().zip(schema.fields());
    let columns = columns.map(|(id, field)| column(&files, *id, field.data_type())).collect();
    Ok(Statistics {
        num_rows: Precision::Exact(files.iter().map(|file| rows(file)).sum()),
        total_byte_size: Precision::Inexact(files.iter().map(|file| number(file.file_size_in_bytes())).sum()),
        column_statistics: columns,
    })
}

/// All that is known of a part of a table: its rows, exactly or about.
pub(super) fn of_rows(rows: Precision<usize>, bytes: usize, schema: &SchemaRef) -> Statistics {
    let column_statistics = Statistics::unknown_column(schema);
    Statistics { num_rows: rows, total_byte_size: Precision::Inexact(bytes), column_statistics }
}

fn column(files: &[&DataFile], id: i32, type_: &DataType) -> ColumnStatistics {
    let nulls: Option<usize> = files.iter().map(|file| file.null_value_counts().get(&id).map(|n| number(*n))).sum();
    let bound = |bounds: fn(&DataFile) -> &HashMap<i32, Datum>, wanted: std::cmp::Ordering| {
        let mut best: Option<ScalarValue> = None;
        for file in files.iter().filter(|file| !all_null(file, id)) {
            let value = bounds(file).get(&id).and_then(exact)?.cast_to(type_).ok()?;
            best = match best {
                Some(best) if value.partial_cmp(&best)? != wanted => Some(best),
                _ => Some(value),
            };
        }
        best
    };
    let exactly = |value: Option<ScalarValue>| value.map_or(Precision::Absent, Precision::Exact);
    ColumnStatistics {
        null_count: nulls.map_or(Precision::Absent, Precision::Exact),
        min_value: exactly(bound(DataFile::lower_bounds, std::cmp::Ordering::Less)),
        max_value: exactly(bound(DataFile::upper_bounds, std::cmp::Ordering::Greater)),
        ..ColumnStatistics::new_unknown()
    }
}

fn all_null(file: &DataFile, id: i32) -> bool {
    file.null_value_counts().get(&id) == Some(&file.record_count())
}

/// Bounds of these types are values that occur; text is cut, and floating point has its NaNs and zeros.
fn exact(bound: &Datum) -> Option<ScalarValue> {
    match bound.data_type() {
        PrimitiveType::Int
        | PrimitiveType::Long
        | PrimitiveType::Date
        | PrimitiveType::Timestamp
        | PrimitiveType::Decimal { .. } => scalar(bound.data_type(), bound.literal()),
        _ => None,
    }
}

/// A value of a column as the query engine holds it.
pub(super) fn scalar(type_: &PrimitiveType, value: &PrimitiveLiteral) -> Option<ScalarValue> {
    Some(match (type_, value) {
        (PrimitiveType::Boolean, PrimitiveLiteral::Boolean(value)) => ScalarValue::Boolean(Some(*value)),
        (PrimitiveType::Int, PrimitiveLiteral::Int(value)) => ScalarValue::Int32(Some(*value)),
        (PrimitiveType::Date, PrimitiveLiteral::Int(value)) => ScalarValue::Date32(Some(*value)),
        (PrimitiveType::Long, PrimitiveLiteral::Long(value)) => ScalarValue::Int64(Some(*value)),
        (PrimitiveType::Time, PrimitiveLiteral::Long(value)) => ScalarValue::Time64Microsecond(Some(*value)),
        (PrimitiveType::Timestamp, PrimitiveLiteral::Long(value)) => {
            ScalarValue::TimestampMicrosecond(Some(*value), None)
        }
        (PrimitiveType::Timestamptz, PrimitiveLiteral::Long(value)) => {
            ScalarValue::TimestampMicrosecond(Some(*value), Some("+00:00".into()))
        }
        (PrimitiveType::Float, PrimitiveLiteral::Float(value)) => ScalarValue::Float32(Some(value.0)),
        (PrimitiveType::Double, PrimitiveLiteral::Double(value)) => ScalarValue::Float64(Some(value.0)),
        (PrimitiveType::String, PrimitiveLiteral::String(value)) => ScalarValue::Utf8(Some(value.clone())),
        (PrimitiveType::Binary, PrimitiveLiteral::Binary(value)) => ScalarValue::LargeBinary(Some(value.clone())),
        (PrimitiveType::Decimal { precision, scale }, PrimitiveLiteral::Int128(value)) => {
            ScalarValue::Decimal128(Some(*value), u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?)
        }
        _ => return None,
    })
}

fn rows(file: &DataFile) -> usize {
    number(file.record_count())
}

pub(super) fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
