//! `information_schema`: what the catalog holds, as tables that clients query.
//! Source: <https://docs.aws.amazon.com/athena/latest/ug/querying-glue-catalog.html>

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;

use crate::catalog::{Catalog, Table};
use crate::error::NOT_FOUND;
use crate::statement::name::DATA_CATALOG;
use crate::statement::view;
use crate::{Error, Result, trino};

/// The database's name.
pub(super) const NAME: &str = "information_schema";

type Columns = Vec<(&'static str, ArrayRef)>;

/// One of its tables, as the catalog is now. It blocks.
///
/// # Errors
/// `TABLE_NOT_FOUND`; the catalog's.
pub(super) fn table(catalog: &Catalog, name: &str) -> Result<Arc<dyn TableProvider>> {
    let columns = match name {
        "schemata" => schemata(catalog)?,
        "tables" => tables(&all(catalog)?),
        "columns" => columns(&all(catalog)?),
        "views" => views(&all(catalog)?)?,
        _ => {
            let message = format!("Table '{DATA_CATALOG}.{NAME}.{name}' does not exist");
            return Err(Error::user("TABLE_NOT_FOUND", NOT_FOUND, message));
        }
    };
    let named = columns.into_iter().map(|(name, column)| (name, column, true));
    let batch = RecordBatch::try_from_iter_with_nullable(named).map_err(DataFusionError::from)?;
    Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
}

fn all(catalog: &Catalog) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for database in catalog.list_databases()? {
        tables.extend(catalog.list_tables(&database.name)?);
    }
    Ok(tables)
}

fn text<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn catalog_name(rows: usize) -> ArrayRef {
    text(std::iter::repeat_n(DATA_CATALOG, rows))
}

fn schemata(catalog: &Catalog) -> Result<Columns> {
    let databases = catalog.list_databases()?;
    let names = databases.iter().map(|database| database.name.as_str()).chain([NAME]);
    Ok(vec![("catalog_name", catalog_name(databases.len() + 1)), ("schema_name", text(names))])
}

fn table_names(tables: &[&Table]) -> Columns {
    vec![
        ("table_catalog", catalog_name(tables.len())),
        ("table_schema", text(tables.iter().map(|table| table.database_name.as_str()))),
        ("table_name", text(tables.iter().map(|table| table.name.as_str()))),
    ]
}

fn tables(tables: &[Table]) -> Columns {
    let type_ = |table: &&Table| if view::is_view(table) { "VIEW" } else { "BASE TABLE" };
    let tables: Vec<&Table> = tables.iter().collect();
    let mut columns = table_names(&tables);
    columns.push(("table_type", text(tables.iter().map(type_))));
    columns
}

fn columns(tables: &[Table]) -> Columns {
    let of_table = |table: &'_ Table| -> Vec<(i64, String, String)> {
        let columns = table.storage_descriptor.columns.iter().chain(&table.partition_keys);
        // A type that this engine cannot read is shown as the catalog has it.
        let type_ =
            |hive: &str| trino::types::from_hive(hive).map_or(hive.to_owned(), |t| trino::types::trino_name(&t));
        (1..).zip(columns).map(|(position, column)| (position, column.name.clone(), type_(&column.type_))).collect()
    };
    let rows: Vec<(&Table, (i64, String, String))> =
        tables.iter().flat_map(|table| of_table(table).into_iter().map(move |column| (table, column))).collect();
    let mut columns = table_names(&rows.iter().map(|(table, _)| *table).collect::<Vec<_>>());
    columns.push(("column_name", text(rows.iter().map(|(_, column)| column.1.as_str()))));
    columns.push(("ordinal_position", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, column)| column.0)))));
    columns.push(("column_default", Arc::new(StringArray::new_null(rows.len()))));
    columns.push(("is_nullable", text(rows.iter().map(|_| "YES"))));
    columns.push(("data_type", text(rows.iter().map(|(_, column)| column.2.as_str()))));
    columns
}

fn views(tables: &[Table]) -> Result<Columns> {
    let mut found = Vec::new();
    for table in tables {
        if let Some(view) = view::of(table)? {
            found.push((table, view.original_sql));
        }
    }
    let mut columns = table_names(&found.iter().map(|(table, _)| *table).collect::<Vec<_>>());
    columns.push(("view_definition", text(found.iter().map(|(_, definition)| definition.as_str()))));
    Ok(columns)
}
