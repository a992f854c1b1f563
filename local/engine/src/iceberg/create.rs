//! A new table: its metadata, and its catalog entry as Athena makes it.

use std::collections::HashSet;
use std::sync::Arc;

use ::iceberg::MetadataLocation;
use ::iceberg::spec::{FormatVersion, NestedField, Schema, SortOrder, TableMetadata, TableMetadataBuilder};

use super::storage::file_io;
use super::table::METADATA_LOCATION;
use super::{partitioning, properties, types};
use crate::Result;
use crate::access::needs;
use crate::catalog::{self, Catalog, Column, Parameters, StorageDescriptor};
use crate::lake::{Lake, S3Uri};

/// A table that shall be.
#[derive(Debug, Clone)]
pub struct NewTable {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Its columns, with Hive's type names.
    pub columns: Vec<Column>,
    /// Its partition transforms: `month(view_date)`, `bucket(16, id)`, `country`.
    pub partitioning: Vec<String>,
    /// Where it lives: `s3://bucket/prefix/`.
    pub location: String,
    /// Properties under Athena's names.
    pub properties: Parameters,
}

impl NewTable {
    /// The first metadata: no snapshot, format version 2.
    pub(super) fn metadata(&self) -> Result<TableMetadata> {
        let location = S3Uri::parse(&self.location)?.to_string();
        let schema = self.schema()?;
        let spec = partitioning::parse(&self.partitioning, &schema)?;
        let properties = properties::to_iceberg(&self.properties)?;
        let location = location.trim_end_matches('/').to_owned();
        let builder = TableMetadataBuilder::new(
            schema,
            spec,
            SortOrder::unsorted_order(),
            location,
            FormatVersion::V2,
            properties,
        )?;
        Ok(builder.build()?.metadata)
    }

    fn schema(&self) -> Result<Schema> {
        if self.columns.is_empty() {
            return Err(super::refused("MISSING_COLUMN_NAME", "A table has at least one column"));
        }
        let mut names = HashSet::new();
        let mut next_id = i32::try_from(self.columns.len()).unwrap_or(i32::MAX);
        let mut fields = Vec::with_capacity(self.columns.len());
        for (id, column) in (1..).zip(&self.columns) {
            let name = column.name.to_lowercase();
            if !names.insert(name.clone()) {
                return Err(super::refused(
                    "DUPLICATE_COLUMN_NAME",
                    format!("Column name '{name}' specified more than once"),
                ));
            }
            let field = NestedField::optional(id, name, types::parse(&column.type_, &mut next_id)?);
            fields.push(Arc::new(match &column.comment {
                Some(comment) => field.with_doc(comment),
                None => field,
            }));
        }
        Ok(Schema::builder().with_fields(fields).build()?)
    }
}

/// Makes an empty table.
///
/// # Errors
/// The catalog's `AlreadyExists`; names and values that a table cannot have. Nothing is left behind.
pub async fn create_table(catalog: &Catalog, lake: &Lake, new: &NewTable) -> Result<()> {
    let metadata = new.metadata()?;
    publish(catalog, lake, new, &metadata).await
}

/// Writes the first metadata file and then the entry: whoever finds the entry finds a whole table.
pub(super) async fn publish(catalog: &Catalog, lake: &Lake, new: &NewTable, metadata: &TableMetadata) -> Result<()> {
    let files = file_io(lake, None);
    let location = MetadataLocation::new_with_metadata(metadata.location(), metadata);
    ask_to_write(lake, metadata, &location)?;
    metadata.write_to(&files, &location).await?;
    let location = location.to_string();
    let created = catalog.create_table(&new.database, entry(new, metadata, &location));
    if created.is_err() {
        super::forget(&files, [location.as_str()]).await;
    }
    created?;
    Ok(())
}

/// Whether the caller may write a metadata file: Iceberg looks first that there is none of that name.
pub(super) fn ask_to_write(lake: &Lake, metadata: &TableMetadata, location: &MetadataLocation) -> Result<()> {
    lake.ask_location(metadata.location())?;
    Ok(lake.ask(needs::LOOK_FOR_OBJECT, &S3Uri::parse(&location.to_string())?)?)
}

/// The entry as Athena writes it.
/// Source: <https://github.com/apache/iceberg/blob/main/aws/src/main/java/org/apache/iceberg/aws/glue/IcebergToGlueConverter.java>
fn entry(new: &NewTable, metadata: &TableMetadata, metadata_location: &str) -> catalog::Table {
    catalog::Table {
        name: new.name.clone(),
        database_name: new.database.clone(),
        table_type: Some("EXTERNAL_TABLE".into()),
        parameters: Parameters::from([
            ("table_type".into(), "ICEBERG".into()),
            (METADATA_LOCATION.into(), metadata_location.into()),
        ]),
        storage_descriptor: StorageDescriptor {
            columns: glue_columns(metadata.current_schema()),
            location: Some(metadata.location().to_owned()),
            ..StorageDescriptor::default()
        },
        ..catalog::Table::default()
    }
}

/// A schema as the columns of a catalog entry.
pub(super) fn glue_columns(schema: &Schema) -> Vec<Column> {
    let column = |field: &Arc<NestedField>| Column {
        name: field.name.clone(),
        type_: types::hive_name(&field.field_type),
        comment: field.doc.clone(),
        parameters: Parameters::from([
            ("iceberg.field.id".into(), field.id.to_string()),
            ("iceberg.field.optional".into(), (!field.required).to_string()),
            ("iceberg.field.current".into(), "true".into()),
        ]),
    };
    schema.as_struct().fields().iter().map(column).collect()
}
