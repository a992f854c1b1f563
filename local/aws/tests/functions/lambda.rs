//! What Lambda promises.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("lambda_a_function_sees_its_own_environment_and_nothing_of_ours", environment),
        trial("lambda_a_warm_process_is_used_again", warm),
        trial("lambda_the_deadline_is_a_moment", deadline),
        trial("lambda_an_error_keeps_its_type", function_error),
        trial("lambda_a_crash_is_reported_and_the_next_invocation_works", crash),
        trial("lambda_a_function_that_takes_too_long_is_ended", timeout),
        trial("lambda_failures_before_the_first_poll_are_reported", init_failures),
        trial("lambda_a_missing_program_is_named_with_what_to_do", missing_program),
        trial("lambda_what_it_refuses_has_lambdas_names", refusals),
        trial("lambda_too_many_invocations_are_throttled", throttled),
        trial("lambda_the_log_has_a_tail_and_a_file", log),
        trial("lambda_an_event_is_not_waited_for", event),
        trial("lambda_functions_are_listed_and_described", described),
        trial("lambda_nobody_waiting_does_not_stop_a_function", abandoned),
    ]
}

async fn invoke(cloud: &Cloud, name: &str, event: Value) -> InvokeOutput {
    let payload = Blob::new(event.to_string());
    cloud.lambda_client().invoke().function_name(name).payload(payload).send().await.unwrap()
}

fn payload(output: &InvokeOutput) -> Value {
    serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap()
}

async fn environment() {
    let cloud = Cloud::start().await;
    cloud.function("echo", &[("DATABASE", "appdb")]);
    let output = invoke(&cloud, "echo", json!({"n": 1})).await;
    assert_eq!(
        (output.status_code(), output.function_error(), output.executed_version()),
        (200, None, Some("$LATEST"))
    );
    let answer = payload(&output);
    assert_eq!(answer["event"], json!({"n": 1}));
    let environment = &answer["environment"];
    assert_eq!(environment["DATABASE"], "appdb");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "128");
    assert!(environment["AWS_ENDPOINT_URL"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert_eq!(environment.get("HOME"), None);
    assert_eq!(environment.get("CARGO_MANIFEST_DIR"), None);
    let headers = &answer["headers"];
    assert_eq!(headers["lambda-runtime-invoked-function-arn"], "arn:aws:lambda:us-east-1:000000000000:function:echo");
    assert!(headers["lambda-runtime-trace-id"].as_str().unwrap().starts_with("Root=1-"));
}

async fn warm() {
    let cloud = Cloud::start().await;
    cloud.function("echo", &[]);
    let first = payload(&invoke(&cloud, "echo", json!({})).await);
    let second = payload(&invoke(&cloud, "arn:aws:lambda:us-east-1:000000000000:function:echo", json!({})).await);
    assert_eq!(first["pid"], second["pid"]);
    cloud.function("echo", &[("NEW", "1")]);
    let third = payload(&invoke(&cloud, "echo", json!({})).await);
    assert_ne!(first["pid"], third["pid"]);
}

async fn deadline() {
    let cloud = Cloud::start().await;
    cloud.function("echo", &[]);
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let answer = payload(&invoke(&cloud, "echo", json!({})).await);
    let deadline: u128 = answer["headers"]["lambda-runtime-deadline-ms"].as_str().unwrap().parse().unwrap();
    assert!((before + 30_000..before + 60_000).contains(&deadline), "{before} {deadline}");
}

async fn function_error() {
    let cloud = Cloud::start().await;
    cloud.function("f", &[]);
    let output = invoke(&cloud, "f", json!({"do": "fail", "errorType": "QueryFailed"})).await;
    assert_eq!((output.status_code(), output.function_error()), (200, Some("Unhandled")));
    assert_eq!(payload(&output), json!({"errorType": "QueryFailed", "errorMessage": "as asked"}));
}

async fn crash() {
    let cloud = Cloud::start().await;
    cloud.function("f", &[]);
    let first = payload(&invoke(&cloud, "f", json!({})).await);
    let error = payload(&invoke(&cloud, "f", json!({"do": "exit"})).await);
    assert_eq!(error["errorType"], "Runtime.ExitError");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("RequestId: ") && message.ends_with("Error: Runtime exited with error: exit status 3"));
    let next = payload(&invoke(&cloud, "f", json!({})).await);
    assert_ne!(first["pid"], next["pid"]);
    let error = payload(&invoke(&cloud, "f", json!({"do": "grow"})).await);
    assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
}

