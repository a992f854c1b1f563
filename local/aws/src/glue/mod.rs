//! The Glue Data Catalog's API over the engine's catalog.
//!
//! - [`databases`], [`tables`], [`partitions`]: the operations, by entity.
//! - [`expression`]: the filter of `GetPartitions`.
//! - [`paging`]: pages of a list.
//! - [`rights`]: what a role needs for each operation.
//!
//! Jobs, crawlers and the rest of Glue are not here; each is refused by its name.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use local_engine::catalog::{Catalog, CatalogError};
use serde_json::{Value, json};

use crate::error::{WireError, parse};
use crate::iam::{Place, Right};
use crate::{Caller, JsonService};

mod databases;
mod expression;
mod paging;
mod partitions;
mod rights;
mod tables;

/// The service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Glue {
    catalog: Catalog,
    account: Arc<str>,
}

impl Glue {
    /// Serves `catalog` as the data catalog of `account`.
    pub fn new(catalog: Catalog, account: &str) -> Self {
        Self { catalog, account: account.into() }
    }

    fn run(&self, operation: &str, input: Value) -> Result<Value, WireError> {
        match operation {
            "CreateDatabase" => databases::create(self, parse_value(input)?),
            "GetDatabase" => databases::get(self, &parse_value(input)?),
            "GetDatabases" => databases::list(self, &parse_value(input)?),
            "UpdateDatabase" => databases::update(self, parse_value(input)?),
            "DeleteDatabase" => databases::delete(self, &parse_value(input)?),
            "CreateTable" => tables::create(self, parse_value(input)?),
            "GetTable" => tables::get(self, &parse_value(input)?),
            "GetTables" => tables::list(self, &parse_value(input)?),
            "UpdateTable" => tables::update(self, parse_value(input)?),
            "DeleteTable" => tables::delete(self, &parse_value(input)?),
            "BatchDeleteTable" => Ok(tables::batch_delete(self, &parse_value(input)?)),
            "GetTableVersions" => tables::versions(self, &parse_value(input)?),
            "CreatePartition" => partitions::create(self, parse_value(input)?),
            "BatchCreatePartition" => partitions::batch_create(self, parse_value(input)?),
            "GetPartition" => partitions::get(self, &parse_value(input)?),
            "BatchGetPartition" => partitions::batch_get(self, &parse_value(input)?),
            "GetPartitions" => partitions::list(self, &parse_value(input)?),
            "UpdatePartition" => partitions::update(self, parse_value(input)?),
            "DeletePartition" => partitions::delete(self, parse_value(input)?),
            "BatchDeletePartition" => partitions::batch_delete(self, parse_value(input)?),
            "GetCatalogImportStatus" => Ok(json!({"ImportStatus": {"ImportCompleted": true}})),
            _ => Err(WireError::unknown_operation("AWSGlue", operation)),
        }
    }

    /// There is one catalog: the account's.
    fn check_catalog(&self, input: &Value) -> Result<(), WireError> {
        match input.get("CatalogId").and_then(Value::as_str) {
            Some(id) if id != &*self.account => {
                Err(WireError::client("EntityNotFoundException", format!("Catalog {id} not found.")))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl JsonService for Glue {
    async fn call(&self, operation: &str, body: Bytes, _caller: &Caller) -> Result<Value, WireError> {
        let (glue, operation) = (self.clone(), operation.to_owned());
        let done = tokio::task::spawn_blocking(move || {
            let input: Value = parse(&body)?;
            glue.check_catalog(&input)?;
            glue.run(&operation, input)
        });
        done.await.unwrap_or_else(|error| Err(WireError::internal("InternalServiceException", error)))
    }

    fn rights(&self, operation: &str, input: &Value, place: &Place) -> Result<Option<Vec<Right>>, WireError> {
        Ok(rights::of(operation, input, place))
    }
}

fn parse_value<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, WireError> {
    serde_json::from_value(input).map_err(|error| WireError::client("InvalidInputException", error.to_string()))
}

/// The one place where the catalog's errors become Glue's.
fn refused(error: CatalogError) -> WireError {
    let code = error_code(&error);
    match code {
        "InternalServiceException" => WireError::internal(code, error),
        _ => WireError::client(code, error.to_string()),
    }
}

fn error_code(error: &CatalogError) -> &'static str {
    match error {
        CatalogError::NotFound { .. } => "EntityNotFoundException",
        CatalogError::AlreadyExists { .. } => "AlreadyExistsException",
        CatalogError::ConcurrentModification { .. } => "ConcurrentModificationException",
        CatalogError::InvalidInput { .. } => "InvalidInputException",
        CatalogError::AccessDenied(_) => "AccessDeniedException",
        CatalogError::OtherVersion { .. } | CatalogError::Store(_) | CatalogError::Damaged(_) => {
            "InternalServiceException"
        }
    }
}

/// Glue's `ErrorDetail`, inside the answer of a batch.
fn error_detail(error: &CatalogError) -> Value {
    json!({"ErrorCode": error_code(error), "ErrorMessage": error.to_string()})
}
