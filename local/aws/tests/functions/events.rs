//! What Lambda promises of events that nobody waits for, and S3 of those that it sends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;
use libtest_mimic::Trial;
use local_aws::lambda::EventInvokeConfig;
use local_aws::s3::Notification;
use local_aws::{Caller, JsonService as _};
use serde_json::{Value, json};

use crate::cloud::{Cloud, QUEUE};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("events_a_failure_is_tried_again_and_its_record_ends_in_the_queue", retried),
        trial("events_a_success_is_told_to_whom_it_concerns", succeeded),
        trial("events_a_dead_letter_queue_gets_the_event_itself", dead_letter),
        trial("events_one_that_grew_too_old_is_given_up", too_old),
        trial("events_a_function_without_concurrency_gives_them_up_at_once", switched_off),
        trial("events_wait_for_concurrency_and_that_is_no_attempt", throttled),
        trial("events_run_at_once_only_as_many_as_may", bounded),
        trial("events_survive_the_process_waiting_or_running", survived),
        trial("events_that_are_too_large_are_refused", too_large),
        trial("events_of_s3_start_a_function", of_s3),
    ]
}

fn on_failure(max_retries: u32) -> EventInvokeConfig {
    EventInvokeConfig { max_retries, on_failure: Some(QUEUE.to_owned()), ..EventInvokeConfig::default() }
}

async fn send(cloud: &Cloud, event: Value) -> String {
    let request = cloud.lambda_client().invoke().function_name("f").invocation_type(InvocationType::Event);
    let output = request.payload(Blob::new(event.to_string())).send().await.unwrap();
    assert_eq!(output.status_code(), 202);
    aws_sdk_lambda::operation::RequestId::request_id(&output).unwrap().to_owned()
}

/// The next message of the queue.
async fn message(cloud: &Cloud) -> Value {
    let receive = json!({ "QueueUrl": "http://localhost/000000000000/unloaded", "WaitTimeSeconds": 20 });
    let answer = cloud.sqs.call("ReceiveMessage", receive.to_string().into(), &Caller::default()).await.unwrap();
    let body = answer["Messages"][0]["Body"].as_str().unwrap_or_else(|| panic!("no message: {answer}"));
    serde_json::from_str(body).unwrap()
}

fn log(cloud: &Cloud) -> String {
    std::fs::read_to_string(cloud.folder.path().join("logs/f.log")).unwrap_or_default()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}

async fn retried() {
    let cloud = Cloud::start().await;
    cloud.function_with("f", None, on_failure(2));
    cloud.lambda.run_events();
    let id = send(&cloud, json!({"do": "fail", "errorType": "SourceRefused"})).await;
    let record = message(&cloud).await;
    assert_eq!(record["version"], "1.0");
    let context = &record["requestContext"];
    assert_eq!((&context["condition"], &context["approximateInvokeCount"]), (&json!("RetriesExhausted"), &json!(3)));
    assert_eq!(context["requestId"], id);
    assert_eq!(context["functionArn"], "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST");
    assert_eq!(record["requestPayload"]["errorType"], "SourceRefused");
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorType"], "SourceRefused");
    assert_eq!(log(&cloud).matches(&format!("START RequestId: {id}")).count(), 3, "each attempt has the same id");
    let listed = cloud.lambda.list_events().unwrap();
    assert_eq!(listed["Events"], json!([]));
    assert_eq!(listed["Failures"], json!([record]));
}

async fn succeeded() {
    let cloud = Cloud::start().await;
    let config = EventInvokeConfig { on_success: Some(QUEUE.to_owned()), ..EventInvokeConfig::default() };
    cloud.function_with("f", None, config);
    cloud.lambda.run_events();
    send(&cloud, json!({"n": 1})).await;
    let record = message(&cloud).await;
    assert_eq!(record["requestContext"]["condition"], "Success");
    assert_eq!(record["responseContext"], json!({"statusCode": 200, "executedVersion": "$LATEST"}));
    assert_eq!(record["responsePayload"]["event"], json!({"n": 1}));
}

async fn dead_letter() {
    let cloud = Cloud::start().await;
    let dead_letter_queue = Some(QUEUE.to_owned());
    let config = EventInvokeConfig { max_retries: 0, dead_letter_queue, ..EventInvokeConfig::default() };
    cloud.function_with("f", None, config);
    cloud.lambda.run_events();
    send(&cloud, json!({"do": "fail", "errorType": "X"})).await;
    assert_eq!(message(&cloud).await, json!({"do": "fail", "errorType": "X"}));
    assert_eq!(log(&cloud).matches("START").count(), 1);
}

async fn too_old() {
    let cloud = Cloud::start().await;
    cloud.function_with("f", None, EventInvokeConfig { max_age: Duration::from_millis(1), ..on_failure(2) });
    cloud.lambda.run_events();
    send(&cloud, json!({"do": "fail", "errorType": "X"})).await;
    let record = message(&cloud).await;
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 1);
}

