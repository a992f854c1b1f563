//! Step Functions' answers.

use serde_json::{Value, json};

use crate::Reply;

/// `GetExecutionHistory`.
pub const HISTORY: &str = "AWSStepFunctions.GetExecutionHistory";

/// `DescribeExecution`.
pub const DESCRIBE: &str = "AWSStepFunctions.DescribeExecution";

/// An execution stands like this: `RUNNING`, `SUCCEEDED`, …
pub fn stands(status: &str) -> Reply {
    let execution = json!({
        "executionArn": "arn:x", "stateMachineArn": "arn:y", "startDate": 0, "status": status,
    });
    Reply::ok(DESCRIBE, &execution)
}

/// There is no such execution.
pub fn unknown() -> Reply {
    Reply::refused(DESCRIBE, "ExecutionDoesNotExist")
}

/// A history: its events are numbered from 1, each a second after the one before it.
pub fn history(events: &[Value]) -> Reply {
    let numbered = events.iter().zip(1..).map(|(event, id)| {
        let mut event = event.clone();
        event["id"] = json!(id);
        event["timestamp"] = json!(id);
        event
    });
    Reply::ok(HISTORY, &json!({"events": numbered.collect::<Vec<_>>()}))
}

/// The history of an execution that nobody knows.
pub fn no_history() -> Reply {
    Reply::refused(HISTORY, "ExecutionDoesNotExist")
}

/// The execution was redriven, for the `count`th time.
pub fn redriven(count: u32, previous: u32) -> Value {
    event("ExecutionRedriven", previous, &json!({"executionRedrivenEventDetails": {"redriveCount": count}}))
}

/// An event that follows event `previous`, with the details that its kind has.
pub fn event(kind: &str, previous: u32, details: &Value) -> Value {
    let mut event = json!({"type": kind, "previousEventId": previous});
    if let (Value::Object(event), Value::Object(details)) = (&mut event, details) {
        event.extend(details.clone());
    }
    event
}

/// A Task state was entered.
pub fn entered(state: &str, previous: u32) -> Value {
    event("TaskStateEntered", previous, &json!({"stateEnteredEventDetails": {"name": state}}))
}

/// A task succeeded with this answer.
pub fn succeeded(answer: &Value, previous: u32) -> Value {
    let details = json!({"resourceType": "lambda", "resource": "invoke", "output": answer.to_string()});
    event("TaskSucceeded", previous, &json!({"taskSucceededEventDetails": details}))
}
