//! The Lambda Runtime API, one path for every process: `/runtime/<function>/<instance>/2018-06-01/runtime/…`.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use super::MAX_PAYLOAD_BYTES;
use super::instance::{Delivery, Mailbox, Registry, Signal};

/// Where the paths of the Runtime API begin.
pub(super) const PREFIX: &str = "/runtime/";
/// What separates the process from the API.
const VERSION: &str = "/2018-06-01/runtime/";

/// Answers one request of a process.
pub(super) async fn handle(registry: &Registry, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Some((process, action)) = path.strip_prefix(PREFIX).and_then(|rest| rest.split_once(VERSION)) else {
        return refused(StatusCode::NOT_FOUND, "InvalidPath", &path);
    };
    let Some(mailbox) = registry.find(process) else {
        return refused(StatusCode::GONE, "UnknownProcess", process);
    };
    let action: Vec<&str> = action.split('/').collect();
    match (request.method().clone(), action.as_slice()) {
        (Method::GET, ["invocation", "next"]) => next(&mailbox).await,
        (Method::POST, ["invocation", id, "response"]) => {
            let request_id = (*id).to_owned();
            told(&mailbox, request, |payload| Signal::Response { request_id, payload }).await
        }
        (Method::POST, ["invocation", id, "error"]) => {
            let request_id = (*id).to_owned();
            told(&mailbox, request, |payload| Signal::Failure { request_id, payload }).await
        }
        (Method::POST, ["init", "error"]) => told(&mailbox, request, |payload| Signal::InitFailure { payload }).await,
        _ => refused(StatusCode::NOT_FOUND, "InvalidPath", &path),
    }
}

/// Waits for an invocation.
async fn next(mailbox: &Arc<Mailbox>) -> Response {
    if mailbox.signals.send(Signal::Ready).is_err() {
        return refused(StatusCode::GONE, "UnknownProcess", "the process is being ended");
    }
    match mailbox.deliveries.lock().await.recv().await {
        Some(delivery) => delivered(delivery),
        None => refused(StatusCode::GONE, "UnknownProcess", "the process is being ended"),
    }
}

fn delivered(delivery: Delivery) -> Response {
    let Delivery { invocation, function_arn, deadline_millis } = delivery;
    let mut response = Response::new(Body::from(invocation.payload));
    let trace = Uuid::new_v4().simple().to_string();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.request_id),
        ("lambda-runtime-deadline-ms", deadline_millis.to_string()),
        ("lambda-runtime-invoked-function-arn", function_arn),
        ("lambda-runtime-trace-id", format!("Root=1-{}-{};Sampled=0", &trace[..8], &trace[8..])),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Passes on what a process said.
async fn told(mailbox: &Mailbox, request: Request, signal: impl FnOnce(Bytes) -> Signal) -> Response {
    // One byte more than allowed, so that what is too large can be told from what is not.
    let Ok(payload) = axum::body::to_bytes(request.into_body(), 2 * MAX_PAYLOAD_BYTES).await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "the body cannot be read");
    };
    match mailbox.signals.send(signal(payload)) {
        Ok(()) => answer(StatusCode::ACCEPTED, json!({ "status": "OK" }).to_string()),
        Err(_) => refused(StatusCode::GONE, "UnknownProcess", "the process is being ended"),
    }
}

fn refused(status: StatusCode, error_type: &str, message: &str) -> Response {
    answer(status, json!({ "errorType": error_type, "errorMessage": message }).to_string())
}

fn answer(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
