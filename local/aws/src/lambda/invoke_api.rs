//! Lambda's API for clients: `Invoke`, `GetFunction`, `GetFunctionConfiguration`, `ListFunctions`.
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use std::time::SystemTime;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::name::decoded;
use super::{FunctionSpec, Invoked, Lambda, LambdaError, MAX_PAYLOAD_BYTES};
use crate::iam::Right;
use crate::server::unmapped_operation;
use crate::{Caller, WireError};

/// Where the paths of this API begin.
const PREFIX: &str = "/2015-03-31/functions";
const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");

/// Answers one request of a client.
pub(super) async fn handle(lambda: &Lambda, request: Request) -> Result<Response, WireError> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Some(rest) = path.strip_prefix(PREFIX) else {
        return Err(WireError::unknown_operation("Lambda", &format!("{} {path}", parts.method)));
    };
    let segments: Vec<&str> = rest.split('/').filter(|segment| !segment.is_empty()).collect();
    authorize(&parts, &segments)?;
    match (parts.method.clone(), segments.as_slice()) {
        (Method::POST, [name, "invocations"]) => invoke(lambda, &decoded(name), &parts, body).await,
        (Method::GET, []) => Ok(json_response(&list(lambda))),
        (Method::GET, [name]) => {
            let function = lambda.function(&decoded(name))?;
            let code = json!({ "RepositoryType": "Local", "Location": function.spec().binary.display().to_string() });
            let configuration = configuration(function.spec());
            Ok(json_response(&json!({ "Configuration": configuration, "Code": code, "Tags": {} })))
        }
        (Method::GET, [name, "configuration"]) => {
            Ok(json_response(&configuration(lambda.function(&decoded(name))?.spec())))
        }
        (method, _) => Err(WireError::unknown_operation("Lambda", &format!("{method} {path}"))),
    }
}

/// Refuses a role what it has no right to, and what nobody knows the right for.
/// Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html>
fn authorize(parts: &Parts, segments: &[&str]) -> Result<(), WireError> {
    let Some(session) = parts.extensions.get::<Caller>().and_then(|caller| caller.session.as_ref()) else {
        return Ok(());
    };
    let of_function = |action: &str, name: &str| {
        let name = decoded(name);
        let name = name.rsplit_once("function:").map_or(name.as_str(), |(_, name)| name);
        Right::new(action, session.place().arn("lambda", &format!("function:{name}")))
    };
    let right = match (&parts.method, segments) {
        (&Method::POST, [name, "invocations"]) => of_function("lambda:InvokeFunction", name),
        (&Method::GET, []) => Right::new("lambda:ListFunctions", "*"),
        (&Method::GET, [name]) => of_function("lambda:GetFunction", name),
        (&Method::GET, [name, "configuration"]) => of_function("lambda:GetFunctionConfiguration", name),
        (method, _) => {
            let message = unmapped_operation(&format!("Lambda's {method} {}", parts.uri.path()));
            return Err(WireError::client("AccessDeniedException", message).with_status(StatusCode::FORBIDDEN));
        }
    };
    session
        .check(&right)
        .map_err(|denied| WireError::client("AccessDeniedException", denied.message).with_status(StatusCode::FORBIDDEN))
}

async fn invoke(lambda: &Lambda, name: &str, parts: &Parts, body: Body) -> Result<Response, WireError> {
    // More is read than is taken: a connection whose request was not read to its end cannot serve the next one.
    let payload = axum::body::to_bytes(body, 2 * MAX_PAYLOAD_BYTES).await.map_err(|_| {
        WireError::from(LambdaError::RequestTooLarge { bytes: declared_length(parts).unwrap_or(MAX_PAYLOAD_BYTES + 1) })
    })?;
    match header_text(parts, &INVOCATION_TYPE).unwrap_or("RequestResponse") {
        "RequestResponse" => {
            let tail = header_text(parts, &LOG_TYPE) == Some("Tail");
            Ok(invoked(lambda.invoke(name, payload).await?, tail))
        }
        "Event" => {
            lambda.function(name)?;
            let id = lambda.accept(name, payload)?;
            Ok((StatusCode::ACCEPTED, [("x-amzn-requestid", id)]).into_response())
        }
        "DryRun" => {
            lambda.function(name)?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        other => Err(WireError::client("InvalidParameterValueException", format!("no invocation type: {other}"))),
    }
}

fn invoked(invoked: Invoked, tail: bool) -> Response {
    let mut response = Response::new(Body::from(invoked.payload));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-amz-executed-version", HeaderValue::from_static("$LATEST"));
    if let Ok(id) = HeaderValue::from_str(&invoked.request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(error) = invoked.function_error {
        headers.insert("x-amz-function-error", HeaderValue::from_static(error));
    }
    if let (true, Ok(log)) = (tail, HeaderValue::from_str(&STANDARD.encode(invoked.log_tail))) {
        headers.insert("x-amz-log-result", log);
    }
    response
}

fn list(lambda: &Lambda) -> Value {
    let functions: Vec<Value> = lambda.functions().values().map(|function| configuration(function.spec())).collect();
    json!({ "Functions": functions })
}

/// <https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html>
fn configuration(spec: &FunctionSpec) -> Value {
    let metadata = std::fs::metadata(&spec.binary).ok();
    let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok()).unwrap_or(SystemTime::UNIX_EPOCH);
    json!({
        "FunctionName": spec.name,
        "FunctionArn": spec.arn,
        "Runtime": "provided.al2023",
        "Role": spec.role_arn,
        "Handler": "bootstrap",
        "CodeSize": metadata.map_or(0, |metadata| metadata.len()),
        "Timeout": spec.timeout.as_secs(),
        "MemorySize": spec.memory_mb,
        "LastModified": DateTime::<Utc>::from(modified).to_rfc3339_opts(SecondsFormat::Millis, true),
        "Version": "$LATEST",
        "Environment": { "Variables": spec.environment },
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
    })
}

fn header_text<'p>(parts: &'p Parts, name: &HeaderName) -> Option<&'p str> {
    parts.headers.get(name)?.to_str().ok()
}

fn declared_length(parts: &Parts) -> Option<usize> {
    header_text(parts, &header::CONTENT_LENGTH)?.parse().ok()
}

fn json_response(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
