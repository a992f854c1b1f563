//! State machines: create, update, describe, list, delete, validate.

use chrono::Utc;
use local_asl::{Error, Problem, Resource, StateMachine};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::executions::{self, seconds};
use super::store::{ExecutionQuery, Machine, RUNNING};
use super::{States, names, paging};
use crate::WireError;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateStateMachine {
    name: String,
    definition: String,
    role_arn: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    publish: bool,
}

/// Creates a machine. The same request again is the same machine.
pub(super) fn create(states: &States, request: &CreateStateMachine) -> Result<Value, WireError> {
    names::check_name(&request.name)?;
    if request.kind.as_deref() == Some("EXPRESS") {
        return Err(unsupported("EXPRESS state machines"));
    }
    if request.publish {
        return Err(unsupported("versions of state machines"));
    }
    check_definition(&request.definition)?;
    let arn = machine_arn(states, &request.name);
    if let Some(existing) = states.store.machine(&arn)? {
        if existing.definition != request.definition || existing.role_arn != request.role_arn {
            let message = format!("State Machine Already Exists: '{arn}'");
            return Err(WireError::client("StateMachineAlreadyExists", message));
        }
        return Ok(json!({ "stateMachineArn": arn, "creationDate": seconds(existing.created) }));
    }
    let machine = new_machine(arn, &request.name, &request.definition, &request.role_arn);
    states.store.put_machine(&machine)?;
    Ok(json!({ "stateMachineArn": machine.arn, "creationDate": seconds(machine.created) }))
}

/// Creates or replaces a machine, as a deployment does.
pub(super) fn put(states: &States, name: &str, definition: &str, role_arn: &str) -> Result<String, WireError> {
    names::check_name(name)?;
    check_definition(definition)?;
    let arn = machine_arn(states, name);
    let mut machine = new_machine(arn.clone(), name, definition, role_arn);
    if let Some(existing) = states.store.machine(&arn)? {
        machine.created = existing.created;
        if existing.definition == machine.definition {
            machine.revision = existing.revision;
        }
    }
    states.store.put_machine(&machine)?;
    Ok(arn)
}

fn new_machine(arn: String, name: &str, definition: &str, role_arn: &str) -> Machine {
    Machine {
        arn,
        name: name.to_owned(),
        definition: definition.to_owned(),
        role_arn: role_arn.to_owned(),
        created: Utc::now(),
        revision: Uuid::new_v4().to_string(),
    }
}

