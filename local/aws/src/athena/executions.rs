//! What is known of queries, and stopping one.

use std::sync::PoisonError;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Athena;
use super::error::{internal, invalid};
use super::execute::INTERRUPTED;
use super::query::{Failure, Query, State, now};
use super::workgroups::{self, PRIMARY};
use crate::error::WireError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ById {
    query_execution_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByIds {
    query_execution_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueryExecutions {
    work_group: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// Source: <https://docs.aws.amazon.com/athena/latest/APIReference/API_BatchGetQueryExecution.html> and
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_ListQueryExecutions.html>
const LONGEST_PAGE: usize = 50;

/// The query.
///
/// # Errors
/// `InvalidRequestException`, if there is none.
pub(super) fn find(athena: &Athena, id: &str) -> Result<Query, WireError> {
    let query = athena.inner.store.query(id).map_err(internal)?;
    query.ok_or_else(|| invalid(format!("QueryExecution {id} was not found")))
}

pub(super) fn get(athena: &Athena, input: &ById) -> Result<Value, WireError> {
    Ok(json!({"QueryExecution": find(athena, &input.query_execution_id)?.to_wire()}))
}

pub(super) fn batch_get(athena: &Athena, input: &ByIds) -> Result<Value, WireError> {
    let ids = &input.query_execution_ids;
    if !(1..=LONGEST_PAGE).contains(&ids.len()) {
        return Err(invalid(format!("QueryExecutionIds must have 1 to {LONGEST_PAGE} ids")));
    }
    let mut found = Vec::new();
    let mut unprocessed = Vec::new();
    for id in ids {
        match athena.inner.store.query(id).map_err(internal)? {
            Some(query) => found.push(query.to_wire()),
            None => unprocessed.push(json!({
                "QueryExecutionId": id,
                "ErrorCode": "INVALID_INPUT",
                "ErrorMessage": format!("QueryExecution {id} was not found"),
            })),
        }
    }
    Ok(json!({"QueryExecutions": found, "UnprocessedQueryExecutionIds": unprocessed}))
}

/// The newest first.
pub(super) fn list(athena: &Athena, input: &ListQueryExecutions) -> Result<Value, WireError> {
    let workgroup = workgroups::find(athena, input.work_group.as_deref().unwrap_or(PRIMARY))?;
    let length = input.max_results.unwrap_or(LONGEST_PAGE);
    if length > LONGEST_PAGE {
        return Err(invalid(format!("MaxResults must be between 0 and {LONGEST_PAGE}")));
    }
    let before = match input.next_token.as_deref() {
        Some(token) => token.parse().map_err(|_| invalid(format!("{token:?} is not a NextToken of this list")))?,
        None => i64::MAX,
    };
    let mut rows = athena.inner.store.ids(&workgroup.name, before, length + 1).map_err(internal)?;
    let more = rows.len() > length;
    rows.truncate(length);
    let last = rows.last().map(|(sequence, _)| sequence.to_string()).filter(|_| more);
    let ids: Vec<String> = rows.into_iter().map(|(_, id)| id).collect();
    let mut output = json!({"QueryExecutionIds": ids});
    if let Some(last) = last {
        output["NextToken"] = last.into();
    }
    Ok(output)
}

/// Asks a query to stop. One that has ended stays as it is, and that is no error.
pub(super) fn stop(athena: &Athena, input: &ById) -> Result<Value, WireError> {
    find(athena, &input.query_execution_id)?;
    let stops = athena.inner.stops.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stop) = stops.get(&input.query_execution_id) {
        stop.notify_one();
    }
    Ok(json!({}))
}

pub(super) fn runtime_statistics(athena: &Athena, input: &ById) -> Result<Value, WireError> {
    let statistics = find(athena, &input.query_execution_id)?.statistics;
    Ok(json!({"QueryRuntimeStatistics": {
        "Timeline": {
            "QueryQueueTimeInMillis": statistics.queued,
            "ServicePreProcessingTimeInMillis": statistics.preprocessing,
            "QueryPlanningTimeInMillis": statistics.planning,
            "EngineExecutionTimeInMillis": statistics.engine,
            "ServiceProcessingTimeInMillis": statistics.processing,
            "TotalExecutionTimeInMillis": statistics.total,
        },
        "Rows": {
            "InputRows": statistics.scanned_rows,
            "InputBytes": statistics.scanned_bytes,
            "OutputRows": statistics.output_rows,
            "OutputBytes": statistics.output_bytes,
        },
    }}))
}

/// Ends the queries that the death of a former process interrupted.
pub(super) fn fail_interrupted(athena: &Athena) -> Result<(), WireError> {
    for mut query in athena.inner.store.unfinished().map_err(internal)? {
        query.state = State::Failed;
        query.reason = Some(INTERRUPTED.to_owned());
        query.failure = Some(Failure::SYSTEM);
        query.completed = Some(now());
        athena.inner.store.update(&query).map_err(internal)?;
    }
    Ok(())
}
