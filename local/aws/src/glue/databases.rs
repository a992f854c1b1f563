//! Databases.

use local_engine::catalog::Database;
use serde::Deserialize;
use serde_json::{Value, json};

use super::paging::page;
use super::{Glue, refused};
use crate::error::{WireError, reply};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateDatabase {
    database_input: Database,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByName {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UpdateDatabase {
    name: String,
    database_input: Database,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetDatabases {
    next_token: Option<String>,
    max_results: Option<i64>,
}

/// Source: <https://docs.aws.amazon.com/glue/latest/webapi/API_GetDatabases.html>
const LONGEST_PAGE: usize = 100;

pub(super) fn create(glue: &Glue, input: CreateDatabase) -> Result<Value, WireError> {
    glue.catalog.create_database(input.database_input).map_err(refused)?;
    Ok(json!({}))
}

pub(super) fn get(glue: &Glue, input: &ByName) -> Result<Value, WireError> {
    let database = glue.catalog.get_database(&input.name).map_err(refused)?;
    Ok(json!({"Database": reply(&owned(glue, database))?}))
}

pub(super) fn list(glue: &Glue, input: &GetDatabases) -> Result<Value, WireError> {
    let databases = glue.catalog.list_databases().map_err(refused)?;
    let page = page(databases, input.next_token.as_deref(), input.max_results, LONGEST_PAGE)?;
    let databases: Vec<Database> = page.items.into_iter().map(|database| owned(glue, database)).collect();
    let mut output = json!({"DatabaseList": reply(&databases)?});
    if let Some(token) = page.next_token {
        output["NextToken"] = token.into();
    }
    Ok(output)
}

pub(super) fn update(glue: &Glue, input: UpdateDatabase) -> Result<Value, WireError> {
    glue.catalog.update_database(&input.name, input.database_input).map_err(refused)?;
    Ok(json!({}))
}

pub(super) fn delete(glue: &Glue, input: &ByName) -> Result<Value, WireError> {
    glue.catalog.delete_database(&input.name).map_err(refused)?;
    Ok(json!({}))
}

fn owned(glue: &Glue, database: Database) -> Database {
    Database { catalog_id: Some(glue.account.to_string()), ..database }
}