async fn timeout() {
    let cloud = Cloud::start().await;
    cloud.function_at("f", std::env::current_exe().unwrap(), &[], 1);
    let begun = std::time::Instant::now();
    let error = payload(&invoke(&cloud, "f", json!({"do": "hang"})).await);
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    assert!(error["errorMessage"].as_str().unwrap().ends_with("Error: Task timed out after 1.00 seconds"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    assert_eq!(invoke(&cloud, "f", json!({})).await.function_error(), None);
}

async fn init_failures() {
    let cloud = Cloud::start().await;
    cloud.function("fails", &[("AT_START", "fail")]);
    let output = invoke(&cloud, "fails", json!({})).await;
    assert_eq!(output.function_error(), Some("Unhandled"));
    assert_eq!(payload(&output)["errorType"], "InvalidConfig");
    cloud.function("exits", &[("AT_START", "exit")]);
    let error = payload(&invoke(&cloud, "exits", json!({})).await);
    assert!(error["errorMessage"].as_str().unwrap().ends_with("exit status 7"), "{error}");
}

async fn missing_program() {
    let cloud = Cloud::start().await;
    cloud.function_at("absent", PathBuf::from("/nowhere/full-load"), &[], 1);
    let error = payload(&invoke(&cloud, "absent", json!({})).await);
    assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.contains("/nowhere/full-load") && message.contains("cargo build -p full-load"), "{message}");
}

async fn refusals() {
    let cloud = Cloud::start().await;
    cloud.function("f", &[]);
    let client = cloud.lambda_client();
    let error = client.invoke().function_name("nobody").send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    let error = client.invoke().function_name("f").payload(Blob::new("{")).send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_request_content_exception());
    let large = Blob::new(format!("\"{}\"", "x".repeat(7 << 20)));
    let error = client.invoke().function_name("f").payload(large).send().await.unwrap_err();
    assert!(error.into_service_error().is_request_too_large_exception());
    let error = client.list_aliases().function_name("f").send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("UnknownOperationException"));
}

async fn throttled() {
    let cloud = Cloud::with_concurrency(1).await;
    cloud.function("f", &[]);
    let client = cloud.lambda_client();
    let sleeping = invoke(&cloud, "f", json!({"do": "sleep", "millis": 2000}));
    let refused = async {
        let file = cloud.folder.path().join("logs/f.log");
        while !std::fs::read_to_string(&file).is_ok_and(|log| log.contains("handling")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        client.invoke().function_name("f").send().await.unwrap_err().into_service_error()
    };
    let (output, error) = tokio::join!(sleeping, refused);
    assert_eq!(output.function_error(), None);
    assert!(error.is_too_many_requests_exception(), "{error:?}");
}

async fn log() {
    let cloud = Cloud::start().await;
    cloud.function("f", &[]);
    let request = cloud.lambda_client().invoke().function_name("f").log_type(LogType::Tail);
    let output = request.payload(Blob::new(r#"{"do": "sleep", "millis": 50}"#)).send().await.unwrap();
    let tail = base64::engine::general_purpose::STANDARD.decode(output.log_result().unwrap()).unwrap();
    let tail = String::from_utf8(tail).unwrap();
    assert!(tail.starts_with("START RequestId: ") && tail.contains("handling {\"do\":\"sleep\""), "{tail}");
    assert!(tail.contains("\nREPORT RequestId: ") && tail.contains("Memory Size: 128 MB"), "{tail}");
    let file = std::fs::read_to_string(cloud.folder.path().join("logs/f.log")).unwrap();
    assert!(file.contains(&tail), "{file}");
}

async fn event() {
    let cloud = Cloud::start().await;
    cloud.function("f", &[]);
    cloud.lambda.run_events();
    let request = cloud.lambda_client().invoke().function_name("f").invocation_type(InvocationType::Event);
    let output = request.payload(Blob::new(r#"{"do": "sleep", "millis": 1}"#)).send().await.unwrap();
    assert_eq!(output.status_code(), 202);
    let file = cloud.folder.path().join("logs/f.log");
    while !std::fs::read_to_string(&file).is_ok_and(|log| log.contains("REPORT")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn described() {
    let cloud = Cloud::start().await;
    cloud.function("a", &[("DATABASE", "appdb")]);
    cloud.function("b", &[]);
    let client = cloud.lambda_client();
    let listed = client.list_functions().send().await.unwrap();
    let names: Vec<_> = listed.functions().iter().filter_map(|function| function.function_name()).collect();
    assert_eq!(names, ["a", "b"]);
    let described = client.get_function().function_name("a").send().await.unwrap();
    let configuration = described.configuration().unwrap();
    assert_eq!((configuration.timeout(), configuration.memory_size()), (Some(30), Some(128)));
    assert_eq!(configuration.environment().unwrap().variables().unwrap()["DATABASE"], "appdb");
}

async fn abandoned() {
    let cloud = Cloud::start().await;
    cloud.function("f", &[]);
    let lambda = cloud.lambda.clone();
    let impatient = async move { lambda.invoke("f", r#"{"do": "sleep", "millis": 300}"#.into()).await };
    assert!(tokio::time::timeout(Duration::from_millis(100), impatient).await.is_err());
    let file = cloud.folder.path().join("logs/f.log");
    while !std::fs::read_to_string(&file).is_ok_and(|log| log.contains("REPORT")) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
