//! The column `partition_summaries` of `"t$manifests"`: what each manifest tells of its files' partitions.

use std::sync::Arc;

use ::iceberg::spec::{Datum, FieldSummary, Literal, ManifestFile, StructType, TableMetadata, Transform, Type};
use arrow::array::{ArrayRef, BooleanArray, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::error::DataFusionError;

use crate::Result;
use crate::iceberg::route::shown;

/// `array(row(contains_null boolean, contains_nan boolean, lower_bound varchar, upper_bound varchar))`
pub(super) fn of(metadata: &TableMetadata, manifests: &[ManifestFile]) -> Result<ArrayRef> {
    let (mut nulls, mut nans, mut lower, mut upper) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut lengths = Vec::with_capacity(manifests.len());
    for manifest in manifests {
        let summaries: &[FieldSummary] = manifest.partitions.as_deref().unwrap_or_default();
        lengths.push(summaries.len());
        let spec = metadata.partition_spec_by_id(manifest.partition_spec_id);
        let types = spec.map(|spec| spec.partition_type(metadata.current_schema())).transpose()?;
        for (at, summary) in summaries.iter().enumerate() {
            let transform = spec.and_then(|spec| spec.fields().get(at)).map(|field| field.transform);
            let bound = |bytes: Option<&[u8]>| bound(bytes?, transform?, types.as_ref()?, at);
            nulls.push(Some(summary.contains_null));
            nans.push(summary.contains_nan);
            lower.push(bound(summary.lower_bound.as_deref().map(Vec::as_slice)));
            upper.push(bound(summary.upper_bound.as_deref().map(Vec::as_slice)));
        }
    }
    let field = |name: &str, type_: DataType| Field::new(name, type_, true);
    let fields = Fields::from(vec![
        field("contains_null", DataType::Boolean),
        field("contains_nan", DataType::Boolean),
        field("lower_bound", DataType::Utf8),
        field("upper_bound", DataType::Utf8),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(nulls)),
        Arc::new(BooleanArray::from(nans)),
        Arc::new(StringArray::from(lower)),
        Arc::new(StringArray::from(upper)),
    ];
    let rows = StructArray::try_new(fields.clone(), columns, None).map_err(DataFusionError::from)?;
    let item = Arc::new(Field::new("item", DataType::Struct(fields), true));
    let list = ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), Arc::new(rows), None);
    Ok(Arc::new(list.map_err(DataFusionError::from)?))
}

fn bound(bytes: &[u8], transform: Transform, types: &StructType, at: usize) -> Option<String> {
    let field = types.fields().get(at)?;
    let Type::Primitive(primitive) = field.field_type.as_ref() else { return None };
    let datum = Datum::try_from_bytes(bytes, primitive.clone()).ok()?;
    Some(shown(transform, &field.field_type, Some(&Literal::Primitive(datum.literal().clone()))))
}
