//! Which partition a row belongs to, and where that partition's files go.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::iceberg::arrow::{PartitionValueCalculator, arrow_struct_to_literal};
use ::iceberg::spec::{
    Literal, PartitionKey, PartitionSpecRef, PrimitiveLiteral, PrimitiveType, SchemaRef, Struct, TableMetadata,
    Transform, Type,
};
use ::iceberg::writer::file_writer::location_generator::LocationGenerator;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::row::{OwnedRow, RowConverter, SortField};
use datafusion::error::DataFusionError;

use crate::Result;
use crate::lake::{Lake, S3Uri};

/// Splits batches by a table's default partition spec.
pub(super) struct Router {
    spec: PartitionSpecRef,
    schema: SchemaRef,
    calculator: Option<PartitionValueCalculator>,
}

impl Router {
    pub(super) fn new(metadata: &TableMetadata) -> Result<Self> {
        let spec = metadata.default_partition_spec().clone();
        let schema = metadata.current_schema().clone();
        let partitioned = !spec.is_unpartitioned();
        let calculator = partitioned.then(|| PartitionValueCalculator::try_new(&spec, &schema)).transpose()?;
        Ok(Self { spec, schema, calculator })
    }

    /// The key of a partition, as the library's writers want it.
    pub(super) fn key(&self, values: Struct) -> PartitionKey {
        PartitionKey::new(self.spec.as_ref().clone(), self.schema.clone(), values)
    }

    /// The rows of `batch` by partition. A batch of one partition, which is the common case, is not copied.
    pub(super) fn split(&self, batch: RecordBatch) -> Result<Vec<(Struct, RecordBatch)>> {
        let Some(calculator) = &self.calculator else { return Ok(vec![(Struct::empty(), batch)]) };
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let values = calculator.calculate(&batch)?;
        let groups = group(&values)?;
        let literal = |row: u32| -> Result<Struct> {
            let one = values.slice(row as usize, 1);
            match arrow_struct_to_literal(&one, calculator.partition_type())?.pop() {
                Some(Some(Literal::Struct(values))) => Ok(values),
                _ => Err(super::refused("ICEBERG_BAD_DATA", "A row has no partition value")),
            }
        };
        if let [rows] = groups.as_slice() {
            return Ok(vec![(literal(rows[0])?, batch)]);
        }
        let part = |rows: Vec<u32>| -> Result<(Struct, RecordBatch)> {
            let values = literal(rows[0])?;
            let rows = take_record_batch(&batch, &UInt32Array::from(rows)).map_err(DataFusionError::from)?;
            Ok((values, rows))
        };
        groups.into_iter().map(part).collect()
    }
}

/// Row numbers by equal value, each group in the order of its rows.
fn group(values: &ArrayRef) -> Result<Vec<Vec<u32>>> {
    let columns = values.as_struct().columns();
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(DataFusionError::from)?;
    let rows = converter.convert_columns(columns).map_err(DataFusionError::from)?;
    let mut known: HashMap<OwnedRow, usize> = HashMap::new();
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut last: Option<usize> = None;
    for (number, row) in (0..).zip(rows.iter()) {
        // Rows of one partition tend to come together: compare with the one before, before hashing.
        let same = last.filter(|last| rows.row(groups[*last][0] as usize) == row);
        let index = same.unwrap_or_else(|| {
            *known.entry(row.owned()).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            })
        });
        groups[index].push(number);
        last = Some(index);
    }
    Ok(groups)
}

/// Names data files, and remembers every name it has given: what a failed statement has to remove.
#[derive(Debug, Clone)]
pub(super) struct Locations {
    folder: String,
    given: Arc<Given>,
}

/// The addresses given. With the last writer that may still use one, the files go, unless they are to stay.
#[derive(Debug)]
struct Given {
    lake: Lake,
    kept: AtomicBool,
    locations: Mutex<Vec<String>>,
}

impl Drop for Given {
    fn drop(&mut self) {
        if self.kept.load(Ordering::Acquire) {
            return;
        }
        for location in self.locations.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let removed = S3Uri::parse(location).and_then(|uri| self.lake.delete(&uri));
            if let Err(error) = removed {
                tracing::warn!(location, %error, "a file of a failed statement could not be removed");
            }
        }
    }
}

/// A file name holds 255 bytes; what is cut off here is still told apart by the file's own name.
const LONGEST_SEGMENT: usize = 200;

