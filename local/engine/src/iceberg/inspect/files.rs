//! `"t$files"` and `"t$partitions"`: what the manifests of the current snapshot tell.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ::iceberg::spec::{DataContentType, Datum, Literal, ManifestEntryRef, PrimitiveType, Struct, TableMetadata, Type};
use ::iceberg::table::Table;
use arrow::array::{
    ArrayRef, BinaryArray, Int32Builder, Int64Builder, ListBuilder, MapBuilder, StringBuilder, StructArray,
    new_empty_array,
};
use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;

use super::{Columns, entries, ints, longs, texts};
use crate::Result;
use crate::iceberg::statistics::scalar;
use crate::iceberg::table::manifests;

/// The entries of every file that the current snapshot has.
pub(super) async fn live(table: &Table) -> Result<Vec<ManifestEntryRef>> {
    let mut live = Vec::new();
    if let Some(snapshot) = table.metadata().current_snapshot() {
        for manifest in manifests(table, snapshot).await? {
            let entries = manifest.load_manifest(table.file_io()).await?.into_parts().0;
            live.extend(entries.into_iter().filter(|entry| entry.is_alive()));
        }
    }
    Ok(live)
}

pub(super) fn files(live: &[ManifestEntryRef]) -> Columns {
    let all: Vec<_> = live.iter().map(|entry| entry.data_file()).collect();
    let content = |content: DataContentType| Some(content as i32);
    let formats: Vec<_> = all.iter().map(|file| file.file_format().to_string().to_uppercase()).collect();
    let keys: BinaryArray = all.iter().map(|file| file.key_metadata()).collect();
    vec![
        ("content", ints(all.iter().map(|file| content(file.content_type())))),
        ("file_path", texts(all.iter().map(|file| Some(file.file_path())))),
        ("file_format", texts(formats.iter().map(|format| Some(format.as_str())))),
        ("record_count", longs(all.iter().map(|file| signed(file.record_count())))),
        ("file_size_in_bytes", longs(all.iter().map(|file| signed(file.file_size_in_bytes())))),
        ("column_sizes", counts(all.iter().map(|file| file.column_sizes()))),
        ("value_counts", counts(all.iter().map(|file| file.value_counts()))),
        ("null_value_counts", counts(all.iter().map(|file| file.null_value_counts()))),
        ("nan_value_counts", counts(all.iter().map(|file| file.nan_value_counts()))),
        ("lower_bounds", bounds(all.iter().map(|file| file.lower_bounds()))),
        ("upper_bounds", bounds(all.iter().map(|file| file.upper_bounds()))),
        ("key_metadata", Arc::new(keys)),
        ("split_offsets", offsets(all.iter().map(|file| file.split_offsets()))),
        ("equality_ids", ids(all.iter().map(|file| file.equality_ids()))),
    ]
}

/// What one partition holds.
#[derive(Default)]
struct Partition<'a> {
    rows: u64,
    files: i64,
    bytes: u64,
    members: Vec<&'a ManifestEntryRef>,
}

