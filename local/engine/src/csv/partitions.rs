//! Partition values as typed columns, and which partitions a filter leaves.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::logical_expr::Expr;

use super::field_type::FieldType;
use super::values;
use crate::catalog::{self, Partition};
use crate::{Error, Result};

/// What Hive writes into a path for NULL.
const NULL_VALUE: &str = "__HIVE_DEFAULT_PARTITION__";

/// A table's partition columns.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    types: Vec<FieldType>,
    schema: SchemaRef,
}

impl Keys {
    /// # Errors
    /// [`Error::Unsupported`] for a type that is not.
    pub(super) fn new(columns: &[catalog::Column]) -> Result<Self> {
        let types = columns.iter().map(parse_type).collect::<Result<Vec<_>>>()?;
        let fields = columns.iter().zip(&types).map(|(column, field)| Field::new(&column.name, field.arrow(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self { types, schema })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The typed values of one partition.
    ///
    /// # Errors
    /// `HIVE_INVALID_PARTITION_VALUE` for one that is not of its column's type; `HIVE_INVALID_METADATA` if the catalog
    /// holds more or fewer values than the table has partition columns.
    pub(super) fn values(&self, partition: &Partition) -> Result<Vec<ScalarValue>> {
        if partition.values.len() != self.types.len() {
            let message = format!(
                "partition {:?} of table {} has {} values, the table has {} partition columns",
                partition.values,
                partition.table_name,
                partition.values.len(),
                self.types.len()
            );
            return Err(Error::user("HIVE_INVALID_METADATA", 1001, message));
        }
        let columns = self.types.iter().zip(self.schema.fields());
        columns.zip(&partition.values).map(|((&field_type, field), text)| value(field_type, field, text)).collect()
    }

    /// For each partition whether all `filters` hold; they use partition columns only.
    pub(super) fn select(
        &self,
        session: &dyn Session,
        filters: &[Expr],
        partitions: &[Vec<ScalarValue>],
    ) -> Result<Vec<bool>, DataFusionError> {
        let mut selected = vec![true; partitions.len()];
        if filters.is_empty() || partitions.is_empty() {
            return Ok(selected);
        }
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let batch = batch(&self.schema, partitions)?;
        for filter in filters {
            let filter = session.create_physical_expr(filter.clone(), &schema)?;
            let holds = filter.evaluate(&batch)?.into_array(batch.num_rows())?;
            let holds = holds
                .as_any()
                .downcast_ref::<BooleanArray>()
                .ok_or_else(|| DataFusionError::Internal(format!("the filter {filter} is not boolean")))?;
            for (at, selected) in selected.iter_mut().enumerate() {
                *selected &= holds.is_valid(at) && holds.value(at);
            }
        }
        Ok(selected)
    }
}

/// Rows of scalar values as one batch.
pub(super) fn batch(schema: &SchemaRef, rows: &[Vec<ScalarValue>]) -> Result<RecordBatch, DataFusionError> {
    let columns = (0..schema.fields().len())
        .map(|column| ScalarValue::iter_to_array(rows.iter().map(|row| row[column].clone())))
        .collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}

/// A column's type.
pub(super) fn parse_type(column: &catalog::Column) -> Result<FieldType> {
    FieldType::parse(&column.type_).ok_or_else(|| {
        Error::unsupported(format!("columns of type {} in text files (column {})", column.type_, column.name))
    })
}

fn value(field_type: FieldType, field: &Field, text: &str) -> Result<ScalarValue> {
    if text == NULL_VALUE {
        return ScalarValue::try_from(field.data_type()).map_err(Error::from);
    }
    let array = values::single(field_type, text).ok_or_else(|| {
        let message =
            format!("Invalid partition value '{text}' for {} partition key: {}", type_name(field), field.name());
        Error::user("HIVE_INVALID_PARTITION_VALUE", 1001, message)
    })?;
    ScalarValue::try_from_array(&array, 0).map_err(Error::from)
}

fn type_name(field: &Field) -> String {
    field.data_type().to_string().to_ascii_lowercase()
}
