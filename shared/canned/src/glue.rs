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
/// `GetPartitions`.
pub const PARTITIONS: &str = "AWSGlue.GetPartitions";
/// `BatchCreatePartition`.
pub const ADD_PARTITIONS: &str = "AWSGlue.BatchCreatePartition";

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

/// A table of CSV files below `location`.
pub fn csv(name: &str, location: &str) -> Value {
    json!({
        "Name": name,
        "DatabaseName": "appdb",
        "StorageDescriptor": {
            "Location": location,
            "Columns": [{"Name": "customer_id", "Type": "string"}],
            "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde"},
        },
    })
}

/// These partitions are registered.
pub fn partitions(values: &[&[&str]]) -> Reply {
    let partitions: Vec<Value> = values.iter().map(|values| json!({"Values": values})).collect();
    Reply::ok(PARTITIONS, &json!({"Partitions": partitions}))
}

/// The batch was done, but for these partitions.
pub fn refused_partitions(refused: &[(&[&str], &str)]) -> Reply {
    let error = |(values, code): &(&[&str], &str)| json!({"PartitionValues": values, "ErrorDetail": {"ErrorCode": code, "ErrorMessage": "it said no"}});
    Reply::ok(ADD_PARTITIONS, &json!({"Errors": refused.iter().map(error).collect::<Vec<_>>()}))
}
