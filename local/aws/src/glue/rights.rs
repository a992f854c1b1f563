//! What a role needs for each operation: the action of the same name on the catalog, the database and the table.
//!
//! Sources: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsglue.html> and, for what a
//! database's deletion and the lists are asked on,
//! <https://docs.aws.amazon.com/glue/latest/dg/glue-specifying-resource-arns.html>

use serde_json::Value;

use crate::iam::{Place, Right};

/// Stands for every database or table: only a right to all of them, whatever their names, is enough.
const ANY: &str = "*";

/// The rights; none for an operation that is not known.
pub(super) fn of(operation: &str, input: &Value, place: &Place) -> Option<Vec<Right>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let table = |name: &Value| format!("table/{}/{}", text(&input["DatabaseName"]), text(name));
    let (database, tables) = match operation {
        "GetCatalogImportStatus" => (None, Vec::new()),
        "CreateDatabase" => (Some(text(&input["DatabaseInput"]["Name"])), Vec::new()),
        "GetDatabase" | "UpdateDatabase" => (Some(text(&input["Name"])), Vec::new()),
        "GetDatabases" => (Some(ANY.to_owned()), Vec::new()),
        "DeleteDatabase" => {
            let name = text(&input["Name"]);
            let whole = ["table", "userDefinedFunction"].map(|kind| format!("{kind}/{name}/{ANY}"));
            (Some(name), whole.to_vec())
        }
        "CreateTable" | "UpdateTable" => (None, vec![table(&input["TableInput"]["Name"])]),
        "GetTable" | "DeleteTable" => (None, vec![table(&input["Name"])]),
        "GetTables" => (None, vec![table(&ANY.into())]),
        "BatchDeleteTable" => (None, input["TablesToDelete"].as_array().into_iter().flatten().map(table).collect()),
        "GetTableVersions"
        | "CreatePartition"
        | "BatchCreatePartition"
        | "GetPartition"
        | "GetPartitions"
        | "BatchGetPartition"
        | "UpdatePartition"
        | "DeletePartition"
        | "BatchDeletePartition" => (None, vec![table(&input["TableName"])]),
        _ => return None,
    };
    let of_table = || input["DatabaseName"].as_str().map(str::to_lowercase);
    let database = database.or_else(of_table).map(|name| format!("database/{name}"));
    let resources = std::iter::once("catalog".to_owned()).chain(database).chain(tables);
    let right = |resource: String| Right::new(format!("glue:{operation}"), place.arn("glue", &resource));
    Some(resources.map(right).collect())
}
