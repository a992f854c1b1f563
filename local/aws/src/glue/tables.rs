//! Tables.

use local_engine::catalog::Table;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::paging::page;
use super::{Glue, error_detail, refused};
use crate::error::{WireError, reply};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateTable {
    database_name: String,
    table_input: Option<Table>,
    open_table_format_input: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByName {
    database_name: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetTables {
    database_name: String,
    expression: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateTable {
    database_name: String,
    table_input: Option<Table>,
    version_id: Option<String>,
    update_open_table_format_input: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchDeleteTable {
    database_name: String,
    tables_to_delete: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetTableVersions {
    database_name: String,
    table_name: String,
}

/// Source: <https://docs.aws.amazon.com/glue/latest/webapi/API_GetTables.html>
const LONGEST_PAGE: usize = 100;

pub(super) fn create(glue: &Glue, input: CreateTable) -> Result<Value, WireError> {
    let table = entry(input.table_input, input.open_table_format_input.as_ref())?;
    glue.catalog.create_table(&input.database_name, table).map_err(refused)?;
    Ok(json!({}))
}

pub(super) fn get(glue: &Glue, input: &ByName) -> Result<Value, WireError> {
    let table = glue.catalog.get_table(&input.database_name, &input.name).map_err(refused)?;
    Ok(json!({"Table": reply(&owned(glue, table))?}))
}

pub(super) fn list(glue: &Glue, input: &GetTables) -> Result<Value, WireError> {
    let pattern = input.expression.as_deref().map(name_pattern).transpose()?;
    let mut tables = glue.catalog.list_tables(&input.database_name).map_err(refused)?;
    tables.retain(|table| pattern.as_ref().is_none_or(|pattern| pattern.is_match(&table.name)));
    let page = page(tables, input.next_token.as_deref(), input.max_results, LONGEST_PAGE)?;
    let tables: Vec<Table> = page.items.into_iter().map(|table| owned(glue, table)).collect();
    let mut output = json!({"TableList": reply(&tables)?});
    if let Some(token) = page.next_token {
        output["NextToken"] = token.into();
    }
    Ok(output)
}

/// `SkipArchive` changes nothing: former versions are not kept.
pub(super) fn update(glue: &Glue, input: UpdateTable) -> Result<Value, WireError> {
    let table = entry(input.table_input, input.update_open_table_format_input.as_ref())?;
    glue.catalog.update_table(&input.database_name, table, input.version_id.as_deref()).map_err(refused)?;
    Ok(json!({}))
}

pub(super) fn delete(glue: &Glue, input: &ByName) -> Result<Value, WireError> {
    glue.catalog.delete_table(&input.database_name, &input.name).map_err(refused)?;
    Ok(json!({}))
}

pub(super) fn batch_delete(glue: &Glue, input: &BatchDeleteTable) -> Value {
    let mut errors = Vec::new();
    for name in &input.tables_to_delete {
        if let Err(error) = glue.catalog.delete_table(&input.database_name, name) {
            errors.push(json!({"TableName": name, "ErrorDetail": error_detail(&error)}));
        }
    }
    json!({"Errors": errors})
}

pub(super) fn versions(glue: &Glue, input: &GetTableVersions) -> Result<Value, WireError> {
    let table = glue.catalog.get_table(&input.database_name, &input.table_name).map_err(refused)?;
    let version = table.version_id.clone();
    Ok(json!({"TableVersions": [{"Table": reply(&owned(glue, table))?, "VersionId": version}]}))
}

fn owned(glue: &Glue, mut table: Table) -> Table {
    table.catalog_id = Some(glue.account.to_string());
    table.rest.insert("IsRegisteredWithLakeFormation".to_owned(), false.into());
    table
}

fn entry(table: Option<Table>, open_table_format: Option<&Value>) -> Result<Table, WireError> {
    if open_table_format.is_some() {
        let message = "the local cloud does not support Glue's open table format input: \
                       create Iceberg tables with Athena or an Iceberg client";
        return Err(WireError::client("InvalidInputException", message));
    }
    table.ok_or_else(|| WireError::client("InvalidInputException", "TableInput is missing"))
}

/// A regular expression over the whole name, whatever the case; a bare `*` matches anything, as Glue's clients expect.
fn name_pattern(expression: &str) -> Result<Regex, WireError> {
    let mut pattern = String::from("^(?:");
    let mut before = None;
    for character in expression.chars() {
        if character == '*' && !matches!(before, Some('.' | ']' | ')')) {
            pattern.push('.');
        }
        pattern.push(character);
        before = Some(character);
    }
    pattern.push_str(")$");
    RegexBuilder::new(&pattern)
        .case_insensitive(true)
        .build()
        .map_err(|error| WireError::client("InvalidInputException", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_by_pattern_or_glob() {
        let matches = |pattern: &str, name: &str| name_pattern(pattern).unwrap().is_match(name);
        assert!(matches("page*", "pageviews"));
        assert!(matches("*views", "pageviews"));
        assert!(matches("page.*", "PAGEVIEWS"));
        assert!(matches("customers|pageviews", "customers"));
        assert!(!matches("page", "pageviews"));
        assert!(name_pattern("(").is_err());
    }
}
