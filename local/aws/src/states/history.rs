//! `GetExecutionHistory`.

use local_asl::history::ExecutionData;
use serde::Deserialize;
use serde_json::Value;

use super::store::EventQuery;
use super::{States, executions, paging};
use crate::WireError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetExecutionHistory {
    execution_arn: String,
    max_results: Option<i64>,
    #[serde(default)]
    reverse_order: bool,
    next_token: Option<String>,
    include_execution_data: Option<bool>,
}

pub(super) fn get(states: &States, input: &GetExecutionHistory) -> Result<Value, WireError> {
    let execution = executions::find(states, &input.execution_arn)?;
    let limit = paging::limit(input.max_results)?;
    let events = states.store.events(EventQuery {
        execution_arn: &execution.arn,
        after: paging::number(input.next_token.as_deref())?,
        reverse: input.reverse_order,
        limit: limit + 1,
    })?;
    let data = match input.include_execution_data {
        Some(false) => ExecutionData::Omitted,
        Some(true) | None => ExecutionData::Included,
    };
    Ok(paging::page("events", events, limit, |event| event.id.to_string(), |event| event.to_wire(data)))
}