fn machine_arn(states: &States, name: &str) -> String {
    format!("arn:aws:states:{}:{}:stateMachine:{name}", states.config.region, states.config.account)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateStateMachine {
    state_machine_arn: String,
    definition: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    publish: bool,
}

pub(super) fn update(states: &States, request: UpdateStateMachine) -> Result<Value, WireError> {
    let mut machine = states.machine(&request.state_machine_arn)?;
    if request.publish {
        return Err(unsupported("versions of state machines"));
    }
    if request.definition.is_none() && request.role_arn.is_none() {
        let message = "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified";
        return Err(WireError::client("MissingRequiredParameter", message));
    }
    if let Some(definition) = request.definition {
        check_definition(&definition)?;
        machine.definition = definition;
    }
    machine.role_arn = request.role_arn.unwrap_or(machine.role_arn);
    machine.revision = Uuid::new_v4().to_string();
    states.store.put_machine(&machine)?;
    Ok(json!({ "updateDate": seconds(Utc::now()), "revisionId": machine.revision }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfMachine {
    state_machine_arn: String,
}

pub(super) fn describe(states: &States, request: &OfMachine) -> Result<Value, WireError> {
    let machine = states.machine(&request.state_machine_arn)?;
    Ok(json!({
        "stateMachineArn": machine.arn,
        "name": machine.name,
        "status": "ACTIVE",
        "definition": machine.definition,
        "roleArn": machine.role_arn,
        "type": "STANDARD",
        "creationDate": seconds(machine.created),
        "revisionId": machine.revision,
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
    }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfExecution {
    execution_arn: String,
}

/// The machine as it was when the execution was started.
pub(super) fn describe_for_execution(states: &States, request: &OfExecution) -> Result<Value, WireError> {
    let execution = executions::find(states, &request.execution_arn)?;
    let name = execution.machine_arn.rsplit(':').next().unwrap_or_default();
    Ok(json!({
        "stateMachineArn": execution.machine_arn,
        "name": name,
        "definition": execution.definition,
        "roleArn": execution.role_arn,
        "updateDate": seconds(execution.started),
        "loggingConfiguration": { "level": "OFF", "includeExecutionData": false },
        "tracingConfiguration": { "enabled": false },
    }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListStateMachines {
    max_results: Option<i64>,
    next_token: Option<String>,
}

pub(super) fn list(states: &States, request: &ListStateMachines) -> Result<Value, WireError> {
    let limit = paging::limit(request.max_results)?;
    let after = paging::position(request.next_token.as_deref())?.unwrap_or_default();
    let machines = states.store.machines(&after, limit + 1)?;
    let show = |machine: &Machine| {
        json!({
            "stateMachineArn": machine.arn,
            "name": machine.name,
            "type": "STANDARD",
            "creationDate": seconds(machine.created),
        })
    };
    Ok(paging::page("stateMachines", machines, limit, |machine| machine.name.clone(), show))
}

/// Deletes a machine and stops its executions. One that does not exist is deleted already.
pub(super) async fn delete(states: &States, request: &OfMachine) -> Result<Value, WireError> {
    names::check_machine_arn(&request.state_machine_arn)?;
    let machine_arn = &request.state_machine_arn;
    states.store.delete_machine(machine_arn)?;
    let query = ExecutionQuery { machine_arn, status: Some(RUNNING), before: None, limit: i64::MAX };
    for execution in states.store.executions(query)? {
        let running = states.running().remove(&execution.arn);
        if let Some(running) = running {
            running.abort("States.Runtime", "The state machine was deleted.").await;
        }
    }
    Ok(json!({}))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValidateStateMachineDefinition {
    definition: String,
}

pub(super) fn validate(request: &ValidateStateMachineDefinition) -> Value {
    let problems = problems(&request.definition);
    let diagnostics: Vec<Value> = problems
        .iter()
        .map(|Problem { code, message, location }| {
            json!({ "severity": "ERROR", "code": code, "message": message, "location": location })
        })
        .collect();
    let result = if problems.is_empty() { "OK" } else { "FAIL" };
    json!({ "result": result, "diagnostics": diagnostics, "truncated": false })
}

fn check_definition(definition: &str) -> Result<(), WireError> {
    let problems = problems(definition);
    if problems.is_empty() {
        return Ok(());
    }
    let listed: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let message = format!("Invalid State Machine Definition: '{}'", listed.join(", "));
    Err(WireError::client("InvalidDefinition", message))
}

/// What is wrong with a definition, whether of the language or of what we can call.
fn problems(definition: &str) -> Vec<Problem> {
    let machine = match StateMachine::parse(definition) {
        Ok(machine) => machine,
        Err(Error::Invalid(problems)) => return problems,
        Err(error) => {
            let code = if serde_json::from_str::<Value>(definition).is_ok() {
                "SCHEMA_VALIDATION_FAILED"
            } else {
                "INVALID_JSON_DESCRIPTION"
            };
            return vec![Problem { code, message: error.to_string(), location: "/".to_owned() }];
        }
    };
    let unsupported = machine.resources().into_iter().filter_map(|(state, resource)| match Resource::parse(resource) {
        Ok(Resource::Integration { service, action })
            if (service.as_str(), action.as_str()) != ("lambda", "invoke") =>
        {
            Some(Problem {
                code: "SCHEMA_VALIDATION_FAILED",
                message: format!("the local cloud does not support the integration '{service}:{action}'"),
                location: format!("/States/{state}/Resource"),
            })
        }
        _ => None,
    });
    unsupported.collect()
}

fn unsupported(what: &str) -> WireError {
    WireError::client("ValidationException", format!("the local cloud does not support {what}"))
}
