//! Glue's answers.

use serde_json::{Value, json};

use crate::Reply;

/// `GetTable`.
pub const GET: &str = "AWSGlue.GetTable";
/// `GetTables`.
pub const LIST: &str = "AWSGlue.GetTables";
/// `CreateTable`.
pub const CREATE: &str = "AWSGlue.CreateTable";
/// `UpdateTable`.
pub const UPDATE: &str = "AWSGlue.UpdateTable";
/// `DeleteTable`.
pub const DELETE: &str = "AWSGlue.DeleteTable";

/// An Iceberg table with the output's columns.
pub fn iceberg(name: &str, version: &str, location: &str, metadata: &str) -> Value {
    json!({
        "Name": name,
        "DatabaseName": "appdb",
        "VersionId": version,
        "TableType": "EXTERNAL_TABLE",
        "Retention": 0,
        "StorageDescriptor": {
            "Location": location,
            "Columns": [
                {"Name": "view_date", "Type": "date"},
                {"Name": "url", "Type": "string"},
                {"Name": "country", "Type": "string"},
                {"Name": "view_count", "Type": "bigint"},
            ],
        },
        "Parameters": {"table_type": "ICEBERG", "metadata_location": metadata},
    })
}

/// The table exists.
pub fn table(table: &Value) -> Reply {
    Reply::ok(GET, &json!({"Table": table}))
}

/// The table does not exist.
pub fn absent() -> Reply {
    Reply::refused(GET, "EntityNotFoundException")
}

/// These are all tables.
pub fn tables(tables: &[Value]) -> Reply {
    Reply::ok(LIST, &json!({"TableList": tables}))
}

/// The change was made.
pub fn done(operation: &'static str) -> Reply {
    Reply::ok(operation, &json!({}))
}
