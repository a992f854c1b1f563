//! The catalog as Athena shows it: one data catalog, its databases and tables.

use local_engine::catalog::{CatalogError, Column, Database, Table};
use regex::RegexBuilder;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Athena;
use super::error::{internal, invalid};
use crate::error::WireError;

/// The name of the Glue catalog in Athena.
const CATALOG: &str = "AwsDataCatalog";

/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_ListTableMetadata.html>
const LONGEST_PAGE: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetDataCatalog {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetDatabase {
    catalog_name: String,
    database_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListDatabases {
    catalog_name: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GetTableMetadata {
    #[serde(rename = "CatalogName")]
    catalog: String,
    #[serde(rename = "DatabaseName")]
    database: String,
    #[serde(rename = "TableName")]
    table: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListTableMetadata {
    catalog_name: String,
    database_name: String,
    expression: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// # Errors
/// `InvalidRequestException` for any catalog but the one.
pub(super) fn check_catalog(name: &str) -> Result<(), WireError> {
    if name.eq_ignore_ascii_case(CATALOG) { Ok(()) } else { Err(invalid(format!("Data catalog {name} was not found"))) }
}

pub(super) fn get_data_catalog(input: &GetDataCatalog) -> Result<Value, WireError> {
    check_catalog(&input.name)?;
    Ok(json!({"DataCatalog": {"Name": CATALOG, "Type": "GLUE", "Parameters": {}}}))
}

pub(super) fn list_data_catalogs() -> Value {
    json!({"DataCatalogsSummary": [{"CatalogName": CATALOG, "Type": "GLUE"}]})
}

pub(super) fn get_database(athena: &Athena, input: &GetDatabase) -> Result<Value, WireError> {
    check_catalog(&input.catalog_name)?;
    let database = athena.inner.engine.catalog().get_database(&input.database_name).map_err(refused)?;
    Ok(json!({"Database": database_metadata(&database)}))
}

pub(super) fn list_databases(athena: &Athena, input: &ListDatabases) -> Result<Value, WireError> {
    check_catalog(&input.catalog_name)?;
    let databases = athena.inner.engine.catalog().list_databases().map_err(refused)?;
    let databases = databases.iter().map(database_metadata).collect();
    page("DatabaseList", databases, input.max_results, input.next_token.as_deref())
}

pub(super) fn get_table(athena: &Athena, input: &GetTableMetadata) -> Result<Value, WireError> {
    check_catalog(&input.catalog)?;
    let table = athena.inner.engine.catalog().get_table(&input.database, &input.table).map_err(refused)?;
    Ok(json!({"TableMetadata": table_metadata(&table)}))
}

pub(super) fn list_tables(athena: &Athena, input: &ListTableMetadata) -> Result<Value, WireError> {
    check_catalog(&input.catalog_name)?;
    let pattern = input.expression.as_deref().map(|pattern| {
        let pattern = RegexBuilder::new(&format!("^(?:{pattern})$")).case_insensitive(true).build();
        pattern.map_err(|error| invalid(error.to_string()))
    });
    let pattern = pattern.transpose()?;
    let tables = athena.inner.engine.catalog().list_tables(&input.database_name).map_err(refused)?;
    let wanted = tables.iter().filter(|table| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&table.name)));
    let tables = wanted.map(table_metadata).collect();
    page("TableMetadataList", tables, input.max_results, input.next_token.as_deref())
}

/// The token is how many items came before.
fn page(member: &str, items: Vec<Value>, length: Option<usize>, token: Option<&str>) -> Result<Value, WireError> {
    let length = length.unwrap_or(LONGEST_PAGE);
    if !(1..=LONGEST_PAGE).contains(&length) {
        return Err(invalid(format!("MaxResults must be between 1 and {LONGEST_PAGE}")));
    }
    let start: usize = match token {
        Some(token) => token.parse().map_err(|_| invalid(format!("{token:?} is not a NextToken of this list")))?,
        None => 0,
    };
    let more = items.len() > start + length;
    let mut output = Map::new();
    output.insert(member.to_owned(), items.into_iter().skip(start).take(length).collect());
    if more {
        output.insert("NextToken".to_owned(), (start + length).to_string().into());
    }
    Ok(Value::Object(output))
}

fn database_metadata(database: &Database) -> Value {
    let mut metadata = json!({"Name": database.name, "Parameters": database.parameters});
    if let Some(description) = &database.description {
        metadata["Description"] = description.as_str().into();
    }
    metadata
}

fn table_metadata(table: &Table) -> Value {
    let storage = &table.storage_descriptor;
    let mut parameters = table.parameters.clone();
    let serde = storage.serde_info.as_ref();
    let described = [
        ("location", storage.location.as_ref()),
        ("inputformat", storage.input_format.as_ref()),
        ("outputformat", storage.output_format.as_ref()),
        ("serde.serialization.lib", serde.and_then(|serde| serde.serialization_library.as_ref())),
    ];
    for (name, value) in described {
        if let Some(value) = value {
            parameters.insert(name.to_owned(), value.clone());
        }
    }
    for (name, value) in serde.iter().flat_map(|serde| &serde.parameters) {
        parameters.insert(format!("serde.param.{name}"), value.clone());
    }
    json!({
        "Name": table.name,
        "CreateTime": table.create_time,
        "TableType": table.table_type.as_deref().unwrap_or("EXTERNAL_TABLE"),
        "Columns": storage.columns.iter().map(column).collect::<Vec<_>>(),
        "PartitionKeys": table.partition_keys.iter().map(column).collect::<Vec<_>>(),
        "Parameters": parameters,
    })
}

fn column(column: &Column) -> Value {
    let mut wire = json!({"Name": column.name, "Type": column.type_});
    if let Some(comment) = &column.comment {
        wire["Comment"] = comment.as_str().into();
    }
    wire
}

/// Glue's refusals reach Athena's clients as `MetadataException`.
fn refused(error: CatalogError) -> WireError {
    match error {
        CatalogError::NotFound { .. } | CatalogError::AlreadyExists { .. } | CatalogError::InvalidInput { .. } => {
            WireError::client("MetadataException", error.to_string())
        }
        error => internal(error),
    }
}