pub(super) fn partitions(metadata: &TableMetadata, live: &[ManifestEntryRef]) -> Result<Columns> {
    let mut found: HashMap<&Struct, Partition<'_>> = HashMap::new();
    for entry in live.iter().filter(|entry| entry.content_type() == DataContentType::Data) {
        let partition = found.entry(entry.data_file().partition()).or_default();
        partition.rows += entry.record_count();
        partition.files += 1;
        partition.bytes += entry.file_size_in_bytes();
        partition.members.push(entry);
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_cached_key(|(_, partition)| partition.members.first().map(|entry| entry.file_path().to_owned()));
    let mut columns = Columns::new();
    if !metadata.default_partition_spec().is_unpartitioned() {
        columns.push(("partition", partition_values(metadata, &found)?));
    }
    columns.push(("record_count", longs(found.iter().map(|(_, partition)| signed(partition.rows)))));
    columns.push(("file_count", longs(found.iter().map(|(_, partition)| Some(partition.files)))));
    columns.push(("total_size", longs(found.iter().map(|(_, partition)| signed(partition.bytes)))));
    if let Some(data) = data(metadata, &found)? {
        columns.push(("data", data));
    }
    Ok(columns)
}

/// `partition row(view_date_month integer, …)`.
fn partition_values(metadata: &TableMetadata, found: &[(&Struct, Partition<'_>)]) -> Result<ArrayRef> {
    let mut fields = Vec::new();
    for (index, field) in metadata.default_partition_type().fields().iter().enumerate() {
        let Type::Primitive(primitive) = field.field_type.as_ref() else { continue };
        let value = |literal: Option<&Literal>| scalar(primitive, &literal?.as_primitive_literal()?);
        let values = found.iter().map(|(values, _)| value(values.fields().get(index).and_then(Option::as_ref)));
        fields.push((field.name.clone(), column(primitive, values)?));
    }
    Ok(row(fields))
}

/// `data row(url row(min, max, null_count, nan_count), …)`, of the columns that have bounds.
fn data(metadata: &TableMetadata, found: &[(&Struct, Partition<'_>)]) -> Result<Option<ArrayRef>> {
    let mut columns = Vec::new();
    for field in metadata.current_schema().as_struct().fields() {
        let Type::Primitive(primitive) = field.field_type.as_ref() else { continue };
        let id = field.id;
        let least = |(_, partition): &(&Struct, Partition<'_>)| {
            let bounds = partition.members.iter().filter_map(|entry| entry.data_file().lower_bounds().get(&id));
            datum(bounds.reduce(|best, next| if next < best { next } else { best }))
        };
        let most = |(_, partition): &(&Struct, Partition<'_>)| {
            let bounds = partition.members.iter().filter_map(|entry| entry.data_file().upper_bounds().get(&id));
            datum(bounds.reduce(|best, next| if next > best { next } else { best }))
        };
        let sum = |(_, partition): &(&Struct, Partition<'_>), nan: bool| -> Option<i64> {
            let counts = partition.members.iter().map(|entry| entry.data_file());
            let counts = counts.map(|file| if nan { file.nan_value_counts() } else { file.null_value_counts() });
            // No count at all is not a count of zero: only floating point has NaNs.
            counts.filter_map(|counts| counts.get(&id)).copied().reduce(|a, b| a + b).and_then(signed)
        };
        let values = vec![
            ("min".to_owned(), column(primitive, found.iter().map(least))?),
            ("max".to_owned(), column(primitive, found.iter().map(most))?),
            ("null_count".to_owned(), longs(found.iter().map(|partition| sum(partition, false)))),
            ("nan_count".to_owned(), longs(found.iter().map(|partition| sum(partition, true)))),
        ];
        columns.push((field.name.clone(), row(values)));
    }
    Ok((!columns.is_empty()).then(|| row(columns)))
}

fn datum(bound: Option<&Datum>) -> Option<ScalarValue> {
    bound.and_then(|bound| scalar(bound.data_type(), bound.literal()))
}

fn row(fields: Vec<(String, ArrayRef)>) -> ArrayRef {
    let field =
        |(name, values): (String, ArrayRef)| (Arc::new(Field::new(name, values.data_type().clone(), true)), values);
    Arc::new(StructArray::from(fields.into_iter().map(field).collect::<Vec<_>>()))
}

fn column(primitive: &PrimitiveType, values: impl Iterator<Item = Option<ScalarValue>>) -> Result<ArrayRef> {
    let type_: DataType = ::iceberg::arrow::type_to_arrow_type(&Type::Primitive(primitive.clone()))?;
    let null = ScalarValue::try_new_null(&type_)?;
    let mut values = values.map(|value| value.unwrap_or_else(|| null.clone())).peekable();
    match values.peek() {
        None => Ok(new_empty_array(&type_)),
        Some(_) => Ok(ScalarValue::iter_to_array(values)?),
    }
}

fn counts<'a>(maps: impl Iterator<Item = &'a HashMap<i32, u64>>) -> ArrayRef {
    let mut builder = MapBuilder::new(Some(entries()), Int32Builder::new(), Int64Builder::new());
    for map in maps {
        for (id, count) in BTreeMap::from_iter(map) {
            builder.keys().append_value(*id);
            builder.values().append_option(signed(*count));
        }
        // Keys and values come in pairs: there is nothing that could fail.
        drop(builder.append(true));
    }
    Arc::new(builder.finish())
}

fn bounds<'a>(maps: impl Iterator<Item = &'a HashMap<i32, Datum>>) -> ArrayRef {
    let mut builder = MapBuilder::new(Some(entries()), Int32Builder::new(), StringBuilder::new());
    for map in maps {
        for (id, bound) in map.iter().collect::<BTreeMap<_, _>>() {
            builder.keys().append_value(*id);
            builder.values().append_value(bound.to_human_string());
        }
        drop(builder.append(true));
    }
    Arc::new(builder.finish())
}

fn offsets<'a>(lists: impl Iterator<Item = Option<&'a [i64]>>) -> ArrayRef {
    let mut builder = ListBuilder::new(Int64Builder::new());
    for list in lists {
        builder.append_option(list.map(|list| list.iter().copied().map(Some)));
    }
    Arc::new(builder.finish())
}

fn ids(lists: impl Iterator<Item = Option<Vec<i32>>>) -> ArrayRef {
    let mut builder = ListBuilder::new(Int32Builder::new());
    for list in lists {
        builder.append_option(list.map(|list| list.into_iter().map(Some)));
    }
    Arc::new(builder.finish())
}

fn signed(value: u64) -> Option<i64> {
    i64::try_from(value).ok()
}
