//! What happened, in the words of AWS. The event log is the truth: status and output are derived from it.
//!
//! Types and detail shapes: <https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html>.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One event of an execution's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 1 for the first event, then without a gap.
    pub id: u64,
    /// The event that led to this one: 0 at the start of an execution.
    pub previous_event_id: u64,
    /// When it happened.
    pub timestamp: DateTime<Utc>,
    /// What happened.
    pub kind: EventKind,
}

/// The type of a state as event names spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the language")]
pub enum StateType {
    Task,
    Parallel,
    Map,
    Choice,
    Wait,
    Pass,
    Succeed,
    Fail,
}

/// How an iteration of a Map state stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the events")]
pub enum Iteration {
    Started,
    Succeeded,
    Failed,
    Aborted,
}

/// What a Task called, as its events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of the events")]
pub struct TaskResource {
    pub resource_type: String,
    pub resource: String,
}

/// What happened, with its details. Inputs and outputs are JSON texts, as in AWS's own events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the variants and fields are those of AWS's events")]
pub enum EventKind {
    ExecutionStarted {
        input: String,
        role_arn: String,
    },
    ExecutionSucceeded {
        output: String,
    },
    ExecutionFailed {
        error: Option<String>,
        cause: Option<String>,
    },
    ExecutionAborted {
        error: Option<String>,
        cause: Option<String>,
    },
    ExecutionTimedOut,
    StateEntered {
        state_type: StateType,
        name: String,
        input: String,
    },
    StateExited {
        state_type: StateType,
        name: String,
        output: String,
        assigned_variables: BTreeMap<String, String>,
    },
    StateAborted {
        state_type: StateType,
    },
    TaskScheduled {
        resource: TaskResource,
        region: String,
        parameters: String,
        timeout: Option<u64>,
        heartbeat: Option<u64>,
    },
    TaskStarted {
        resource: TaskResource,
    },
    TaskSucceeded {
        resource: TaskResource,
        output: String,
    },
    TaskFailed {
        resource: TaskResource,
        error: String,
        cause: String,
    },
    TaskTimedOut {
        resource: TaskResource,
        error: String,
    },
    LambdaFunctionScheduled {
        resource: String,
        input: String,
        timeout: Option<u64>,
    },
    LambdaFunctionStarted,
    LambdaFunctionSucceeded {
        output: String,
    },
    LambdaFunctionFailed {
        error: String,
        cause: String,
    },
    LambdaFunctionTimedOut {
        error: String,
    },
    ParallelStateStarted,
    ParallelStateSucceeded,
    ParallelStateFailed,
    MapStateStarted {
        length: usize,
    },
    MapStateSucceeded,
    MapStateFailed,
    MapIteration {
        iteration: Iteration,
        name: String,
        index: usize,
    },
    EvaluationFailed {
        state: String,
        location: String,
        error: String,
        cause: String,
    },
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of the last event")]
pub enum Outcome {
    /// With this output, a JSON text.
    Succeeded { output: String },
    /// By the error of a state.
    Failed { error: Option<String>, cause: Option<String> },
    /// By the machine's `TimeoutSeconds`.
    TimedOut,
    /// From outside.
    Aborted { error: Option<String>, cause: Option<String> },
}

impl Outcome {
    /// The outcome that a history tells; `None` while the execution runs.
    pub fn of(events: &[Event]) -> Option<Self> {
        match &events.last()?.kind {
            EventKind::ExecutionSucceeded { output } => Some(Self::Succeeded { output: output.clone() }),
            EventKind::ExecutionFailed { error, cause } => {
                Some(Self::Failed { error: error.clone(), cause: cause.clone() })
            }
            EventKind::ExecutionAborted { error, cause } => {
                Some(Self::Aborted { error: error.clone(), cause: cause.clone() })
            }
            EventKind::ExecutionTimedOut => Some(Self::TimedOut),
            _ => None,
        }
    }

    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "SUCCEEDED",
            Self::Failed { .. } => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted { .. } => "ABORTED",
        }
    }
}

impl EventKind {
    /// The name of the event's type, such as `TaskStateEntered`.
    pub fn type_name(&self) -> String {
        let name = match self {
            Self::StateEntered { state_type, .. } => return format!("{state_type:?}StateEntered"),
            Self::StateExited { state_type, .. } => return format!("{state_type:?}StateExited"),
            Self::StateAborted { state_type } => return format!("{state_type:?}StateAborted"),
            Self::MapIteration { iteration, .. } => return format!("MapIteration{iteration:?}"),
            Self::ExecutionStarted { .. } => "ExecutionStarted",
            Self::ExecutionSucceeded { .. } => "ExecutionSucceeded",
            Self::ExecutionFailed { .. } => "ExecutionFailed",
            Self::ExecutionAborted { .. } => "ExecutionAborted",
            Self::ExecutionTimedOut => "ExecutionTimedOut",
            Self::TaskScheduled { .. } => "TaskScheduled",
            Self::TaskStarted { .. } => "TaskStarted",
            Self::TaskSucceeded { .. } => "TaskSucceeded",
            Self::TaskFailed { .. } => "TaskFailed",
            Self::TaskTimedOut { .. } => "TaskTimedOut",
            Self::LambdaFunctionScheduled { .. } => "LambdaFunctionScheduled",
            Self::LambdaFunctionStarted => "LambdaFunctionStarted",
            Self::LambdaFunctionSucceeded { .. } => "LambdaFunctionSucceeded",
            Self::LambdaFunctionFailed { .. } => "LambdaFunctionFailed",
            Self::LambdaFunctionTimedOut { .. } => "LambdaFunctionTimedOut",
            Self::ParallelStateStarted => "ParallelStateStarted",
            Self::ParallelStateSucceeded => "ParallelStateSucceeded",
            Self::ParallelStateFailed => "ParallelStateFailed",
            Self::MapStateStarted { .. } => "MapStateStarted",
            Self::MapStateSucceeded => "MapStateSucceeded",
            Self::MapStateFailed => "MapStateFailed",
            Self::EvaluationFailed { .. } => "EvaluationFailed",
        };
        name.to_owned()
    }
}

