//! What Step Functions promises.

use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent, ValidateStateMachineDefinitionResultCode};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::cloud::{Cloud, open_states};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("states_an_execution_runs_real_functions", runs),
        trial("states_a_functions_error_is_the_executions", fails),
        trial("states_a_refusal_of_lambda_has_its_name", refused),
        trial("states_a_task_that_times_out_fails_with_states_timeout", times_out),
        trial("states_an_invalid_definition_is_refused_when_it_is_created", invalid),
        trial("states_the_same_name_and_input_is_the_same_execution", idempotent),
        trial("states_bad_requests_have_the_names_of_aws", bad_requests),
        trial("states_a_history_has_pages_in_both_directions", pages),
        trial("states_machines_are_created_updated_listed_and_deleted", machines),
        trial("states_an_execution_can_be_stopped", stopped),
        trial("states_an_interrupted_execution_has_failed_after_the_restart", interrupted),
    ]
}

const ROLE: &str = "arn:aws:iam::000000000000:role/machine";

fn machine(states: &Value) -> String {
    let start = states.as_object().unwrap().keys().next().unwrap();
    json!({ "QueryLanguage": "JSONata", "StartAt": start, "States": states }).to_string()
}

fn invoke(function: &str, payload: &Value) -> Value {
    json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": { "FunctionName": function, "Payload": payload },
        "End": true,
    })
}

async fn create(client: &Client, definition: &str) -> String {
    let request = client.create_state_machine().name("m").definition(definition).role_arn(ROLE);
    request.send().await.unwrap().state_machine_arn().to_owned()
}

async fn start(client: &Client, machine: &str, input: &str) -> String {
    client.start_execution().state_machine_arn(machine).input(input).send().await.unwrap().execution_arn().to_owned()
}

