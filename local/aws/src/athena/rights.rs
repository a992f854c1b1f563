//! What a role needs for each operation.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonathena.html>. Athena answers
//! what lies in Glue and S3 with its caller's rights there:
//! <https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html>,
//! <https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html>.

use serde_json::Value;

use super::Athena;
use super::error::internal;
use super::query::Query;
use super::workgroups::PRIMARY;
use crate::error::WireError;
use crate::iam::{Place, Right};

/// The rights; none for an operation that is not known. A query that does not exist needs none: the operation says so.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn of(
    athena: &Athena,
    operation: &str,
    input: &Value,
    place: &Place,
) -> Result<Option<Vec<Right>>, WireError> {
    let action = format!("athena:{operation}");
    let text = |member: &str| input[member].as_str().unwrap_or_default();
    let one = |kind: &str, name: &str| Right::new(&*action, place.arn("athena", &format!("{kind}/{name}")));
    Ok(Some(match operation {
        "StartQueryExecution" | "ListQueryExecutions" => {
            vec![one("workgroup", input["WorkGroup"].as_str().unwrap_or(PRIMARY))]
        }
        "StopQueryExecution" | "GetQueryExecution" | "GetQueryRuntimeStatistics" => {
            let query = query(athena, &input["QueryExecutionId"])?;
            query.iter().map(|query| one("workgroup", &query.workgroup)).collect()
        }
        "GetQueryResults" => match query(athena, &input["QueryExecutionId"])? {
            Some(query) => vec![one("workgroup", &query.workgroup), result_file(&query)],
            None => Vec::new(),
        },
        "BatchGetQueryExecution" => {
            let mut rights = Vec::new();
            for id in input["QueryExecutionIds"].as_array().into_iter().flatten() {
                rights.extend(query(athena, id)?.map(|query| one("workgroup", &query.workgroup)));
            }
            rights
        }
        "CreateWorkGroup" => vec![one("workgroup", text("Name"))],
        "GetWorkGroup" | "UpdateWorkGroup" | "DeleteWorkGroup" => vec![one("workgroup", text("WorkGroup"))],
        "ListWorkGroups" | "ListEngineVersions" | "ListDataCatalogs" => vec![Right::new(action, "*")],
        "GetDataCatalog" => vec![one("datacatalog", text("Name"))],
        "GetDatabase" | "ListDatabases" | "GetTableMetadata" | "ListTableMetadata" => {
            let catalog = one("datacatalog", text("CatalogName"));
            std::iter::once(catalog).chain(metadata(operation, input, place)).collect()
        }
        _ => return Ok(None),
    }))
}

fn query(athena: &Athena, id: &Value) -> Result<Option<Query>, WireError> {
    athena.inner.store.query(id.as_str().unwrap_or_default()).map_err(internal)
}

/// The place that the query answers as its `OutputLocation`, whether the statement leaves rows there or not.
fn result_file(query: &Query) -> Right {
    let location = &query.output_location;
    Right::new("s3:GetObject", format!("arn:aws:s3:::{}", location.strip_prefix("s3://").unwrap_or(location)))
}

/// What Glue is asked for.
fn metadata(operation: &str, input: &Value, place: &Place) -> Vec<Right> {
    let text = |member: &str| input[member].as_str().unwrap_or_default().to_lowercase();
    let database = || format!("database/{}", text("DatabaseName"));
    let (action, resources) = match operation {
        "ListDatabases" => ("glue:GetDatabases", vec!["database/*".to_owned()]),
        "GetTableMetadata" => {
            ("glue:GetTable", vec![database(), format!("table/{}/{}", text("DatabaseName"), text("TableName"))])
        }
        "ListTableMetadata" => ("glue:GetTables", vec![database(), format!("table/{}/*", text("DatabaseName"))]),
        _ => ("glue:GetDatabase", vec![database()]),
    };
    let resources = std::iter::once("catalog".to_owned()).chain(resources);
    resources.map(|resource| Right::new(action, place.arn("glue", &resource))).collect()
}
