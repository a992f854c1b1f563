//! How executions change, told to whoever listens: EventBridge's "Step Functions Execution Status Change".
//!
//! A change is written down in the transaction that makes it, and crossed out when the listener has it: a process that dies
//! in between tells it again at its next start, with the same event id.
//!
//! Source: <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>

use std::sync::PoisonError;

use chrono::SecondsFormat;
use local_asl::Outcome;
use serde_json::{Value, json};

use super::States;
use super::store::{Change, Execution, RUNNING, StatesError};

/// Input and output together are left out from this size on, in bytes. Source: as above.
const MAX_PAYLOAD: usize = 248 << 10;

/// Hears of changes; an event is told again unless it was taken.
pub trait StatusListener: Send + Sync {
    /// Takes an event.
    ///
    /// # Errors
    /// Why it could not be taken.
    fn announce(&self, event: &Value) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// Tells everything that was not told yet, in order.
pub(super) fn announce(states: &States) {
    let Some(listener) = &states.listener else { return };
    // One at a time, so that an end is never told before its start.
    let _announcing = states.announcing.lock().unwrap_or_else(PoisonError::into_inner);
    let told = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        for change in states.store.changes()? {
            listener.announce(&event(states, &change)?)?;
            states.store.cross_out(&change)?;
        }
        Ok(())
    };
    if let Err(error) = told() {
        tracing::error!(
            error = &*error as &dyn std::error::Error,
            "a change of an execution could not be announced yet"
        );
    }
}

fn event(states: &States, change: &Change) -> Result<Value, StatesError> {
    let execution = &change.execution;
    let last = if change.status == RUNNING { None } else { states.store.last_event(&execution.arn)? };
    Ok(json!({
        "version": "0",
        "id": change.id,
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": states.config.account,
        "time": change.time.to_rfc3339_opts(SecondsFormat::Secs, true),
        "region": states.config.region,
        "resources": [execution.arn],
        "detail": detail(execution, &change.status, Outcome::of(last.as_slice())),
    }))
}

/// What `DescribeExecution` tells, with times in milliseconds.
fn detail(execution: &Execution, status: &str, outcome: Option<Outcome>) -> Value {
    let stopped = if status == RUNNING { None } else { execution.stopped };
    let (output, error, cause) = match outcome {
        Some(Outcome::Succeeded { output }) => (Some(output), None, None),
        Some(Outcome::Failed { error, cause } | Outcome::Aborted { error, cause }) => (None, error, cause),
        Some(Outcome::TimedOut) | None => (None, None, None),
    };
    let escaped = |text: &str| Value::from(text).to_string().len();
    let output_bytes = output.as_deref().map_or(0, escaped);
    let included =
        |fits: bool, text: Option<&str>| (text.filter(|_| fits).map(str::to_owned), json!({ "included": fits }));
    let (input, input_details) =
        included(escaped(&execution.input) + output_bytes <= MAX_PAYLOAD, Some(execution.input.as_str()));
    let has_output = output.is_some();
    let (output, output_details) = included(output_bytes <= MAX_PAYLOAD, output.as_deref());
    json!({
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine_arn,
        "name": execution.name,
        "status": status,
        "startDate": execution.started.timestamp_millis(),
        "stopDate": stopped.map(|time| time.timestamp_millis()),
        "input": input,
        "inputDetails": input_details,
        "output": output,
        "outputDetails": has_output.then_some(output_details),
        "error": error,
        "cause": cause,
        "stateMachineVersionArn": null,
        "stateMachineAliasArn": null,
        "redriveCount": 0,
        "redriveDate": null,
        "redriveStatus": "NOT_REDRIVABLE",
        "redriveStatusReason": "the local cloud does not support RedriveExecution",
    })
}