/// What an event tells about inputs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionData {
    /// Everything.
    Included,
    /// Only that there was something: `includeExecutionData=false`.
    Omitted,
}

impl Event {
    /// The event in the shape of `GetExecutionHistory`; the timestamp is in seconds since the epoch.
    pub fn to_wire(&self, data: ExecutionData) -> Value {
        let mut wire = Map::new();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch are far below 2^53")]
        let seconds = self.timestamp.timestamp_millis() as f64 / 1000.0;
        wire.insert("timestamp".to_owned(), json!(seconds));
        wire.insert("type".to_owned(), json!(self.kind.type_name()));
        wire.insert("id".to_owned(), json!(self.id));
        wire.insert("previousEventId".to_owned(), json!(self.previous_event_id));
        if let Some((key, details)) = self.kind.details(data) {
            wire.insert(key, details);
        }
        Value::Object(wire)
    }
}

impl EventKind {
    /// The event's details and the key that they stand under, if the type has any.
    fn details(&self, data: ExecutionData) -> Option<(String, Value)> {
        let type_name = self.type_name();
        let key = match self {
            Self::StateEntered { .. } => "stateEnteredEventDetails".to_owned(),
            Self::StateExited { .. } => "stateExitedEventDetails".to_owned(),
            _ => format!("{}{}EventDetails", type_name[..1].to_lowercase(), &type_name[1..]),
        };
        let mut details = Details { fields: Map::new(), data };
        match self {
            Self::ExecutionStarted { input, role_arn } => details.payload("input", input).text("roleArn", role_arn),
            Self::ExecutionSucceeded { output } | Self::LambdaFunctionSucceeded { output } => {
                details.payload("output", output)
            }
            Self::ExecutionFailed { error, cause } | Self::ExecutionAborted { error, cause } => {
                details.optional("error", error.as_ref()).optional("cause", cause.as_ref())
            }
            Self::StateEntered { name, input, .. } => details.text("name", name).payload("input", input),
            Self::StateExited { name, output, assigned_variables, .. } => {
                details.text("name", name).payload("output", output).variables(assigned_variables)
            }
            Self::TaskScheduled { resource, region, parameters, timeout, heartbeat } => details
                .resource(resource)
                .text("region", region)
                .text("parameters", parameters)
                .number("timeoutInSeconds", *timeout)
                .number("heartbeatInSeconds", *heartbeat),
            Self::TaskStarted { resource } => details.resource(resource),
            Self::TaskSucceeded { resource, output } => details.resource(resource).payload("output", output),
            Self::TaskFailed { resource, error, cause } => {
                details.resource(resource).text("error", error).text("cause", cause)
            }
            Self::TaskTimedOut { resource, error } => details.resource(resource).text("error", error),
            Self::LambdaFunctionScheduled { resource, input, timeout } => {
                details.text("resource", resource).payload("input", input).number("timeoutInSeconds", *timeout)
            }
            Self::LambdaFunctionFailed { error, cause } => details.text("error", error).text("cause", cause),
            Self::LambdaFunctionTimedOut { error } => details.text("error", error),
            Self::MapStateStarted { length } => details.number("length", Some(*length as u64)),
            Self::MapIteration { name, index, .. } => details.text("name", name).number("index", Some(*index as u64)),
            Self::EvaluationFailed { state, location, error, cause } => {
                details.text("state", state).text("location", location).text("error", error).text("cause", cause)
            }
            Self::ExecutionTimedOut => &mut details,
            _ => return None,
        };
        Some((key, Value::Object(details.fields)))
    }
}

/// Writes the details of an event.
struct Details {
    fields: Map<String, Value>,
    data: ExecutionData,
}

impl Details {
    fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.fields.insert(key.to_owned(), json!(value));
        self
    }

    fn optional(&mut self, key: &str, value: Option<&String>) -> &mut Self {
        if let Some(value) = value {
            self.text(key, value);
        }
        self
    }

    fn number(&mut self, key: &str, value: Option<u64>) -> &mut Self {
        if let Some(value) = value {
            self.fields.insert(key.to_owned(), json!(value));
        }
        self
    }

    fn payload(&mut self, key: &str, value: &str) -> &mut Self {
        if self.data == ExecutionData::Included {
            self.text(key, value);
            self.fields.insert(format!("{key}Details"), json!({"truncated": false}));
        }
        self
    }

    fn resource(&mut self, resource: &TaskResource) -> &mut Self {
        self.text("resourceType", &resource.resource_type).text("resource", &resource.resource)
    }

    fn variables(&mut self, assigned: &BTreeMap<String, String>) -> &mut Self {
        if self.data == ExecutionData::Included && !assigned.is_empty() {
            self.fields.insert("assignedVariables".to_owned(), json!(assigned));
            self.fields.insert("assignedVariablesDetails".to_owned(), json!({"truncated": false}));
        }
        self
    }
}