async fn switched_off() {
    let cloud = Cloud::start().await;
    cloud.function_with("f", Some(0), on_failure(2));
    cloud.lambda.run_events();
    send(&cloud, json!({"n": 1})).await;
    let record = message(&cloud).await;
    assert_eq!(record["requestContext"]["condition"], "ZeroReservedConcurrency");
    assert_eq!((record.get("responsePayload"), &record["requestPayload"]), (None, &json!({"n": 1})));
    let refused = cloud.lambda_client().invoke().function_name("f").send().await.unwrap_err();
    assert!(refused.into_service_error().is_too_many_requests_exception());
}

async fn throttled() {
    let cloud = Cloud::start().await;
    let config = EventInvokeConfig { on_success: Some(QUEUE.to_owned()), ..EventInvokeConfig::default() };
    cloud.function_with("f", Some(1), config);
    let lambda = cloud.lambda.clone();
    let busy =
        tokio::spawn(async move { lambda.invoke("f", r#"{"do": "sleep", "millis": 500}"#.into()).await.unwrap() });
    until("it works", || log(&cloud).contains("handling")).await;
    cloud.lambda.run_events();
    send(&cloud, json!({"n": 1})).await;
    assert_eq!(message(&cloud).await["requestContext"]["approximateInvokeCount"], 1);
    assert_eq!(busy.await.unwrap().function_error, None);
}

async fn bounded() {
    let cloud = Cloud::start().await;
    cloud.function_with("f", None, EventInvokeConfig::default());
    cloud.lambda.run_events();
    for _ in 0..6 {
        send(&cloud, json!({"do": "sleep", "millis": 100})).await;
    }
    let mut most = 0;
    until("all have run", || {
        let listed = cloud.lambda.list_events().unwrap();
        let events = listed["Events"].as_array().unwrap().clone();
        most = most.max(events.iter().filter(|event| event["Status"] == "RUNNING").count());
        events.is_empty()
    })
    .await;
    assert_eq!(most, 2);
    assert_eq!(log(&cloud).matches("START").count(), 6);
}

async fn survived() {
    let cloud = Cloud::start().await;
    let config = || EventInvokeConfig { on_success: Some(QUEUE.to_owned()), ..EventInvokeConfig::default() };
    // Accepted, and the process dies before it ran.
    cloud.function_with("f", None, config());
    let id = send(&cloud, json!({"do": "sleep", "millis": 1000})).await;
    let cloud = Cloud::start_in(cloud.stop(), 8).await;
    // Running, and the process dies.
    cloud.function_with("f", None, config());
    cloud.lambda.run_events();
    until("it runs", || log(&cloud).contains("handling")).await;
    let cloud = Cloud::start_in(cloud.stop(), 8).await;
    cloud.function_with("f", None, config());
    cloud.lambda.run_events();
    let record = message(&cloud).await;
    assert_eq!(record["requestContext"]["requestId"], id);
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 1, "what was cut short is no attempt");
    assert_eq!(log(&cloud).matches("handling").count(), 2);
}

async fn too_large() {
    let cloud = Cloud::start().await;
    cloud.function_with("f", None, EventInvokeConfig::default());
    let request = cloud.lambda_client().invoke().function_name("f").invocation_type(InvocationType::Event);
    let error = request.payload(Blob::new(format!("\"{}\"", "x".repeat(1 << 20)))).send().await.unwrap_err();
    assert!(error.into_service_error().is_request_too_large_exception());
}

async fn of_s3() {
    let cloud = Cloud::start().await;
    let config = EventInvokeConfig { on_success: Some(QUEUE.to_owned()), ..EventInvokeConfig::default() };
    cloud.function_with("f", None, config);
    let notification = Notification {
        id: "inbox".to_owned(),
        bucket: "lake".to_owned(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        events: vec!["s3:ObjectCreated:*".to_owned()],
        prefix: "inbox/".to_owned(),
        suffix: String::new(),
    };
    cloud.s3.deploy(vec![notification]).unwrap();
    cloud.lambda.run_events();
    for key in ["raw/a.csv", "inbox/a%20b.csv"] {
        put(&cloud, key, "a,b\n");
    }
    let record = message(&cloud).await;
    let told = &record["responsePayload"]["event"]["Records"][0];
    assert_eq!(told["eventName"], "ObjectCreated:Put");
    assert_eq!(told["s3"]["object"]["key"], "inbox/a+b.csv");
    assert_eq!(told["s3"]["object"]["size"], 4);
    assert_eq!(told["s3"]["object"]["eTag"], "f69f5b72bc79a92dc70c63c9aa142e36");
    assert_eq!(log(&cloud).matches("START").count(), 1);
}

/// A `PutObject`, without a signature.
fn put(cloud: &Cloud, key: &str, body: &str) {
    let mut stream = TcpStream::connect(cloud.endpoint).unwrap();
    let (host, length) = (cloud.endpoint, body.len());
    let request = format!(
        "PUT /lake/{key} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