async fn ended(client: &Client, execution: &str) -> DescribeExecutionOutput {
    loop {
        let described = client.describe_execution().execution_arn(execution).send().await.unwrap();
        if *described.status() != ExecutionStatus::Running {
            return described;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn run(cloud: &Cloud, definition: &str, input: &str) -> DescribeExecutionOutput {
    let client = cloud.states_client();
    let machine = create(&client, definition).await;
    let execution = start(&client, &machine, input).await;
    ended(&client, &execution).await
}

async fn history(client: &Client, execution: &str) -> Vec<HistoryEvent> {
    client.get_execution_history().execution_arn(execution).send().await.unwrap().events().to_vec()
}

fn types(events: &[HistoryEvent]) -> Vec<&str> {
    events.iter().map(|event| event.r#type().as_str()).collect()
}

async fn runs() {
    let cloud = Cloud::start().await;
    cloud.function("echo", &[]);
    let mut task =
        invoke("echo", &json!({"n": "{% $states.input.n + 1 %}", "run": "{% $states.context.Execution.Name %}"}));
    task["Output"] = json!("{% $states.result.Payload.event %}");
    let described = run(&cloud, &machine(&json!({ "Work": task })), r#"{"n": 1}"#).await;
    assert_eq!(*described.status(), ExecutionStatus::Succeeded, "{described:?}");
    let output: Value = serde_json::from_str(described.output().unwrap()).unwrap();
    assert_eq!(output, json!({"n": 2, "run": described.name().unwrap()}));
    assert!(described.stop_date().is_some());
    let events = history(&cloud.states_client(), described.execution_arn()).await;
    assert_eq!(
        types(&events),
        [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded"
        ]
    );
    assert_eq!(events[2].task_scheduled_event_details().unwrap().resource_type(), "lambda");
    assert_eq!(events[5].state_exited_event_details().unwrap().output(), described.output());
}

async fn fails() {
    let cloud = Cloud::start().await;
    cloud.function("f", &[]);
    let task = invoke("f", &json!({"do": "fail", "errorType": "QueryFailed"}));
    let described = run(&cloud, &machine(&json!({ "Work": task })), "{}").await;
    assert_eq!(*described.status(), ExecutionStatus::Failed);
    assert_eq!(described.error(), Some("QueryFailed"));
    let cause: Value = serde_json::from_str(described.cause().unwrap()).unwrap();
    assert_eq!(cause["errorMessage"], "as asked");
}

async fn refused() {
    let cloud = Cloud::start().await;
    let described = run(&cloud, &machine(&json!({ "Work": invoke("nobody", &json!({})) })), "{}").await;
    assert_eq!(described.error(), Some("Lambda.ResourceNotFoundException"));
    assert!(described.cause().unwrap().contains("function:nobody"));
}

async fn times_out() {
    let cloud = Cloud::start().await;
    cloud.function("f", &[]);
    let mut task = invoke("f", &json!({"do": "sleep", "millis": 5000}));
    task["TimeoutSeconds"] = json!(1);
    let described = run(&cloud, &machine(&json!({ "Work": task })), "{}").await;
    assert_eq!(*described.status(), ExecutionStatus::Failed);
    assert_eq!((described.error(), described.cause()), (Some("States.Timeout"), None));
}

async fn invalid() {
    let cloud = Cloud::start().await;
    let client = cloud.states_client();
    let definition = machine(&json!({ "A": {"Type": "Pass", "End": true}, "Island": {"Type": "Pass", "End": true} }));
    let request = client.create_state_machine().name("m").role_arn(ROLE).definition(&definition);
    let error = request.send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_definition());
    assert!(error.message().unwrap().contains("State \"Island\" is not reachable. at /States/Island"), "{error:?}");
    let validated = client.validate_state_machine_definition().definition(&definition).send().await.unwrap();
    assert_eq!(*validated.result(), ValidateStateMachineDefinitionResultCode::Fail);
    assert_eq!(validated.diagnostics()[0].location(), Some("/States/Island"));
    let other = json!({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true});
    let request = client.create_state_machine().name("m").role_arn(ROLE).definition(machine(&json!({ "A": other })));
    let error = request.send().await.unwrap_err().into_service_error();
    assert!(error.message().unwrap().contains("'sqs:sendMessage'"), "{error:?}");
}

async fn idempotent() {
    let cloud = Cloud::start().await;
    let client = cloud.states_client();
    let machine = create(&client, &machine(&json!({ "Nap": {"Type": "Wait", "Seconds": 60, "End": true} }))).await;
    let request = |input: &str| client.start_execution().state_machine_arn(&machine).name("run").input(input);
    let first = request("{}").send().await.unwrap();
    let again = request("{}").send().await.unwrap();
    assert_eq!((first.execution_arn(), first.start_date()), (again.execution_arn(), again.start_date()));
    let other = request(r#"{"n": 1}"#).send().await.unwrap_err().into_service_error();
    assert!(other.is_execution_already_exists());
    client.stop_execution().execution_arn(first.execution_arn()).send().await.unwrap();
    let closed = request("{}").send().await.unwrap_err().into_service_error();
    assert!(closed.is_execution_already_exists());
}

async fn bad_requests() {
    let cloud = Cloud::start().await;
    let client = cloud.states_client();
    let machine = create(&client, &machine(&json!({ "A": {"Type": "Pass", "End": true} }))).await;
    let error = client.start_execution().state_machine_arn(&machine).input("{").send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_execution_input());
    let error = client.start_execution().state_machine_arn(&machine).name("a b").send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_name());
    let error = client.start_execution().state_machine_arn(format!("{machine}2")).send().await.unwrap_err();
    assert!(error.into_service_error().is_state_machine_does_not_exist());
    let error = client.describe_execution().execution_arn(&machine).send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_arn());
    let absent = format!("{}:nobody", machine.replace("stateMachine", "execution"));
    let error = client.get_execution_history().execution_arn(absent).send().await.unwrap_err();
    assert!(error.into_service_error().is_execution_does_not_exist());
    let error = client.list_activities().send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("UnknownOperationException"));
}

async fn pages() {
    let cloud = Cloud::start().await;
    let pass = |next: &str| json!({"Type": "Pass", "Next": next});
    let states = json!({ "A": pass("B"), "B": pass("C"), "C": {"Type": "Pass", "End": true} });
    let described = run(&cloud, &machine(&states), "{}").await;
    let client = cloud.states_client();
    let request = client.get_execution_history().execution_arn(described.execution_arn());
    let mut pages = request.clone().max_results(3).into_paginator().send();
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.events().len() <= 3);
        ids.extend(page.events().iter().map(HistoryEvent::id));
    }
    assert_eq!(ids, (1..=8).collect::<Vec<_>>());
    let last = request.clone().reverse_order(true).max_results(1).send().await.unwrap();
    assert_eq!(types(last.events()), ["ExecutionSucceeded"]);
    let bare = request.include_execution_data(false).send().await.unwrap();
    assert_eq!(bare.events()[1].state_entered_event_details().unwrap().input(), None);
}