impl Locations {
    pub(super) fn new(lake: &Lake, metadata: &TableMetadata) -> Self {
        let configured = metadata.properties().get("write.data.path").map(|path| path.trim_end_matches('/').to_owned());
        let folder = configured.unwrap_or_else(|| format!("{}/data", metadata.location()));
        // Athena leaves them where they are, so nobody is asked.
        let given = Given { lake: lake.unasked(), kept: AtomicBool::new(false), locations: Mutex::default() };
        Self { folder, given: Arc::new(given) }
    }

    /// The files at these addresses stay.
    pub(super) fn keep(&self) {
        self.given.kept.store(true, Ordering::Release);
    }
}

impl LocationGenerator for Locations {
    fn generate_location(&self, key: Option<&PartitionKey>, file_name: &str) -> String {
        let mut location = self.folder.clone();
        if let Some(key) = key
            && let Ok(partition_type) = key.spec().partition_type(key.schema())
        {
            for ((field, typed), value) in
                key.spec().fields().iter().zip(partition_type.fields()).zip(key.data().fields())
            {
                let value = shown(field.transform, &typed.field_type, value.as_ref());
                location.push('/');
                location.push_str(&encoded(&field.name));
                location.push('=');
                location.push_str(&encoded(&value));
            }
        }
        location.push('/');
        location.push_str(file_name);
        self.given.locations.lock().unwrap_or_else(PoisonError::into_inner).push(location.clone());
        location
    }
}

/// A partition value as people read it. The library shows months and hours as numbers since 1970.
pub(super) fn shown(transform: Transform, type_: &Type, value: Option<&Literal>) -> String {
    let number = match value.and_then(Literal::as_primitive_literal) {
        Some(PrimitiveLiteral::Int(number)) => Some(number),
        _ => None,
    };
    match (transform, number) {
        (Transform::Year, Some(years)) => format!("{:04}", 1970 + years),
        (Transform::Month, Some(months)) => {
            format!("{:04}-{:02}", 1970 + months.div_euclid(12), 1 + months.rem_euclid(12))
        }
        (Transform::Hour, Some(hours)) => {
            let day = transform_day(hours.div_euclid(24));
            format!("{day}-{:02}", hours.rem_euclid(24))
        }
        _ => transform.to_human_string(type_, value),
    }
}

fn transform_day(days: i32) -> String {
    Transform::Day.to_human_string(&Type::Primitive(PrimitiveType::Date), Some(&Literal::date(days)))
}

/// Percent-encodes what is not plain in an address, as Iceberg's own paths do.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if encoded.len() >= LONGEST_SEGMENT / 2 {
            break;
        }
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int32Array, StructArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;

    #[test]
    fn rows_of_one_value_come_together_and_null_is_a_value() {
        let months = Int32Array::from(vec![Some(1), Some(2), None, Some(1), None, Some(2), Some(2)]);
        let field = Arc::new(Field::new("month", DataType::Int32, true));
        let values: ArrayRef = Arc::new(StructArray::from(vec![(field, Arc::new(months) as ArrayRef)]));
        assert_eq!(group(&values).unwrap(), vec![vec![0, 3], vec![1, 5, 6], vec![2, 4]]);
    }

    #[test]
    fn times_are_shown_as_people_read_them() {
        let int = Type::Primitive(PrimitiveType::Int);
        assert_eq!(shown(Transform::Month, &int, Some(&Literal::int(672))), "2026-01");
        assert_eq!(shown(Transform::Month, &int, Some(&Literal::int(-1))), "1969-12");
        assert_eq!(shown(Transform::Year, &int, Some(&Literal::int(56))), "2026");
        assert_eq!(shown(Transform::Hour, &int, Some(&Literal::int(-1))), "1969-12-31-23");
        let date = Type::Primitive(PrimitiveType::Date);
        assert_eq!(shown(Transform::Day, &date, Some(&Literal::date(31))), "1970-02-01");
        assert_eq!(shown(Transform::Month, &int, None), "null");
    }

    #[test]
    fn a_partition_value_cannot_break_an_address() {
        assert_eq!(encoded("a/b?c=é"), "a%2Fb%3Fc%3D%C3%A9");
        assert!(encoded(&"é".repeat(500)).len() <= LONGEST_SEGMENT);
    }
}
