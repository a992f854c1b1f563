//! Athena's answers.

use serde_json::{Value, json};

use crate::Reply;

/// `StartQueryExecution`.
pub const START: &str = "AmazonAthena.StartQueryExecution";
/// `GetQueryExecution`.
pub const GET: &str = "AmazonAthena.GetQueryExecution";
/// `GetQueryResults`.
pub const RESULTS: &str = "AmazonAthena.GetQueryResults";

/// A statement was taken; this is its query.
pub fn started(query: &str) -> Reply {
    Reply::ok(START, &json!({"QueryExecutionId": query}))
}

/// The query runs.
pub fn running(query: &str) -> Reply {
    execution(query, &json!({"State": "RUNNING"}), 0)
}

/// The query has succeeded and read so many bytes.
pub fn succeeded(query: &str, bytes: u64) -> Reply {
    execution(query, &json!({"State": "SUCCEEDED"}), bytes)
}

/// The query was cancelled.
pub fn cancelled(query: &str) -> Reply {
    execution(query, &json!({"State": "CANCELLED", "StateChangeReason": "bytes scanned limit"}), 0)
}

/// The query has failed, with one of Athena's error types.
pub fn failed(query: &str, reason: &str, error_type: i32, retryable: bool) -> Reply {
    let error = json!({"ErrorCategory": 2, "ErrorType": error_type, "Retryable": retryable, "ErrorMessage": reason});
    execution(query, &json!({"State": "FAILED", "StateChangeReason": reason, "AthenaError": error}), 0)
}

/// A statement from start to end: it reads so many bytes.
pub fn run(query: &str, bytes: u64) -> [Reply; 2] {
    [started(query), succeeded(query, bytes)]
}

/// So many rows were written.
pub fn rows_written(rows: u64) -> Reply {
    Reply::ok(RESULTS, &json!({"UpdateCount": rows, "ResultSet": {"Rows": []}}))
}

/// One row was returned.
pub fn row(values: &[Option<&str>]) -> Reply {
    let header: Vec<Value> = values.iter().map(|_| json!({"VarCharValue": "column"})).collect();
    let data: Vec<Value> =
        values.iter().map(|value| value.map_or_else(|| json!({}), |value| json!({"VarCharValue": value}))).collect();
    Reply::ok(RESULTS, &json!({"ResultSet": {"Rows": [{"Data": header}, {"Data": data}]}}))
}

fn execution(query: &str, status: &Value, bytes: u64) -> Reply {
    let execution = json!({"QueryExecutionId": query, "Status": status, "Statistics": {"DataScannedInBytes": bytes}});
    Reply::ok(GET, &json!({"QueryExecution": execution}))
}