async fn machines() {
    let cloud = Cloud::start().await;
    let client = cloud.states_client();
    let first = machine(&json!({ "A": {"Type": "Pass", "Output": 1, "End": true} }));
    let second = machine(&json!({ "A": {"Type": "Pass", "Output": 2, "End": true} }));
    let arn = create(&client, &first).await;
    assert_eq!(create(&client, &first).await, arn);
    let other = client.create_state_machine().name("m").definition(&second).role_arn(ROLE).send().await.unwrap_err();
    assert!(other.into_service_error().is_state_machine_already_exists());
    client.update_state_machine().state_machine_arn(&arn).definition(&second).send().await.unwrap();
    let described = client.describe_state_machine().state_machine_arn(&arn).send().await.unwrap();
    assert_eq!(described.definition(), second);
    let execution = start(&client, &arn, "{}").await;
    assert_eq!(ended(&client, &execution).await.output(), Some("2"));
    let of = client.describe_state_machine_for_execution().execution_arn(&execution).send().await.unwrap();
    assert_eq!(of.definition(), second);
    let listed = client.list_executions().state_machine_arn(&arn).send().await.unwrap();
    assert_eq!(listed.executions()[0].execution_arn(), execution);
    let filter = client.list_executions().state_machine_arn(&arn).status_filter(ExecutionStatus::Failed);
    assert!(filter.send().await.unwrap().executions().is_empty());
    assert_eq!(client.list_state_machines().send().await.unwrap().state_machines()[0].state_machine_arn(), arn);
    client.delete_state_machine().state_machine_arn(&arn).send().await.unwrap();
    assert!(client.list_state_machines().send().await.unwrap().state_machines().is_empty());
}

async fn stopped() {
    let cloud = Cloud::start().await;
    let client = cloud.states_client();
    let machine = create(&client, &machine(&json!({ "Nap": {"Type": "Wait", "Seconds": 60, "End": true} }))).await;
    let execution = start(&client, &machine, "{}").await;
    let request = client.stop_execution().execution_arn(&execution).error("Enough").cause("by hand");
    let stop = request.send().await.unwrap();
    let described = client.describe_execution().execution_arn(&execution).send().await.unwrap();
    assert_eq!(*described.status(), ExecutionStatus::Aborted);
    assert_eq!((described.error(), described.cause()), (Some("Enough"), Some("by hand")));
    assert_eq!(described.stop_date(), Some(stop.stop_date()));
    let events = history(&client, &execution).await;
    assert_eq!(types(&events), ["ExecutionStarted", "WaitStateEntered", "WaitStateAborted", "ExecutionAborted"]);
}

async fn interrupted() {
    let cloud = Cloud::start().await;
    let client = cloud.states_client();
    let machine = create(&client, &machine(&json!({ "Nap": {"Type": "Wait", "Seconds": 60, "End": true} }))).await;
    let execution = start(&client, &machine, "{}").await;
    while history(&client, &execution).await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The file as it is when the process is killed: opened again by the next one.
    let again = open_states(cloud.folder.path().join("states.sqlite"), &cloud.lambda);
    drop(again);
    let described = client.describe_execution().execution_arn(&execution).send().await.unwrap();
    assert_eq!((described.status(), described.error()), (&ExecutionStatus::Failed, Some("States.Runtime")));
    assert!(described.cause().unwrap().contains("local cloud stopped"));
    let events = history(&client, &execution).await;
    assert_eq!(types(&events), ["ExecutionStarted", "WaitStateEntered", "ExecutionFailed"]);
    assert!(cloud.service.put_state_machine("m", "{}", ROLE).is_err());
}
