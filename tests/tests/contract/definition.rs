//! The state machine: every task has its timeout and its retries, and reacts only to names that exist.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::repository::json;

/// A task state, wherever it is nested.
pub struct Task {
    pub name: String,
    pub state: Value,
}

/// All task states of the definition.
pub fn tasks() -> Vec<Task> {
    let mut found = Vec::new();
    collect(&json("statemachine/page_views_transform.asl.json"), &mut found);
    assert!(!found.is_empty(), "the definition has no task");
    found
}

fn collect(machine: &Value, found: &mut Vec<Task>) {
    for (name, state) in machine["States"].as_object().expect("States") {
        if state["Type"] == "Task" {
            found.push(Task { name: name.clone(), state: state.clone() });
        }
        for branch in state["Branches"].as_array().into_iter().flatten() {
            collect(branch, found);
        }
        if state["ItemProcessor"].is_object() {
            collect(&state["ItemProcessor"], found);
        }
    }
}

fn names(retriers: &Value) -> impl Iterator<Item = &str> {
    retriers
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|one| one["ErrorEquals"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
}

#[test]
fn every_task_has_a_timeout_and_every_machine_too() {
    assert!(json("statemachine/page_views_transform.asl.json")["TimeoutSeconds"].is_u64(), "the machine has a timeout");
    for task in tasks() {
        assert!(task.state["TimeoutSeconds"].is_u64(), "{} has no TimeoutSeconds", task.name);
    }
}

#[test]
fn every_task_retries_what_passes() {
    let transient = [
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
        "QueryThrottled",
        "QueryStillRunning",
    ];
    for task in tasks() {
        let retried: BTreeSet<&str> = names(&task.state["Retry"]).collect();
        for name in transient {
            assert!(retried.contains(name), "{} does not retry {name}", task.name);
        }
        for retrier in task.state["Retry"].as_array().expect("Retry") {
            let waits = names(&Value::Array(vec![retrier.clone()])).any(|name| name == "QueryStillRunning");
            assert!(waits || retrier["JitterStrategy"] == "FULL", "a retrier of {} has no jitter", task.name);
        }
    }
}

#[test]
fn tasks_react_to_names_that_exist() {
    let ours: BTreeSet<&str> = shared::error::CODES.iter().copied().collect();
    for task in tasks() {
        for name in names(&task.state["Retry"]).chain(names(&task.state["Catch"])) {
            let of_services =
                ["States.", "Lambda.", "Sandbox.", "Runtime."].iter().any(|prefix| name.starts_with(prefix));
            assert!(of_services || ours.contains(name), "{} reacts to {name}, which nobody raises", task.name);
        }
    }
}

#[test]
fn every_error_of_ours_is_either_retried_or_final() {
    // What no retry can mend: the execution fails with this name, and its cause says what to do.
    let last = [
        "AnotherRunInProgress",
        "AuditFailed",
        "InvalidAnswer",
        "InvalidConfig",
        "InvalidInput",
        "InvalidLake",
        "InvalidLease",
        "InvalidOutput",
        "InvalidStatement",
        "OutputChanged",
        "QueryCancelled",
        "QueryFailed",
        "QueryRetryable",
        "RawDataMissing",
        "ServiceRefused",
        "SourceChanged",
        "SourceInProgress",
        "SourceRefused",
        "TableChanged",
        "UsageUnknown",
    ];
    for task in tasks() {
        let retried: BTreeSet<&str> = names(&task.state["Retry"]).collect();
        for code in shared::error::CODES {
            assert!(
                last.contains(code) || retried.contains(code),
                "{} neither retries {code} nor may it be final",
                task.name
            );
        }
    }
}
