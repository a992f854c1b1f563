//! Athena's answers.

use serde_json::{Value, json};

use crate::Reply;

/// `StartQueryExecution`.
pub const START: &str = "AmazonAthena.StartQueryExecution";
/// `GetQueryExecution`.
pub const GET: &str = "AmazonAthena.GetQueryExecution";
/// `GetQueryResults`.
pub const RESULTS: &str = "AmazonAthena.GetQueryResults";

/// `ListQueryExecutions`.
pub const LIST: &str = "AmazonAthena.ListQueryExecutions";
/// `BatchGetQueryExecution`.
pub const BATCH: &str = "AmazonAthena.BatchGetQueryExecution";
/// `StopQueryExecution`.
pub const STOP: &str = "AmazonAthena.StopQueryExecution";

/// The workgroup has no query.
pub fn no_queries() -> Reply {
    Reply::ok(LIST, &json!({}))
}

/// The workgroup has these queries: each with its state and its statement.
pub fn queries(queries: &[(&str, &str, &str)]) -> [Reply; 2] {
    let ids: Vec<&str> = queries.iter().map(|(id, ..)| *id).collect();
    let executions: Vec<Value> = queries
        .iter()
        .map(|(id, state, text)| json!({"QueryExecutionId": id, "Query": text, "Status": {"State": state}}))
        .collect();
    let batch = json!({"QueryExecutions": executions, "UnprocessedQueryExecutionIds": []});
    [Reply::ok(LIST, &json!({"QueryExecutionIds": ids})), Reply::ok(BATCH, &batch)]
}

/// A query was told to stop.
pub fn stopped() -> Reply {
    Reply::ok(STOP, &json!({}))
}

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
    rows(&[values])
}

/// These rows were returned, and before them the names of the columns.
pub fn rows(rows: &[&[Option<&str>]]) -> Reply {
    let header: Vec<Value> =
        rows.first().into_iter().flat_map(|row| row.iter()).map(|_| value(Some("column"))).collect();
    let data = rows.iter().map(|row| json!({"Data": row.iter().map(|each| value(*each)).collect::<Vec<_>>()}));
    let rows: Vec<Value> = std::iter::once(json!({"Data": header})).chain(data).collect();
    Reply::ok(RESULTS, &json!({"ResultSet": {"Rows": rows}}))
}

fn value(value: Option<&str>) -> Value {
    value.map_or_else(|| json!({}), |value| json!({"VarCharValue": value}))
}

fn execution(query: &str, status: &Value, bytes: u64) -> Reply {
    let execution = json!({"QueryExecutionId": query, "Status": status, "Statistics": {"DataScannedInBytes": bytes}});
    Reply::ok(GET, &json!({"QueryExecution": execution}))
}
