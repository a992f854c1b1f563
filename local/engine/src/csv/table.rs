//! [`CsvTable`]: a Hive table over text, as the query planner sees it.

use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use super::field_type::FieldType;
use super::files::{self, TextFile};
use super::format::TextFormat;
use super::partitions::{self, Keys};
use super::scan::{CsvScan, Source};
use crate::catalog::{Partition, StorageDescriptor, Table};
use crate::engine::ScanMeter;
use crate::lake::Lake;
use crate::{Error, Result};

/// A Hive table over CSV or other delimited text.
///
/// Filters that use partition columns alone decide which partitions are listed and read, and are exact. Only columns
/// that the query needs become values.
#[derive(Debug)]
pub struct CsvTable {
    lake: Lake,
    name: String,
    schema: SchemaRef,
    /// Of the columns in the files; the partition columns follow them in `schema`.
    types: Arc<[FieldType]>,
    keys: Keys,
    places: Vec<Place>,
    meter: Arc<ScanMeter>,
}

/// A partition, or the one place of a table without partitions.
#[derive(Debug, Clone)]
struct Place {
    values: Vec<ScalarValue>,
    location: String,
    format: Arc<TextFormat>,
}

impl CsvTable {
    /// The table with the partitions that the catalog knows; a table without partition columns is read from its own
    /// location. `meter` counts the bytes and rows that scans read.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a SerDe, setting or column type that is not; `HIVE_INVALID_METADATA` and
    /// `HIVE_INVALID_PARTITION_VALUE` for a catalog entry that makes no sense.
    pub fn try_new(lake: Lake, table: &Table, partitions: &[Partition], meter: Arc<ScanMeter>) -> Result<Self> {
        let columns = &table.storage_descriptor.columns;
        let types = columns.iter().map(partitions::parse_type).collect::<Result<Vec<_>>>()?;
        let format = TextFormat::new(&table.storage_descriptor, &table.parameters)?;
        refuse_unsupported_columns(&format, columns.iter().zip(&types))?;
        let keys = Keys::new(&table.partition_keys)?;
        let fields = columns.iter().zip(&types).map(|(column, field)| Field::new(&column.name, field.arrow(), true));
        let fields: Vec<_> = fields.map(Arc::new).chain(keys.schema().fields().iter().cloned()).collect();
        let format = Arc::new(format);
        let places = if table.partition_keys.is_empty() {
            let location = location(&table.storage_descriptor, &table.name)?;
            vec![Place { values: Vec::new(), location, format }]
        } else {
            let place = |partition: &Partition| partition_place(table, &keys, &format, partition);
            let mut places = partitions.iter().map(place).collect::<Result<Vec<_>>>()?;
            places.sort_by(|left, right| left.values.partial_cmp(&right.values).unwrap_or(Ordering::Equal));
            places
        };
        let schema = Arc::new(Schema::new(fields));
        Ok(Self { lake, name: table.name.clone(), schema, types: types.into(), keys, places, meter })
    }

    /// Whether the filter can be decided from partition values.
    fn is_partition_filter(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        let undecidable = |expr: &Expr| {
            matches!(
                expr,
                Expr::ScalarSubquery(_)
                    | Expr::InSubquery(_)
                    | Expr::Exists(_)
                    | Expr::OuterReferenceColumn(..)
                    | Expr::Placeholder(_)
            )
        };
        !columns.is_empty()
            && columns.iter().all(|column| self.keys.schema().column_with_name(&column.name).is_some())
            && !filter.is_volatile()
            && !contains(filter, undecidable)
    }

    /// Places that the filters leave.
    fn select(&self, session: &dyn Session, filters: &[Expr]) -> Result<Vec<Place>, DataFusionError> {
        let filters: Vec<_> = filters.iter().filter(|filter| self.is_partition_filter(filter)).cloned().collect();
        let values: Vec<_> = self.places.iter().map(|place| place.values.clone()).collect();
        let selected = self.keys.select(session, &filters, &values)?;
        Ok(self.places.iter().zip(selected).filter(|(_, selected)| *selected).map(|(place, _)| place.clone()).collect())
    }
}

#[async_trait]
impl TableProvider for CsvTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>, DataFusionError> {
        let support = [TableProviderFilterPushDown::Unsupported, TableProviderFilterPushDown::Exact];
        Ok(filters.iter().map(|filter| support[usize::from(self.is_partition_filter(filter))].clone()).collect())
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let places = self.select(session, filters)?;
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let projection = projection.unwrap_or(&all);
        let lake = self.lake.clone();
        let locations = places.clone();
        let files = tokio::task::spawn_blocking(move || list(&lake, &locations))
            .await
            .map_err(|error| DataFusionError::External(Box::new(error)))??;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(Arc::new(self.schema.project(projection)?))));
        }
        let source = Arc::new(Source {
            lake: self.lake.clone(),
            table: self.name.clone(),
            ranges: files::ranges(&files),
            files,
            types: Arc::clone(&self.types),
            meter: Arc::clone(&self.meter),
        });
        let values = places.into_iter().map(|place| place.values).collect();
        let streams = session.config().target_partitions();
        let scan = CsvScan::try_new(source, &self.schema, projection, (self.keys.schema(), values), streams)?;
        Ok(Arc::new(scan))
    }
}

fn list(lake: &Lake, places: &[Place]) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    for (at, place) in places.iter().enumerate() {
        files::list(lake, &place.location, &place.format, at, &mut files)?;
    }
    Ok(files)
}

/// A partition may have a SerDe of its own, as in Hive.
fn partition_place(table: &Table, keys: &Keys, format: &Arc<TextFormat>, partition: &Partition) -> Result<Place> {
    let storage = &partition.storage_descriptor;
    let own = storage.serde_info.as_ref().is_some_and(|serde| serde.serialization_library.is_some());
    let own_format = own.then(|| TextFormat::new(storage, &table.parameters)).transpose()?;
    let format = match own_format {
        Some(own) if own != **format => Arc::new(own),
        _ => Arc::clone(format),
    };
    let location = location(storage, &format!("{} {:?}", table.name, partition.values))?;
    Ok(Place { values: keys.values(partition)?, location, format })
}

fn location(storage: &StorageDescriptor, owner: &str) -> Result<String> {
    storage
        .location
        .clone()
        .filter(|location| !location.is_empty())
        .ok_or_else(|| Error::user("HIVE_INVALID_METADATA", 1001, format!("{owner} has no location in the catalog")))
}

/// OpenCSVSerDe in Athena recognises these types only.
/// Source: <https://docs.aws.amazon.com/athena/latest/ug/csv-serde.html>
fn refuse_unsupported_columns<'a>(
    format: &TextFormat,
    columns: impl IntoIterator<Item = (&'a crate::catalog::Column, &'a FieldType)>,
) -> Result<()> {
    if !format.is_open_csv() {
        return Ok(());
    }
    let other = columns.into_iter().find(|(_, field_type)| {
        use FieldType::{BigInt, Boolean, Date, Double, Int, Text, Timestamp};
        !matches!(field_type, Text { .. } | Boolean | Int | BigInt | Double | Date | Timestamp)
    });
    if let Some((column, _)) = other {
        let feature = format!("columns of type {} with OpenCSVSerDe (column {})", column.type_, column.name);
        return Err(Error::unsupported(feature));
    }
    Ok(())
}

fn contains(expr: &Expr, predicate: impl Fn(&Expr) -> bool) -> bool {
    use datafusion::common::tree_node::TreeNode;
    expr.exists(|expr| Ok(predicate(expr))).unwrap_or(true)
}
