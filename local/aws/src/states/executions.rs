//! Executions: start, describe, list, stop.

use chrono::{DateTime, Utc};
use local_asl::execution::MAX_PAYLOAD_BYTES;
use local_asl::{Abort, Event, EventKind, Outcome, Start, StateMachine};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::store::{Execution, ExecutionQuery, RUNNING, StatesError, Store};
use super::{States, names, paging, running};
use crate::WireError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StartExecution {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
}

/// Starts an execution. The same name and input while it runs is the same execution; the name of one that has ended
/// is taken.
pub(super) fn start(states: &States, request: StartExecution) -> Result<Value, WireError> {
    let machine = states.machine(&request.state_machine_arn)?;
    let name = request.name.unwrap_or_else(|| Uuid::new_v4().to_string());
    names::check_name(&name)?;
    let text = request.input.unwrap_or_else(|| "{}".to_owned());
    let input = checked_input(&text)?;
    let arn = names::execution_arn(&machine.arn, &name);
    // Held until the execution is written down: two requests of the same name must not both find it absent.
    let _starting = states.starting();
    if let Some(existing) = states.store.execution(&arn)? {
        if existing.status == RUNNING && existing.input == text {
            return Ok(started(&existing));
        }
        return Err(WireError::client("ExecutionAlreadyExists", format!("Execution Already Exists: '{arn}'")));
    }
    let definition = StateMachine::parse(&machine.definition)
        .map_err(|error| WireError::client("InvalidDefinition", error.to_string()))?;
    let execution = Execution {
        number: 0,
        arn: arn.clone(),
        name: name.clone(),
        machine_arn: machine.arn.clone(),
        definition: machine.definition,
        role_arn: machine.role_arn.clone(),
        input: text,
        started: Utc::now(),
        status: RUNNING.to_owned(),
        stopped: None,
    };
    states.store.add_execution(&execution)?;
    states.announce();
    let start = Start {
        execution_arn: arn,
        execution_name: name,
        state_machine_arn: machine.arn,
        state_machine_name: machine.name,
        role_arn: machine.role_arn,
        region: states.config.region.clone(),
        input,
        redrive_count: 0,
        seed: Uuid::new_v4().as_u64_pair().0,
    };
    running::begin(states, definition, start);
    Ok(started(&execution))
}

fn started(execution: &Execution) -> Value {
    json!({ "executionArn": execution.arn, "startDate": seconds(execution.started) })
}

fn checked_input(text: &str) -> Result<Value, WireError> {
    let invalid = |reason: String| {
        WireError::client("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{reason}'"))
    };
    if text.len() > MAX_PAYLOAD_BYTES {
        return Err(invalid(format!("{} bytes are more than {MAX_PAYLOAD_BYTES}", text.len())));
    }
    serde_json::from_str(text).map_err(|error| invalid(error.to_string()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DescribeExecution {
    execution_arn: String,
}

pub(super) fn describe(states: &States, request: &DescribeExecution) -> Result<Value, WireError> {
    let execution = find(states, &request.execution_arn)?;
    let last = states.store.last_event(&execution.arn)?;
    let mut answer = summary(&execution);
    answer["input"] = json!(execution.input);
    answer["inputDetails"] = json!({ "included": true });
    answer["redriveCount"] = json!(0);
    answer["redriveStatus"] = json!("NOT_REDRIVABLE");
    answer["redriveStatusReason"] = json!("the local cloud does not support RedriveExecution");
    match Outcome::of(last.as_slice()) {
        Some(Outcome::Succeeded { output }) => {
            answer["output"] = json!(output);
            answer["outputDetails"] = json!({ "included": true });
        }
        Some(Outcome::Failed { error, cause } | Outcome::Aborted { error, cause }) => {
            for (key, value) in [("error", error), ("cause", cause)] {
                if let Some(value) = value {
                    answer[key] = json!(value);
                }
            }
        }
        Some(Outcome::TimedOut) | None => {}
    }
    Ok(answer)
}

/// What `ListExecutions` tells of an execution.
fn summary(execution: &Execution) -> Value {
    let mut summary = json!({
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": seconds(execution.started),
    });
    if let Some(stopped) = execution.stopped {
        summary["stopDate"] = seconds(stopped);
    }
    summary
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListExecutions {
    state_machine_arn: Option<String>,
    status_filter: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(super) fn list(states: &States, request: &ListExecutions) -> Result<Value, WireError> {
    let Some(arn) = &request.state_machine_arn else {
        let message = "the local cloud lists executions by stateMachineArn only";
        return Err(WireError::client("ValidationException", message));
    };
    let machine = states.machine(arn)?;
    let limit = paging::limit(request.max_results)?;
    let executions = states.store.executions(ExecutionQuery {
        machine_arn: &machine.arn,
        status: request.status_filter.as_deref(),
        before: paging::number(request.next_token.as_deref())?,
        limit: limit + 1,
    })?;
    Ok(paging::page("executions", executions, limit, |execution| execution.number.to_string(), summary))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StopExecution {
    execution_arn: String,
    error: Option<String>,
    cause: Option<String>,
}

/// Stops an execution; one that has ended stays as it is.
pub(super) async fn stop(states: &States, request: StopExecution) -> Result<Value, WireError> {
    let arn = find(states, &request.execution_arn)?.arn;
    let running = states.running().remove(&arn);
    if let Some(running) = running {
        running.abort_with(Abort { error: request.error, cause: request.cause }).await;
    }
    let stopped = find(states, &arn)?.stopped.unwrap_or_else(Utc::now);
    Ok(json!({ "stopDate": seconds(stopped) }))
}

/// The execution of an ARN.
pub(super) fn find(states: &States, arn: &str) -> Result<Execution, WireError> {
    names::check_execution_arn(arn)?;
    states
        .store
        .execution(arn)?
        .ok_or_else(|| WireError::client("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'")))
}

/// Ends the executions that were under way when the local cloud last stopped.
pub(super) fn fail_interrupted(store: &Store) -> Result<(), StatesError> {
    for execution in store.unfinished()? {
        let last = store.last_event(&execution.arn)?.map_or(0, |event| event.id);
        let kind = EventKind::ExecutionFailed {
            error: Some("States.Runtime".to_owned()),
            cause: Some("The local cloud stopped while the execution was running.".to_owned()),
        };
        let event = Event { id: last + 1, previous_event_id: last, timestamp: Utc::now(), kind };
        store.append(&execution.arn, &event)?;
        tracing::warn!(execution = execution.arn, "the execution was interrupted and has failed");
    }
    Ok(())
}

/// A time as AWS's JSON has it: seconds since the epoch.
pub(super) fn seconds(time: DateTime<Utc>) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch are far below 2^53")]
    let seconds = time.timestamp_millis() as f64 / 1000.0;
    json!(seconds)
}
